// SPDX-License-Identifier: MIT

//! What every format of a recording is written by: its pieces, through a buffer, to a new file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{Args, usage};
use crate::{
    advice::Doing,
    commands::recording::unreadable,
    error::{Error, Result},
    manifest,
    output::{Identity, Manner, Output, Permit, Request},
    recorder::{Failed, Piece, Reader, Saved},
    signals::Stop,
    text,
};

/// Bytes that are read at a time.
pub(super) const BUFFER: usize = 1 << 20;

/// Opens a file for what a recording becomes: none of its own, the `inputs`.
pub(super) fn open(args: &Args, path: &Path, inputs: &[Identity], stop: &Stop) -> Result<Output> {
    // The manifest of another file would be taken for this one's.
    let beside = manifest::beside(path);
    if beside.exists() {
        let advice = format!("{} is of another file: move it away", beside.display());
        return Err(usage(&text::name(path), advice));
    }
    let request = Request {
        path,
        manner: Manner::Whole,
        permit: Permit {
            force: args.force,
            ..Permit::default()
        },
        inputs,
    };
    Output::open(&request, Some(stop))
}

/// What the files of a recording are.
pub(super) fn identities(saved: &Saved) -> Result<Vec<Identity>> {
    let of = |path: PathBuf| {
        let identity = File::open(&path).and_then(|file| Identity::of_input(&file));
        identity
            .map_err(|error| Error::during(Doing::Read, "cannot read", text::name(&path), &error))
    };
    saved.files().map(of).collect()
}

/// Writes by `work`, and gives the output its name.
pub(super) fn write(
    output: Output,
    work: impl FnOnce(&mut BufWriter<&std::fs::File>) -> std::result::Result<(), Failed>,
) -> Result<()> {
    let mut out = BufWriter::new(output.file());
    let result = work(&mut out).and_then(|()| Ok(out.flush()?));
    // What a failure has left in the buffer is not wanted.
    drop(out.into_parts());
    result.map_err(|failed| match failed {
        Failed::Read(..) => unreadable(failed),
        Failed::Take(error) => {
            let name = text::name(output.path());
            Error::during(Doing::Write, "cannot write", name, &error)
        }
    })?;
    output.commit()
}

/// Writes a piece to `out`.
pub(super) fn copy(
    reader: &mut Reader,
    piece: &Piece,
    buffer: &mut [u8],
    out: &mut BufWriter<&std::fs::File>,
    stop: &Stop,
) -> std::result::Result<(), Failed> {
    reader.read(piece, buffer, &mut |bytes| {
        check(stop)?;
        out.write_all(bytes)
    })
}

/// `EINTR` once it is to end.
pub(super) fn check(stop: &Stop) -> io::Result<()> {
    match stop.requested() {
        true => Err(nix::errno::Errno::EINTR.into()),
        false => Ok(()),
    }
}
