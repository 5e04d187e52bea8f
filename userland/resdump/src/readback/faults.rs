// SPDX-License-Identifier: MIT

//! Why what is read back is not what it should be.

use std::{io, path::Path};

use nix::errno::Errno;

use crate::{
    advice::Doing,
    codec::digest::Digest,
    error::{Error, Result},
    exit_codes::ExitCode,
    signals::Stop,
    text,
};

/// Fails after a signal.
pub(super) fn interrupted(stop: &Stop, path: &Path, done: u64, length: u64) -> Result<()> {
    if !stop.requested() {
        return Ok(());
    }
    Err(Error::new(
        ExitCode::Interrupted,
        "read in part",
        text::name(path),
        Errno::EINTR,
        format!("stopped by a signal; {done} of {length} bytes"),
    ))
}

pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData => mismatch(path, "it cannot be unpacked".into()),
        io::ErrorKind::UnexpectedEof => Error::new(
            ExitCode::Incomplete,
            "file is too short",
            text::name(path),
            Errno::ENODATA,
            "it ends within what is compressed",
        ),
        _ => Error::during(Doing::Read, "cannot read back", text::name(path), &error),
    }
}

pub(super) fn ended(path: &Path, done: u64, length: u64) -> Error {
    Error::new(
        ExitCode::Incomplete,
        "file is too short",
        text::name(path),
        Errno::ENODATA,
        format!("it ends after {done} of {length} bytes"),
    )
}

/// Why the dump in `path`, whose digest was found, is not what it should be.
pub fn differs(path: &Path, found: &Digest, expected: &Digest) -> Error {
    let advice = format!("it has {found}, and should have {expected}");
    mismatch(path, advice)
}

/// A dump that differs from what it should be.
pub fn mismatch(path: &Path, advice: String) -> Error {
    Error::new(
        ExitCode::Mismatch,
        "dump differs",
        text::name(path),
        Errno::EBADMSG,
        advice,
    )
}
