// SPDX-License-Identifier: GPL-2.0

//! Raw declarations that bindgen makes from `helpers.h`. What each may be called with and when is said there, and locks
//! in the files that call them.

#![allow(
    dead_code,
    improper_ctypes,
    missing_docs,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    clippy::all
)]

use kernel::{bindings::*, ffi};

include!("helpers.rs");
