// SPDX-License-Identifier: MIT

//! What may be wrong with a saved dump.

use nix::errno::Errno;

use crate::{error::Error, exit_codes::ExitCode};

/// Why a saved dump is not what it should be.
#[derive(Debug)]
pub struct Fault {
    /// As it is reported, with [`ExitCode::Incomplete`].
    pub error: Error,
    /// Whether file, headers and manifest contradict each other; else something is missing.
    pub differs: bool,
}

impl Fault {
    /// Something is missing.
    pub(super) fn missing(
        name: &str,
        what: &'static str,
        errno: Errno,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            error: Error::new(ExitCode::Incomplete, what, name, errno, advice),
            differs: false,
        }
    }

    /// File, headers and manifest contradict each other.
    pub(super) fn contradiction(name: &str, what: &'static str, advice: impl Into<String>) -> Self {
        Self {
            error: Error::new(ExitCode::Incomplete, what, name, Errno::EBADMSG, advice),
            differs: true,
        }
    }

    /// The file ends before what is promised.
    pub(super) fn too_short(name: &str, size: u64, needed: u64) -> Self {
        let advice = format!("it has {size} bytes, and should have {needed}");
        Self::missing(name, "file is too short", Errno::ENODATA, advice)
    }

    /// The file continues behind what is promised.
    pub(super) fn too_long(name: &str, size: u64, needed: u64) -> Self {
        let advice = format!("it has {size} bytes, and should have {needed}");
        Self::contradiction(name, "file is too long", advice)
    }
}
