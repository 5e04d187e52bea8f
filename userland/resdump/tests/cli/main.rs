// SPDX-License-Identifier: MIT

//! The program as a whole, on a saved file in place of a live region: everything but the module.

#![allow(clippy::unwrap_used, reason = "a test")]

#[cfg(feature = "host")]
mod arguments;
#[cfg(feature = "host")]
mod assets;
mod bench;
mod coming_from;
mod compare;
mod console_server;
mod cut;
mod doctor;
#[cfg(feature = "host")]
mod documents;
mod dump;
mod durable;
mod engines;
mod extremes;
mod formats;
mod inputs;
mod json;
mod libraries;
mod messages;
mod names;
mod outputs;
mod packed;
mod peers;
mod progress;
mod ranges;
mod rates;
mod receivers;
mod recipes;
mod recordings;
mod remote;
mod room;
mod sealed;
mod serial;
mod serial_keep;
mod several;
mod show;
mod slow_lines;
mod strangers;
mod streams;
mod terminal;
mod verify;
