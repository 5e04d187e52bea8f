// SPDX-License-Identifier: MIT

//! The messages of the two ends of a stream, as JSON, over a connection and over a serial line.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::{
    codec::compression::Compression,
    codec::digest::{Algorithm, Digest},
    codec::format::Format,
    error::Error,
    exit_codes::ExitCode,
    manifest::Manifest,
    source::Source,
    span::Span,
};

/// Version of the messages. Version 1 has no [`Start`] and no [`Verdict`]: its sender ends
/// well when it could send everything.
pub const VERSION: u32 = 2;

/// From the sender: what comes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What is known of the dump before it begins.
    pub manifest: Manifest,
    /// How blocks are compressed.
    pub compression: Option<Compression>,
    /// The digest that the trailer is going to have.
    pub digest: Option<Algorithm>,
    /// [`VERSION`] of the sender.
    #[serde(default = "first")]
    pub version: u32,
    /// Tells one run of a sender from the next; any number. The receiver says it again.
    #[serde(default)]
    pub session: u32,
}

fn first() -> u32 {
    1
}

/// From the sender: whether that was all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trailer {
    /// Bytes of the dump.
    pub bytes: u64,
    /// Of all bytes.
    pub digest: Option<Digest>,
    /// Why it is not all.
    pub error: Option<String>,
}

/// From the receiver: send on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// [`VERSION`] of the receiver.
    pub version: u32,
    /// As the header has it.
    pub session: u32,
    /// Bytes that are there already: what comes after them is wanted.
    pub bytes: u64,
    /// Of the last of these bytes, for the sender to compare.
    pub check: Option<Check>,
}

/// The end of what is there already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// How many bytes.
    pub length: u64,
    /// Their digest.
    pub digest: Digest,
}

/// From the receiver: what has become of the dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Bytes of the dump that are there, durable unless `in_memory` says otherwise.
    pub bytes: u64,
    /// Whether they are in memory, where nothing is durable. Older receivers do not say.
    #[serde(default)]
    pub in_memory: bool,
    /// Why it is not a complete dump; `None` when all of it was checked and stored.
    pub error: Option<Failure>,
}

/// What went wrong at the receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The receiver's exit status.
    pub status: u8,
    /// Name of the errno: numbers differ between machines.
    pub errno: String,
    /// The line for a person.
    pub message: String,
}

impl Header {
    /// What is known of `span` of `source` before it is sent.
    pub fn of(
        source: &dyn Source,
        span: Span,
        compression: Option<Compression>,
        digest: Option<Algorithm>,
    ) -> Self {
        let manifest = source.manifest(span, Format::Raw, 0);
        // Another run is at another time, or is another process.
        let moment = manifest.started.since_boot_ms ^ manifest.started.wall_ms;
        Self {
            session: (moment as u32).rotate_left(12) ^ std::process::id(),
            version: VERSION,
            manifest,
            compression,
            digest,
        }
    }
}

impl Start {
    /// The answer to `header`, with `bytes` of its dump there.
    pub fn of(header: &Header, bytes: u64, check: Option<Check>) -> Self {
        Self {
            version: VERSION,
            session: header.session,
            bytes,
            check,
        }
    }
}

impl Verdict {
    /// After `error`, or none, with `bytes` of the dump durable.
    pub fn of(bytes: u64, error: Option<&Error>) -> Self {
        let error = error.map(|error| Failure {
            status: error.code as u8,
            errno: format!("{:?}", error.errno),
            message: error.to_string(),
        });
        Self {
            bytes,
            in_memory: false,
            error,
        }
    }

    /// What the sender of `length` bytes to `name` makes of it.
    pub fn judge(&self, name: &str, length: u64) -> Result<(), Error> {
        match &self.error {
            None if self.bytes == length => Ok(()),
            None => Err(Error::new(
                ExitCode::Io,
                "not acknowledged",
                name,
                Errno::EPROTO,
                format!(
                    "the receiver has {} of {length} bytes, and calls that all: look at its file",
                    self.bytes
                ),
            )),
            Some(failure) => Err(Error::new(
                failure.code(),
                "the receiver failed",
                name,
                failure.errno(),
                format!("it says: {}", failure.message),
            )),
        }
    }
}

impl Failure {
    fn code(&self) -> ExitCode {
        STATUSES
            .into_iter()
            .find(|code| *code as u8 == self.status)
            .unwrap_or(ExitCode::Io)
    }

    fn errno(&self) -> Errno {
        (1..=i32::from(u8::MAX))
            .map(Errno::from_raw)
            .find(|errno| format!("{errno:?}") == self.errno)
            .unwrap_or(Errno::EPROTO)
    }
}

/// Those with which a receiver may fail.
const STATUSES: [ExitCode; 9] = [
    ExitCode::Other,
    ExitCode::Permission,
    ExitCode::Range,
    ExitCode::Target,
    ExitCode::NoSpace,
    ExitCode::Io,
    ExitCode::Interrupted,
    ExitCode::Mismatch,
    ExitCode::Incomplete,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receivers_failure_is_the_senders() {
        for (code, errno) in [
            (ExitCode::NoSpace, Errno::ENOSPC),
            (ExitCode::Mismatch, Errno::EBADMSG),
            (ExitCode::Target, Errno::EEXIST),
        ] {
            let there = Error::new(code, "cannot write", "/a", errno, "make room");
            let told = serde_json::to_vec(&Verdict::of(5, Some(&there))).unwrap();
            let told: Verdict = serde_json::from_slice(&told).unwrap();
            let here = told.judge("tcp:a:1", 10).unwrap_err();
            assert_eq!((here.code, here.errno), (code, errno));
            assert!(here.to_string().contains(&there.to_string()), "{here}");
        }
        Verdict::of(10, None).judge("tcp:a:1", 10).unwrap();
    }

    #[test]
    fn success_is_not_what_a_stranger_calls_so() {
        let less = Verdict::of(9, None).judge("tcp:a:1", 10).unwrap_err();
        assert_eq!(less.code, ExitCode::Io);
        for status in [0, 2, 77] {
            let failure = Failure {
                status,
                errno: "ENONSENSE".into(),
                message: "?".into(),
            };
            let verdict = Verdict {
                bytes: 10,
                in_memory: false,
                error: Some(failure),
            };
            let error = verdict.judge("tcp:a:1", 10).unwrap_err();
            assert_eq!((error.code, error.errno), (ExitCode::Io, Errno::EPROTO));
        }
    }

    #[test]
    fn a_header_of_version_1_is_understood() {
        let header = serde_json::json!({"compression": null, "digest": null, "manifest": {
            "schema": 1, "complete": false, "region": "a", "base": null, "offset": 0, "length": 1,
            "format": "raw", "data_offset": 0, "bytes": 0, "direct": 0, "copied": 0, "skipped": 0,
            "resumed": 0, "engine": "", "engine_reason": "", "digest": null, "verified": false,
            "error": null, "tool": "0.1.0", "abi": 1,
            "system": {"kernel": "", "machine": "", "byte_order": "", "boot_id": ""},
            "started": {"wall_ms": 0, "since_boot_ms": 0},
            "written": {"wall_ms": 0, "since_boot_ms": 0}}});
        let header: Header = serde_json::from_value(header).unwrap();
        assert_eq!((header.version, header.session), (1, 0));
    }
}
