// SPDX-License-Identifier: MIT
//! What docs/explanation/security.md promises, tried by somebody who wants more than that.

mod access;
mod bounds;
mod console;
mod frozen;
mod image;
pub mod lockdown;
mod messages;
mod readonly;
mod writer;

use crate::bed::Case;

pub use bounds::{TAIL, TAIL_BASE, WHOLE};
pub use console::nobody_is_heard_where_the_console_is_switched_off;

pub fn cases() -> Vec<Case> {
    [
        access::cases(),
        bounds::cases(),
        frozen::cases(),
        image::cases(),
        messages::cases(),
        readonly::cases(),
        writer::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
