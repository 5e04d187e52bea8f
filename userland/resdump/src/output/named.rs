// SPDX-License-Identifier: MIT

//! What a path names.

use std::{
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt, fs::FileTypeExt},
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use super::{Identity, mounts};
use crate::{
    advice::Doing,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    text,
};

/// Where the module's device nodes are, as the kernel names them.
const NODES: &str = "resmem/";

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Nothing,
    File,
    Block,
    Pipe,
    /// A character device that only takes bytes: a terminal, `/dev/null`.
    Sink,
    /// Another character device.
    Device,
    /// A region's node, or `/dev/mem` and the like.
    Memory,
    Socket,
    Folder,
}

/// A path, and what it names.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) named: Named,
    /// The name without links.
    pub(super) real: PathBuf,
}

/// Looks at what `path` names, links being followed. `what` names the failure. A link that leads to
/// nothing is refused: what it stands for is not known.
pub(super) fn find(what: &'static str, path: &Path) -> Result<Found> {
    let failed =
        |error: io::Error| Error::during(Doing::OpenTarget, what, text::name(path), &error);
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if errno_of(&error) == Errno::ENOENT => return nothing(what, path),
        Err(error) => {
            let error = failed(error);
            return Err(match error.code {
                ExitCode::Other => Error {
                    code: ExitCode::Target,
                    ..error
                },
                _ => error,
            });
        }
    };
    let kind = metadata.file_type();
    let named = if kind.is_file() {
        Named::File
    } else if kind.is_block_device() {
        Named::Block
    } else if kind.is_dir() {
        Named::Folder
    } else if kind.is_fifo() {
        Named::Pipe
    } else if kind.is_socket() {
        Named::Socket
    } else {
        device(&metadata)
    };
    Ok(Found {
        named,
        // What is open and has no name, such as a pipe below /proc, keeps the one that it was given.
        real: fs::canonicalize(path).unwrap_or_else(|_| path.into()),
    })
}

/// What kind of character device it is.
fn device(metadata: &fs::Metadata) -> Named {
    use std::os::unix::fs::MetadataExt;
    let (major, minor) = (
        nix::sys::stat::major(metadata.rdev()),
        nix::sys::stat::minor(metadata.rdev()),
    );
    let event = fs::read_to_string(format!("/sys/dev/char/{major}:{minor}/uevent"));
    let is_region = event.is_ok_and(|event| {
        event
            .lines()
            .filter_map(|line| line.strip_prefix("DEVNAME="))
            .any(|name| name.starts_with(NODES))
    });
    // Numbers of Documentation/admin-guide/devices.txt.
    match (major, minor) {
        _ if is_region => Named::Memory,
        // mem, kmem, port.
        (1, 1 | 2 | 4) => Named::Memory,
        // null, zero, full; terminals and serial devices of the kernel's own, pseudo terminals.
        (1, 3 | 5 | 7) | (4 | 5 | 136..=143 | 204, _) => Named::Sink,
        _ => Named::Device,
    }
}

fn nothing(what: &'static str, path: &Path) -> Result<Found> {
    let refused =
        |errno, advice: String| Error::new(ExitCode::Target, what, text::name(path), errno, advice);
    if let Ok(to) = fs::read_link(path) {
        let to = text::name(to);
        return Err(refused(
            Errno::ENOENT,
            format!(
                "it is a link to {to}, which is not there: make that first, or remove the link"
            ),
        ));
    }
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(refused(
            Errno::ENOENT,
            "there is no such folder: make it first, or give the name of a file".into(),
        ));
    }
    let folder = super::folder::of(path);
    let real = fs::canonicalize(folder)
        .map_err(|error| Error::during(Doing::OpenTarget, what, text::name(path), &error))?;
    Ok(Found {
        named: Named::Nothing,
        real: real.join(path.file_name().unwrap_or_default()),
    })
}

/// Refuses a file among the device nodes: it would be in memory, and a name that was mistyped.
pub(super) fn refuse_among_nodes(what: &'static str, path: &Path, real: &Path) -> Result<()> {
    let folder = super::folder::of(real);
    if !is_for_nodes(folder) {
        return Ok(());
    }
    Err(Error::new(
        ExitCode::Target,
        what,
        text::name(path),
        Errno::ENOENT,
        format!(
            "there is no such device, and a file in {} would be in memory: check the name",
            text::name(folder)
        ),
    ))
}

/// Whether `folder` is where device nodes are: devtmpfs, or else what is in /dev without being
/// mounted there.
fn is_for_nodes(folder: &Path) -> bool {
    const DEV: &str = "/dev";
    let mount = File::open(folder).ok().and_then(|file| mounts::of(&file));
    match mount {
        Some(mount) if mount.kind == "devtmpfs" => true,
        Some(mount) => {
            folder.starts_with(DEV)
                && (mount.point == Path::new(DEV) || !mount.point.starts_with(DEV))
        }
        None => folder.starts_with(DEV) && !folder.starts_with("/dev/shm"),
    }
}

/// Refuses the open `file`, whose name is `path`, if it is what is read, or lies on the same bytes.
pub fn refuse_inputs(path: &Path, file: &File, inputs: &[Identity]) -> Result<()> {
    const WHAT: &str = "cannot inspect target";
    let identity = Identity::of(file)
        .map_err(|error| Error::during(Doing::OpenTarget, WHAT, text::name(path), &error))?;
    let same = |input: &&Identity| input.overlaps(&identity) || input.is_alias(file);
    let Some(input) = inputs.iter().find(same) else {
        return Ok(());
    };
    let advice = match (input.is(&identity), input.overlaps(&identity)) {
        (true, _) => "it would be overwritten while it is read: give another target",
        (_, true) => {
            "one of them lies on the other, or both on the same bytes: give another target"
        }
        _ => "it is the source by the name that another file system gives it: give another target",
    };
    Err(Error::new(
        ExitCode::Target,
        "target is the source",
        text::name(path),
        Errno::EINVAL,
        advice,
    ))
}
