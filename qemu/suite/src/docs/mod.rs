// SPDX-License-Identifier: MIT
//! The documents, executed.

use crate::frame::Case;

mod boot_loader;
mod coming_from;
mod porting_guide;
mod readers_of_the_guide;
mod troubleshooting;
mod tutorial;

pub fn cases() -> Vec<Case> {
    [
        boot_loader::cases(),
        coming_from::cases(),
        porting_guide::cases(),
        readers_of_the_guide::cases(),
        troubleshooting::cases(),
        tutorial::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
