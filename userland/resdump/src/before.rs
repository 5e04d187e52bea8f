// SPDX-License-Identifier: MIT

//! What must be looked at before Rust's runtime begins.

#![allow(unsafe_code, reason = "a function that the loader calls")]

use resdump::sys::standard;

// SAFETY: The C library calls the functions that this section lists one after the other before `main`,
// when it is ready to be used; this one makes a system call and stores a flag.
#[unsafe(link_section = ".init_array")]
#[used]
static BEFORE: extern "C" fn() = standard::look;
