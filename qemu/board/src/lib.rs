// SPDX-License-Identifier: MIT
//! Boards as typed data: what `board.conf` says, device trees, what a finished image consists of.

mod conf;
pub mod devicetree;
pub mod firmware;
pub mod image;

pub use conf::{Board, TreeSource};
pub use image::Image;
