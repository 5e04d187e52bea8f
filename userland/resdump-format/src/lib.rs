// SPDX-License-Identifier: MIT

#![doc = include_str!("../README.md")]
//!
//! # What there is
//!
//! - [`manifest`]: what is known of a dump, and whether that can be right.
//! - [`codec`]: formats, compression, digests.
//! - [`recording`]: the index of a recording, and the accounting that wrote it.

pub mod codec;
pub mod manifest;
pub mod recording;
