// SPDX-License-Identifier: MIT

//! What can go wrong, as one line: what failed, on what, errno name and number, what to do.

use std::{fmt, io};

use nix::errno::Errno;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    advice::{self, Doing},
    exit_codes::ExitCode,
};

/// The result of everything in this program that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, as it is reported to the user.
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

    /// A system call that failed while `doing`: exit status and advice are those of [`advice`].
    pub fn during(
        doing: Doing,
        what: &'static str,
        subject: impl fmt::Display,
        cause: impl Cause,
    ) -> Self {
        let errno = cause.errno();
        let (code, advice) = advice::of(errno, doing);
        Self::new(code, what, subject, errno, advice)
    }
}

/// What has an errno.
pub trait Cause {
    /// The errno.
    fn errno(&self) -> Errno;
}

impl Cause for Errno {
    fn errno(&self) -> Errno {
        *self
    }
}

impl Cause for &io::Error {
    fn errno(&self) -> Errno {
        errno_of(self)
    }
}

/// The errno of an error of the standard library; where it has none, the one that says the same.
pub fn errno_of(error: &io::Error) -> Errno {
    if let Some(number) = error.raw_os_error() {
        return Errno::from_raw(number);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Errno::ENODATA,
        io::ErrorKind::InvalidData => Errno::EBADMSG,
        io::ErrorKind::InvalidInput => Errno::EINVAL,
        io::ErrorKind::WriteZero | io::ErrorKind::StorageFull => Errno::ENOSPC,
        io::ErrorKind::NotFound => Errno::ENOENT,
        io::ErrorKind::PermissionDenied => Errno::EACCES,
        io::ErrorKind::AlreadyExists => Errno::EEXIST,
        io::ErrorKind::BrokenPipe => Errno::EPIPE,
        io::ErrorKind::ConnectionReset => Errno::ECONNRESET,
        io::ErrorKind::TimedOut => Errno::ETIMEDOUT,
        io::ErrorKind::Interrupted => Errno::EINTR,
        io::ErrorKind::OutOfMemory => Errno::ENOMEM,
        io::ErrorKind::Unsupported => Errno::EOPNOTSUPP,
        _ => Errno::EIO,
    }
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
        let error = Error::during(
            Doing::OpenTarget,
            "cannot open target",
            "/mnt/a",
            Errno::ELOOP,
        );
        assert_eq!(
            error.to_string(),
            "cannot open target: /mnt/a: ELOOP (40): links lead in a circle: 'ls -l' shows where"
        );
        assert_eq!(error.code, ExitCode::Target);
    }

    #[test]
    fn json_has_name_and_number() {
        let error = Error::during(Doing::Write, "cannot write", "/a", Errno::ENOSPC);
        let json = serde_json::to_value(&error).unwrap();
        assert_eq!(json["kind"], "no-space");
        assert_eq!(json["exit_status"], 7);
        assert_eq!(json["errno"], "ENOSPC");
        assert_eq!(json["errno_number"], 28);
    }

    #[test]
    fn an_error_without_errno_has_the_one_that_says_the_same() {
        for (kind, errno) in [
            (io::ErrorKind::UnexpectedEof, Errno::ENODATA),
            (io::ErrorKind::InvalidData, Errno::EBADMSG),
            (io::ErrorKind::Other, Errno::EIO),
        ] {
            assert_eq!(errno_of(&io::Error::from(kind)), errno);
        }
        let error = io::Error::from_raw_os_error(Errno::ENOSPC as i32);
        assert_eq!(errno_of(&error), Errno::ENOSPC);
    }
}
