// SPDX-License-Identifier: MIT

//! Writes reserved physical memory to disk with direct I/O and no copy; see `resdump --help`.

#![deny(unsafe_code)]
#![no_main]

use std::{
    ffi::{CStr, OsStr, OsString, c_char, c_int},
    os::unix::ffi::OsStrExt,
    process, slice,
};

use resdump::{cli::Cli, exit_codes::ExitCode, logging, signals, sys, usage};

#[cfg(target_arch = "powerpc")]
mod frames;
mod pow;

#[global_allocator]
static HEAP: sys::heap::Heap = sys::heap::Heap;

/// Rust's runtime does before its `main` what is done here, and looks for the end of the stack, which costs a tenth of a
/// short dump.
#[allow(unsafe_code, reason = "the C library calls it, with pointers")]
// SAFETY: It is the function that the C library starts a program with, and has the type of one.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, words: *const *const c_char) -> c_int {
    sys::heap::simple();
    if sys::standard::ready().is_err() {
        return ExitCode::Other as c_int;
    }
    // SAFETY: The C library passes `count` pointers, which stay as long as the process.
    let words = unsafe { slice::from_raw_parts(words, usize::try_from(count).unwrap_or(0)) };
    let arguments: Vec<OsString> = words
        .iter()
        // SAFETY: Each leads to a string that ends with a zero, and stays as well.
        .map(|word| OsStr::from_bytes(unsafe { CStr::from_ptr(*word) }.to_bytes()).to_owned())
        .collect();
    process::exit(run(&arguments) as c_int)
}

fn run(arguments: &[OsString]) -> ExitCode {
    // Before anything is printed: a reader may have gone away.
    let tamed = signals::tame();
    let cli = match Cli::of(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage::end(&error, arguments),
    };
    logging::start(cli.common.verbose, cli.common.syslog.is_some());
    let console = cli.console();
    match tamed.and_then(|()| cli.command.run(&console)) {
        Ok(code) => code,
        Err(error) => console.failure(&error),
    }
}
