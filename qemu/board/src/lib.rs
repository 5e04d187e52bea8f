// SPDX-License-Identifier: MIT
//! Boards as typed data: what `board.conf` says, device trees, what a finished image consists of.

mod conf;
pub mod devicetree;
pub mod firmware;
pub mod image;
pub mod keys;
pub mod lab;
mod lines;
pub mod needs;
pub mod reservations;
pub mod runs;

pub use conf::Board;
pub use image::Image;
pub use keys::{Placement, Tree};
pub use lab::Lab;
pub use needs::Need;
