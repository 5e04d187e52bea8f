// SPDX-License-Identifier: MIT

//! What the linker puts in the place of `__register_frame_info` and its counterpart (`build.rs`).

/// Tables for unwinding are found by the program's headers, also in a static program.
#[allow(unsafe_code, reason = "the linker names it")]
// SAFETY: No other function has the name. The C compiler's startup code calls it with pointers, which it does not look
// at, and takes no result.
#[unsafe(no_mangle)]
extern "C" fn resdump_frames_are_not_registered() {}
