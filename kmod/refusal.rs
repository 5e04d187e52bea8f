// SPDX-License-Identifier: GPL-2.0

//! Why a region cannot be used: what the log says, besides the errno.

use core::fmt;

use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// A cause in words, and its errno.
#[derive(Clone, Copy)]
pub(crate) struct Refusal {
    errno: Error,
    cause: &'static CStr,
}

impl Refusal {
    pub(crate) const fn new(errno: Error, cause: &'static CStr) -> Self {
        Self { errno, cause }
    }
}

impl kernel::fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_fmt(fmt!("{}: {:?}", self.cause, self.errno))
    }
}

impl From<Error> for Refusal {
    fn from(errno: Error) -> Self {
        Self::new(errno, c"no device can be made for it")
    }
}

impl From<AllocError> for Refusal {
    fn from(error: AllocError) -> Self {
        Error::from(error).into()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refusal.errno
    }
}
