// SPDX-License-Identifier: MIT

//! How the C library hands out memory.

use nix::libc;

/// What the heap grows by at once, in bytes.
const STEP: libc::c_int = 512 << 10;

/// One heap for all threads, which grows in large steps: a second one costs a thread of few allocations twenty times what
/// they cost, and there are no two that allocate much.
pub fn simple() {
    #[cfg(target_env = "gnu")]
    for (what, value) in [(libc::M_ARENA_MAX, 1), (libc::M_TOP_PAD, STEP)] {
        // SAFETY: It takes numbers, at a time when there is one thread.
        unsafe { libc::mallopt(what, value) };
    }
}
