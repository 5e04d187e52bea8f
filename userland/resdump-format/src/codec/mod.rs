// SPDX-License-Identifier: MIT

//! Digests, compression and file formats: bytes in, bytes out. Nothing here opens a file.

#![forbid(unsafe_code)]

pub mod compare;
pub mod compression;
pub mod digest;
pub mod format;
pub mod unpack;
mod zstd;
