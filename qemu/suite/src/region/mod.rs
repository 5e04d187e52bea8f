// SPDX-License-Identifier: MIT
//! Regions by where their memory lies, who named them and who owns them.

use crate::frame::Case;

mod device_tree;
mod no_map;
pub mod node_at_root;
mod ownership;
mod pmem;
mod reserve_mem;
mod shared_with_device;
mod without_pages;

pub fn cases() -> Vec<Case> {
    [
        device_tree::cases(),
        no_map::cases(),
        node_at_root::cases(),
        ownership::cases(),
        pmem::cases(),
        reserve_mem::cases(),
        shared_with_device::cases(),
        without_pages::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
