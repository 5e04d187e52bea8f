// SPDX-License-Identifier: MIT

//! What can go wrong, as one line: what failed, on what, errno name and number, what to do.

use std::{fmt, io};

use nix::errno::Errno;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::exit_codes::ExitCode;

/// The result of everything in this program that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, told to a person who has to act on it.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {subject}: {}: {advice}", ErrnoText(*.errno))]
pub struct Error {
    /// How the program ends.
    pub code: ExitCode,
    /// What failed.
    pub what: &'static str,
    /// On what: a label, a path, a flag with its value.
    pub subject: String,
    /// The kernel's errno, or the one that says the same where this program refused by itself.
    pub errno: Errno,
    /// What to do about it.
    pub advice: String,
}

impl Error {
    /// Puts a failure together.
    pub fn new(
        code: ExitCode,
        what: &'static str,
        subject: impl fmt::Display,
        errno: Errno,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            code,
            what,
            subject: subject.to_string(),
            errno,
            advice: advice.into(),
        }
    }

    /// A failed system call; the exit code and the advice follow from its errno.
    pub fn system(what: &'static str, subject: impl fmt::Display, errno: Errno) -> Self {
        let (code, advice) = match errno {
            Errno::EPERM | Errno::EACCES => (
                ExitCode::Permission,
                "run as root, and check its permissions",
            ),
            Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => (
                ExitCode::NoSpace,
                "make room, take a larger target, or write less with --length",
            ),
            Errno::EIO => (ExitCode::Io, "see the kernel log, the medium may be bad"),
            Errno::ENOENT | Errno::ENOTDIR | Errno::EISDIR => (ExitCode::Other, "check the path"),
            Errno::EROFS => (
                ExitCode::Target,
                "remount the file system for writing, or take another target",
            ),
            Errno::EINTR => (ExitCode::Interrupted, "run it again"),
            _ => (ExitCode::Other, "see the kernel log"),
        };
        Self::new(code, what, subject, errno, advice)
    }

    /// As [`Error::system`], for an error of the standard library.
    pub fn io(what: &'static str, subject: impl fmt::Display, error: &io::Error) -> Self {
        Self::system(what, subject, errno_of(error))
    }
}

/// The errno of an error of the standard library, `EIO` where it has none.
pub fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// `ENOSPC (28)`.
pub struct ErrnoText(pub Errno);

impl fmt::Display for ErrnoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({})", self.0, self.0 as i32)
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("error", 7)?;
        object.serialize_field("kind", &self.code)?;
        object.serialize_field("exit_status", &(self.code as u8))?;
        object.serialize_field("what", self.what)?;
        object.serialize_field("subject", &self.subject)?;
        object.serialize_field("errno", &format!("{:?}", self.errno))?;
        object.serialize_field("errno_number", &(self.errno as i32))?;
        object.serialize_field("advice", &self.advice)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_with_errno_and_advice() {
        let error = Error::system("cannot open target", "/mnt/a", Errno::EACCES);
        assert_eq!(
            error.to_string(),
            "cannot open target: /mnt/a: EACCES (13): run as root, and check its permissions"
        );
        assert_eq!(error.code, ExitCode::Permission);
    }

    #[test]
    fn json_has_name_and_number() {
        let error = Error::system("cannot write", "/a", Errno::ENOSPC);
        let json = serde_json::to_value(&error).unwrap();
        assert_eq!(json["kind"], "no-space");
        assert_eq!(json["exit_status"], 7);
        assert_eq!(json["errno"], "ENOSPC");
        assert_eq!(json["errno_number"], 28);
    }

    #[test]
    fn an_error_without_errno_is_eio() {
        let error = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(errno_of(&error), Errno::EIO);
    }
}
