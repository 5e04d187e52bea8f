// SPDX-License-Identifier: MIT

//! What a saved dump is kept in: a regular file or a block device. Anything else has no size, or no
//! second reading, and is refused before it is opened.

use std::{
    fs::{self, File, FileType, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::{errno::Errno, libc};
use resdump_format::recording::layout::number;

use crate::{
    advice::Doing,
    codec::format::ReadAt,
    error::{Error, Result},
    exit_codes::ExitCode,
    sys, text,
};

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A regular file: it ends where the dump ends.
    File,
    /// A block device: it is as long as it is.
    Block,
}

/// What of a regular file changes when it is written to: length, and when content and state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64, [i64; 4]);

impl Stamp {
    /// Of an open file; `None` for a device, of which nothing says when it was written to.
    pub(super) fn of(file: &File) -> io::Result<Option<Self>> {
        let metadata = file.metadata()?;
        let of = |it: &Metadata| {
            let times = [it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()];
            Self(it.len(), times)
        };
        Ok(metadata.is_file().then(|| of(&metadata)))
    }
}

/// Opens `path` for reading: the file, what it is, its size in bytes.
pub(super) fn open(path: &Path) -> Result<(File, Medium, u64)> {
    let failed = |error: io::Error| {
        let mut error = Error::during(Doing::OpenSource, "cannot open", text::name(path), &error);
        if error.code == ExitCode::Other {
            error.code = ExitCode::NoRegion;
        }
        error
    };
    // To open a pipe waits, and to open a device can do something.
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    let medium = medium(path, kind)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(match medium {
            Medium::File => libc::O_NONBLOCK,
            Medium::Block => 0,
        })
        .open(path)
        .map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if self::medium(path, metadata.file_type())? != medium {
        return Err(failed(Errno::ESTALE.into()));
    }
    let size = match medium {
        Medium::File => metadata.len(),
        Medium::Block => sys::block::size(&file).map_err(|errno| {
            Error::during(Doing::OpenSource, "cannot inspect", text::name(path), errno)
        })?,
    };
    if size == 0 {
        let inside = ReadAt::read_at(&file, &mut [0], 0)
            .map_err(|error| Error::during(Doing::Read, "cannot read", text::name(path), &error))?;
        return Err(match inside {
            0 => Error::new(
                ExitCode::Incomplete,
                "nothing in it",
                text::name(path),
                Errno::ENODATA,
                "it has 0 bytes",
            ),
            // Some files of /proc.
            _ => wrong_type(path, "a file that does not tell its size", Errno::ESPIPE),
        });
    }
    Ok((file, medium, size))
}

fn medium(path: &Path, kind: FileType) -> Result<Medium> {
    let (what, errno) = if kind.is_file() {
        return Ok(Medium::File);
    } else if kind.is_block_device() {
        return Ok(Medium::Block);
    } else if kind.is_dir() {
        match holds_recording(path) {
            true => (RECORDING, Errno::EISDIR),
            false => ("a directory", Errno::EISDIR),
        }
    } else if kind.is_fifo() {
        ("a pipe", Errno::ESPIPE)
    } else if kind.is_socket() {
        ("a socket", Errno::ESPIPE)
    } else {
        ("a character device", Errno::ESPIPE)
    };
    Err(wrong_type(path, what, errno))
}

const RECORDING: &str = "the folder of a recording";

/// Whether the index of a recording is in `folder`.
pub fn holds_recording(folder: &Path) -> bool {
    let is_index = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_str().filter(|name| name.ends_with(".index"));
        name.is_some_and(|name| number(name).is_some())
    };
    fs::read_dir(folder).is_ok_and(|mut all| all.any(|entry| entry.is_ok_and(is_index)))
}

fn wrong_type(path: &Path, what: &str, errno: Errno) -> Error {
    let advice = match errno {
        Errno::ESPIPE => "save what it gives to a file, and give that",
        _ if what == RECORDING => "'resdump convert' makes a file of it",
        _ => "give a file or a block device",
    };
    Error::new(
        ExitCode::NoRegion,
        "input is of the wrong type",
        text::name(path),
        errno,
        format!("it is {what}: {advice}"),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn what_has_no_size_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        mkfifo(&path("fifo"), Mode::S_IRWXU).unwrap();
        let _listener = UnixListener::bind(path("socket")).unwrap();
        fs::write(path("empty"), "").unwrap();
        std::os::unix::fs::symlink(path("fifo"), path("link")).unwrap();
        for (path, errno) in [
            (path("fifo"), Errno::ESPIPE),
            (path("link"), Errno::ESPIPE),
            (path("socket"), Errno::ESPIPE),
            (path("empty"), Errno::ENODATA),
            (path(""), Errno::EISDIR),
            (path("none"), Errno::ENOENT),
            ("/dev/zero".into(), Errno::ESPIPE),
            ("/proc/self/status".into(), Errno::ESPIPE),
        ] {
            let error = open(&path).unwrap_err();
            assert_eq!(error.errno, errno, "{error}");
        }
    }
}
