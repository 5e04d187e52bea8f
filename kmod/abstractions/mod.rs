// SPDX-License-Identifier: GPL-2.0

//! What wraps the kernel, and all unsafe code of the module.
//!
//! Each file is one capability of the kernel that its own Rust crate does not offer yet, in the form
//! that the crate could take: a type with stated invariants that is safe to use. Files outside of this
//! folder cannot have unsafe code: `resmem_main.rs` has the compiler forbid it.

mod block;
pub(crate) mod bvec;
mod bytes;
pub(crate) mod chardev;
pub(crate) mod dma;
#[cfg(CONFIG_DMA_SHARED_BUFFER)]
pub(crate) mod dmabuf;
pub(crate) mod eventfd;
mod ffi;
pub(crate) mod file;
pub(crate) mod frames;
pub(crate) mod global;
#[cfg(CONFIG_DMA_SHARED_BUFFER)]
pub(crate) mod importer;
pub(crate) mod irq;
pub(crate) mod kiocb;
mod landing;
pub(crate) mod memory;
pub(crate) mod mmap;
pub(crate) mod pinned;
pub(crate) mod populate;
pub(crate) mod producer;
pub(crate) mod reserved;
pub(crate) mod sync;
pub(crate) mod syscon;
pub(crate) mod task;
pub(crate) mod uring;
pub(crate) mod worker;
