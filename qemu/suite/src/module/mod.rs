// SPDX-License-Identifier: MIT
//! The module for any program: its calls, its mappings, its life.

use crate::frame::Case;

mod abi;
mod dmabuf;
mod failed_allocations;
mod fuzz;
mod handover;
mod lab_kernel;
mod lifecycle;
mod mapping;
mod planted_bugs;
mod reading;
mod registered_buffer;
pub mod snapshot_call;

pub fn cases() -> Vec<Case> {
    [
        abi::cases(),
        dmabuf::cases(),
        failed_allocations::cases(),
        fuzz::cases(),
        handover::cases(),
        lab_kernel::cases(),
        lifecycle::cases(),
        mapping::cases(),
        planted_bugs::cases(),
        reading::cases(),
        registered_buffer::cases(),
        snapshot_call::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
