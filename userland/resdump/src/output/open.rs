// SPDX-License-Identifier: MIT

//! Opening an output: what is refused, and why. Nothing is changed that was there before; what is made
//! is removed again if nothing is written.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    sync::atomic::AtomicBool,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
    unistd::{SysconfVar, sysconf},
};

use super::{
    Identity, Kind, Manner, Output, Permit, Request, Way, folder, lock,
    made::{MODE, Made, Temporary},
    mounts,
    named::{self, Found, Named},
    pipe,
    place::{self, Place},
    rights,
    traits::{self, Traits},
};
use crate::{
    advice::Doing,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    signals::Stop,
    span::Alignment,
    sys, text,
};

const WHAT: &str = "cannot open target";

pub(super) fn open(request: &Request<'_>, stop: Option<&Stop>) -> Result<Output> {
    let path = request.path;
    match Place::of(path)? {
        Some(Place::Output) => return standard_output(request),
        Some(Place::Tcp(_)) => {
            return Err(Error::new(
                ExitCode::Usage,
                "not an output",
                text::name(path),
                Errno::EINVAL,
                "only 'resdump dump' sends to an address: write ./ before the name of a file",
            ));
        }
        None => {}
    }
    let found = named::find(WHAT, path)?;
    let kind = kind(path, &found, request)?;
    if kind == Kind::File {
        named::refuse_among_nodes(WHAT, path, &found.real)?;
    }
    let refused = |error: io::Error| refused(path, kind, errno_of(&error));
    if found.named == Named::Nothing {
        folder::expect_removable(&found.real).map_err(refused)?;
    }
    let mut options = OpenOptions::new();
    options.write(true);
    let file = match kind {
        Kind::File => options
            .create_new(found.named == Named::Nothing)
            .mode(MODE)
            .open(&found.real),
        // The kernel's own test whether a device is mounted, swapped to or claimed.
        Kind::Block if request.permit.force => options.open(path),
        Kind::Block => options.custom_flags(libc::O_EXCL).open(path),
        Kind::Stream => pipe::open(path, stop),
    }
    .map_err(refused)?;
    let made = (found.named == Named::Nothing)
        .then(|| Made::new(&found.real, &file))
        .transpose()
        .map_err(refused)?;
    log::debug!(
        "opened {} ({kind:?}, new: {})",
        text::name(path),
        made.is_some()
    );
    let folder = match kind {
        Kind::File => Some(File::open(folder::of(&found.real)).map_err(refused)?),
        Kind::Block | Kind::Stream => None,
    };
    let mut output = Output {
        path: path.into(),
        real: found.real,
        folder,
        is_name_synced: AtomicBool::new(false),
        file,
        kind,
        alignment: Alignment::NONE,
        permit: request.permit,
        made,
        way: Way::Copied("written through the page cache"),
        traits: Traits::default(),
        whole: None,
    };
    check(&mut output, request)?;
    output.traits = match output.kind {
        Kind::File => traits::of(&output.file),
        Kind::Block => Traits {
            in_memory: output
                .metadata()
                .is_ok_and(|metadata| traits::is_volatile(metadata.rdev())),
            ..Traits::default()
        },
        Kind::Stream => Traits::default(),
    };
    match request.manner {
        Manner::Direct => direct(&mut output)?,
        Manner::Buffered => {}
        Manner::Whole => whole(&mut output)?,
    }
    Ok(output)
}

/// What this program was started with as standard output, whatever that is: it is added to.
fn standard_output(request: &Request<'_>) -> Result<Output> {
    let path = request.path;
    if request.manner != Manner::Whole {
        return Err(wrong_type(path, Errno::ESPIPE, "standard output"));
    }
    let file = place::output()
        .map_err(|error| Error::during(Doing::Print, "cannot write", "standard output", &error))?;
    named::refuse_inputs(path, &file, request.inputs)?;
    Ok(Output {
        path: path.into(),
        real: path.into(),
        folder: None,
        is_name_synced: AtomicBool::new(false),
        file,
        kind: Kind::Stream,
        alignment: Alignment::NONE,
        permit: request.permit,
        made: None,
        way: Way::Copied("it is a stream"),
        traits: Traits::default(),
        whole: None,
    })
}

fn wrong_type(path: &Path, errno: Errno, what: &str) -> Error {
    Error::new(
        ExitCode::Target,
        "target is of the wrong type",
        text::name(path),
        errno,
        format!("it is {what}: give a file or a block device"),
    )
}

/// Which kind of output a path is good for.
fn kind(path: &Path, found: &Found, request: &Request<'_>) -> Result<Kind> {
    let streams = request.manner == Manner::Whole;
    let (what, errno) = match found.named {
        Named::Nothing | Named::File => return Ok(Kind::File),
        Named::Block => return Ok(Kind::Block),
        Named::Pipe | Named::Sink if streams => return Ok(Kind::Stream),
        Named::Device if streams && request.permit.force => return Ok(Kind::Stream),
        Named::Folder => ("a directory", Errno::EISDIR),
        Named::Pipe => ("a pipe", Errno::ESPIPE),
        Named::Socket => ("a socket", Errno::ESPIPE),
        Named::Sink | Named::Device => ("a character device", Errno::EINVAL),
        Named::Memory => ("memory itself", Errno::EINVAL),
    };
    Err(wrong_type(path, errno, what))
}

