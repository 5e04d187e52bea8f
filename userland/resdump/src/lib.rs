// SPDX-License-Identifier: MIT

//! The parts of `resdump`, from the ground up; a part uses those above it in this list only.
//!
//! - [`sys`]: system calls. All unsafe code is there.
//! - [`codec`]: digests, compression, file formats. Nothing there opens a file.
//! - [`output`]: what is written to: what a path names, and what is allowed to happen to it.
//! - [`manifest`]: what is known of a dump.
//! - [`source`]: what is read: a region, a saved file.
//! - [`engine`], [`transfer`], [`journal`], [`readback`], [`recorder`], [`stream`]: how bytes move.
//! - [`commands`]: one for each word of the command line ([`cli`]).

#![deny(unsafe_code)]

pub mod address;
pub mod advice;
#[cfg(feature = "assets")]
pub mod assets;
pub mod cli;
pub use resdump_format::codec;
pub mod commands;
pub mod console;
pub mod devicetree;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod exit_codes;
pub mod hexdump;
pub mod journal;
pub mod late;
pub mod logging;
pub mod manifest;
pub mod output;
pub mod player;
pub mod progress;
pub mod readback;
pub mod recorder;
pub mod report;
pub mod signals;
pub mod size;
pub mod source;
pub mod span;
pub mod stream;
pub mod sys;
pub mod system;
pub mod template;
pub mod text;
pub mod transfer;
pub mod usage;
