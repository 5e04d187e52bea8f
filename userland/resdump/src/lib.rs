// SPDX-License-Identifier: MIT

//! The parts of `resdump`.
//!
//! A command ([`commands`]) opens a [`source`] and a [`target`], and lets an [`engine`] move the
//! bytes ([`transfer`]). All unsafe code is in [`sys`].

#![deny(unsafe_code)]

pub mod cli;
pub mod commands;
pub mod digest;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod exit_codes;
pub mod format;
pub mod fresh;
pub mod hexdump;
pub mod journal;
pub mod logging;
pub mod manifest;
pub mod output;
pub mod progress;
pub mod readback;
pub mod report;
pub mod signals;
pub mod size;
pub mod source;
pub mod span;
pub mod stream;
pub mod sys;
pub mod system;
pub mod target;
pub mod transfer;