/// Looks at what has really been opened, and takes it for this process.
fn check(output: &mut Output, request: &Request<'_>) -> Result<()> {
    let path = request.path;
    let inspect = |error: io::Error| {
        Error::during(
            Doing::OpenTarget,
            "cannot inspect target",
            text::name(path),
            &error,
        )
    };
    let is_file = output.metadata()?.is_file();
    let identity = Identity::of(&output.file).map_err(inspect)?;
    let same = match output.kind {
        Kind::File => is_file,
        _ => Identity::named(path).is_ok_and(|named| named.is(&identity)),
    };
    if !same {
        return Err(inspect(Errno::ESTALE.into()));
    }
    named::refuse_inputs(path, &output.file, request.inputs)?;
    if output.kind != Kind::File {
        return Ok(());
    }
    // Another run may have been quicker to take what this one has made, or have filled it meanwhile: it is that one's.
    lock::take(&output.file, path).inspect_err(|_| output.keep())?;
    let length = output.metadata()?.len();
    if length > 0 {
        output.keep();
    }
    if length > 0 && !output.permit.force && !output.permit.resume {
        return Err(Error::new(
            ExitCode::Target,
            "target exists",
            text::name(path),
            Errno::EEXIST,
            format!("it has {length} bytes: --force overwrites it"),
        ));
    }
    Ok(())
}

/// Asks for direct I/O, and finds out what it demands. Where there is none, or where it is a copy all
/// the same, the page cache does as well.
fn direct(output: &mut Output) -> Result<()> {
    output.way = match ask_direct(output) {
        Ok(alignment) => {
            output.alignment = alignment;
            Way::Direct
        }
        Err(why) => Way::Copied(why),
    };
    Ok(())
}

fn ask_direct(output: &Output) -> Result<Alignment, &'static str> {
    if output.kind == Kind::File && output.traits.in_memory {
        return Err("it is in memory");
    }
    if output.traits.copies {
        return Err("its file system copies what is written");
    }
    const NONE: &str = "it has no direct I/O";
    let set = |flags: OFlag| fcntl(&output.file, FcntlArg::F_SETFL(flags));
    let flags = fcntl(&output.file, FcntlArg::F_GETFL).map_err(|_| NONE)?;
    let flags = OFlag::from_bits_retain(flags);
    set(flags | OFlag::O_DIRECT).map_err(|errno| {
        log::info!("{}: no direct I/O: {errno}", text::name(&output.path));
        NONE
    })?;
    alignment(&output.file, output.kind).map_err(|errno| {
        log::info!("{}: no direct I/O: {errno}", text::name(&output.path));
        let _ = set(flags);
        NONE
    })
}

pub(super) fn scratch(folder: &Path) -> Result<Output> {
    let failed = |error: io::Error| refused(folder, Kind::File, errno_of(&error));
    let (file, temporary) = Temporary::beside(&folder.join("scratch")).map_err(failed)?;
    let mut output = Output {
        path: temporary.path().into(),
        real: temporary.path().into(),
        folder: None,
        is_name_synced: AtomicBool::new(false),
        kind: Kind::File,
        alignment: Alignment::NONE,
        permit: Permit::default(),
        made: None,
        way: Way::Copied("written through the page cache"),
        traits: traits::of(&file),
        whole: Some((temporary, file.try_clone().map_err(failed)?)),
        file,
    };
    direct(&mut output)?;
    Ok(output)
}

/// Has the bytes go to a file without a name that matters, until they are all there. What is not a
/// regular file is written to.
fn whole(output: &mut Output) -> Result<()> {
    if output.kind != Kind::File {
        return output.take_part(0, 0);
    }
    let failed =
        |error: io::Error| Error::during(Doing::OpenTarget, WHAT, text::name(&output.path), &error);
    let (file, temporary) = Temporary::beside(&output.real).map_err(failed)?;
    rights::copy(&output.file, &file, &output.path)?;
    if let Some(made) = &mut output.made {
        made.remove_at_once();
    }
    // What has the name stays open: it is locked.
    let named = std::mem::replace(&mut output.file, file);
    output.whole = Some((temporary, named));
    Ok(())
}

fn refused(path: &Path, kind: Kind, errno: Errno) -> Error {
    if (kind, errno) == (Kind::Block, Errno::EBUSY) {
        let mounted = fs::metadata(path)
            .ok()
            .and_then(|metadata| mounts::mounted_at(metadata.rdev()));
        let advice = match mounted {
            Some(at) => format!("it is mounted on {at}: umount {at}, or --force to overwrite"),
            None => "something uses it or a partition of it: --force overwrites it".into(),
        };
        return Error::new(
            ExitCode::Target,
            "target is in use",
            text::name(path),
            errno,
            advice,
        );
    }
    if (kind, errno) == (Kind::Stream, Errno::ENXIO) {
        return Error::new(
            ExitCode::Target,
            WHAT,
            text::name(path),
            errno,
            match pipe::is(path) {
                true => "nothing reads from it: start its reader first",
                false => {
                    "nothing is behind it: this process has no terminal, or the device is gone"
                }
            },
        );
    }
    Error::during(Doing::OpenTarget, WHAT, text::name(path), errno)
}

/// What direct I/O demands: what the kernel says of the file, else a device's logical block, else a
/// page.
pub(crate) fn alignment(file: &File, kind: Kind) -> nix::Result<Alignment> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_run_has_filled_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let request = Request {
            path: &path,
            manner: Manner::Buffered,
            permit: Permit::default(),
            inputs: &[],
        };
        let mut output = open(&request, None).unwrap();
        // As between making it and taking it.
        fs::write(&path, "whole").unwrap();
        let error = check(&mut output, &request).unwrap_err();
        assert_eq!(error.errno, Errno::EEXIST);
        drop(output);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }
}
