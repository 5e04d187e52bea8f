// SPDX-License-Identifier: MIT
//! The places in the module that a thread's calls reach, where the kernel has KCOV (see its
//! `Documentation/dev-tools/kcov.rst`): a measure, which what is drawn does not depend on.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::sys;

const PATH: &str = "/sys/kernel/debug/kcov";
/// Places that are remembered of one call.
const PLACES: usize = 8192;
/// `KCOV_TRACE_PC`.
const TRACE_PC: usize = 0;

/// What the kernel writes a thread's places to.
pub struct Kcov {
    places: &'static [AtomicUsize],
}

impl Kcov {
    /// Begins to trace this thread; `None` where the kernel cannot.
    pub fn new() -> Option<Self> {
        let fd = sys::open(PATH, libc::O_RDWR | libc::O_CLOEXEC).ok()?;
        let init = nix::request_code_read!(b'c', 1, size_of::<libc::c_ulong>()) as u32;
        sys::ioctl(fd, init, PLACES).ok()?;
        let bytes = PLACES * size_of::<usize>();
        let address = sys::mmap(
            0,
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            fd,
            0,
        )
        .ok()?;
        sys::ioctl(fd, nix::request_code_none!(b'c', 100) as u32, TRACE_PC).ok()?;
        let start = std::ptr::with_exposed_provenance::<AtomicUsize>(address);
        // SAFETY: The mapping is as long as that and stays; the kernel writes to it during this thread's calls.
        let places = unsafe { std::slice::from_raw_parts(start, PLACES) };
        Some(Self { places })
    }

    /// Makes a call and names the places that it reached.
    pub fn around<T>(&mut self, call: impl FnOnce() -> T, mut reached: impl FnMut(u64)) -> T {
        self.places[0].store(0, Relaxed);
        let result = call();
        let count = self.places[0].load(Relaxed).min(PLACES - 1);
        for place in &self.places[1..=count] {
            reached(place.load(Relaxed) as u64);
        }
        result
    }
}
