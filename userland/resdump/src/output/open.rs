// SPDX-License-Identifier: MIT

//! Opening a target: what is refused, and why.

use std::{
    fs::{self, File, FileType, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::{
    errno::Errno,
    libc,
    unistd::{SysconfVar, sysconf},
};

use super::{Kind, Permit, Target, mounts};
use crate::{
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    span::Alignment,
    sys,
};

/// Mode of a file that is made: what was in memory is for root's eyes.
const MODE: u32 = 0o600;

pub(super) fn open(path: &Path, direct: bool, permit: Permit) -> Result<Target> {
    let (kind, created) = match fs::metadata(path) {
        Ok(metadata) => (kind_of(path, metadata.file_type())?, false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Kind::File, true),
        Err(error) => return Err(Error::io("cannot inspect target", path.display(), &error)),
    };
    let flag = |wanted, flag| if wanted { flag } else { 0 };
    let file = OpenOptions::new()
        .write(true)
        .create_new(created)
        .mode(MODE)
        .custom_flags(
            flag(direct, libc::O_DIRECT)
                // The kernel's own test whether a device is mounted, swapped to or claimed.
                | flag(kind == Kind::Block && !permit.force, libc::O_EXCL),
        )
        .open(path)
        .map_err(|error| refused(path, kind, errno_of(&error)))?;
    log::debug!("opened {} ({kind:?}, new: {created})", path.display());

    let target = Target {
        path: path.into(),
        file,
        kind,
        alignment: Alignment::NONE,
        permit,
        created,
    };
    match check(&target, direct) {
        Ok(alignment) => Ok(Target {
            alignment,
            ..target
        }),
        Err(error) => {
            target.abandon();
            Err(error)
        }
    }
}

/// Looks at what has really been opened.
fn check(target: &Target, direct: bool) -> Result<Alignment> {
    let path = &target.path;
    let metadata = target
        .file
        .metadata()
        .map_err(|error| Error::io("cannot inspect target", path.display(), &error))?;
    if kind_of(path, metadata.file_type())? != target.kind {
        return Err(Error::io(
            "target changed while it was opened",
            path.display(),
            &Errno::ESTALE.into(),
        ));
    }
    if target.kind == Kind::File
        && metadata.len() > 0
        && !target.permit.force
        && !target.permit.resume
    {
        return Err(Error::new(
            ExitCode::Target,
            "target exists",
            path.display(),
            Errno::EEXIST,
            format!("it has {} bytes: --force overwrites it", metadata.len()),
        ));
    }
    if direct {
        alignment(&target.file, target.kind).map_err(|errno| match errno {
            Errno::EOPNOTSUPP => no_direct_io(path, errno),
            _ => Error::system("cannot inspect target", path.display(), errno),
        })
    } else {
        Ok(Alignment::NONE)
    }
}

fn kind_of(path: &Path, kind: FileType) -> Result<Kind> {
    let found = if kind.is_file() {
        return Ok(Kind::File);
    } else if kind.is_block_device() {
        return Ok(Kind::Block);
    } else if kind.is_dir() {
        ("a directory", Errno::EISDIR)
    } else if kind.is_fifo() {
        ("a pipe", Errno::ESPIPE)
    } else if kind.is_socket() {
        ("a socket", Errno::ESPIPE)
    } else {
        ("a character device", Errno::EINVAL)
    };
    Err(Error::new(
        ExitCode::Target,
        "target is of the wrong type",
        path.display(),
        found.1,
        format!("it is {}: give a file or a block device", found.0),
    ))
}

fn refused(path: &Path, kind: Kind, errno: Errno) -> Error {
    match (kind, errno) {
        (Kind::File, Errno::EINVAL) => no_direct_io(path, errno),
        (Kind::Block, Errno::EBUSY) => {
            let mounted = fs::metadata(path)
                .ok()
                .and_then(|metadata| mounts::mounted_at(metadata.rdev()));
            let advice = match mounted {
                Some(at) => format!("it is mounted on {at}: umount {at}, or --force to overwrite"),
                None => "something uses it or a partition of it: --force overwrites it".into(),
            };
            Error::new(
                ExitCode::Target,
                "target is in use",
                path.display(),
                errno,
                advice,
            )
        }
        _ => {
            let error = Error::system("cannot open target", path.display(), errno);
            match error.code {
                ExitCode::Other => Error {
                    code: ExitCode::Target,
                    ..error
                },
                _ => error,
            }
        }
    }
}

fn no_direct_io(path: &Path, errno: Errno) -> Error {
    Error::new(
        ExitCode::Target,
        "target has no direct I/O",
        path.display(),
        errno,
        "give a file on a disk's file system, such as ext4, or a block device",
    )
}

/// What direct I/O demands: what the kernel says of the file, else a device's logical block, else a
/// page.
fn alignment(file: &File, kind: Kind) -> nix::Result<Alignment> {
    let known = match sys::file::direct_io_alignment(file) {
        // Kernels before 6.1, and sandboxes that do not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => None,
        answer => answer?,
    };
    if let Some(alignment) = known {
        log::debug!("alignment, as statx says: {alignment:?}");
        return Ok(alignment);
    }
    let both = match kind {
        Kind::Block => sys::block::logical_block(file)?,
        Kind::File | Kind::Stream => sysconf(SysconfVar::PAGE_SIZE)?
            .and_then(|bytes| u32::try_from(bytes).ok())
            .unwrap_or(4096),
    };
    if !both.is_power_of_two() {
        return Err(Errno::EOPNOTSUPP);
    }
    log::debug!("alignment, guessed: {both}");
    Ok(Alignment {
        memory: both,
        offset: both,
    })
}
