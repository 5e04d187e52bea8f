// SPDX-License-Identifier: MIT

//! What bytes flow into: a pipe, or a character device.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
};

use crate::{error::errno_of, signals::Stop};

/// Between two looks whether a pipe has a reader, and how long there may be none.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS_MAX: u32 = 200;

/// Opens a pipe or a character device. A pipe is waited for until it has a reader.
pub(super) fn open(path: &Path, stop: Option<&Stop>) -> io::Result<File> {
    for look in 0.. {
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path);
        match opened {
            Err(error) if errno_of(&error) == Errno::ENXIO && is(path) && look < LOOKS_MAX => {
                if stop.is_some_and(Stop::requested) {
                    return Err(Errno::EINTR.into());
                }
                thread::sleep(LOOK);
            }
            Err(error) => return Err(error),
            Ok(file) => {
                let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
                let flags = flags.difference(OFlag::O_NONBLOCK);
                fcntl(&file, FcntlArg::F_SETFL(flags))?;
                return Ok(file);
            }
        }
    }
    Err(Errno::ENXIO.into())
}

/// Whether it is a pipe.
pub(super) fn is(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.file_type().is_fifo())
}
