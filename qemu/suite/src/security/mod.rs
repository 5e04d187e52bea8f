// SPDX-License-Identifier: MIT
//! What docs/explanation/security.md promises, tried by what must not succeed.

mod access;
mod bounds;
mod console;
mod frozen;
mod image;
mod lockdown;
mod messages;
mod readonly;
mod writer;

use crate::frame::Case;

pub fn cases() -> Vec<Case> {
    [
        access::cases(),
        bounds::cases(),
        console::cases(),
        frozen::cases(),
        image::cases(),
        lockdown::cases(),
        messages::cases(),
        readonly::cases(),
        writer::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
