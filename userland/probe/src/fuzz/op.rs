// SPDX-License-Identifier: MIT
//! Operations as numbers, and how they end.

/// How many kinds of operations there are.
pub const COUNT: usize = 40;

/// Arguments of an operation.
pub type Args = [u64; 10];

/// How an operation ended.
pub struct Outcome {
    /// 0, or the errno.
    pub errno: i32,
    /// What else tells one outcome from another.
    pub state: u64,
    /// The same arguments in the same state end like this again: not a matter of time.
    pub steady: bool,
}

/// An outcome, or what must not be.
pub type Ran = Result<Outcome, String>;

/// An operation of a kind, with its arguments.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Op {
    /// Index into [`KINDS`](super::kinds::KINDS).
    pub kind: u32,
    /// See [`Kind::args`](super::kinds::Kind::args).
    pub args: Args,
}

impl Outcome {
    /// The outcome of a call: what it returned does not matter, its errno does.
    pub fn of<T>(called: &Result<T, i32>, state: u64) -> Self {
        let errno = called.as_ref().err().copied().unwrap_or(0);
        let matter_of_time = [libc::EINTR, libc::EBUSY, libc::EAGAIN, libc::ENOMEM];
        Self {
            errno,
            state,
            steady: !matter_of_time.contains(&errno),
        }
    }

    /// The same, of something that others may have had a hand in.
    pub fn racy(mut self, racy: bool) -> Self {
        self.steady &= !racy;
        self
    }
}
