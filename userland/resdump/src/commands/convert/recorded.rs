// SPDX-License-Identifier: MIT

//! `resdump convert` of a recording: a part of its stream as raw bytes or as SigMF.

use std::{
    io::{self, BufWriter, Seek, SeekFrom, Write},
    ops::Range,
    path::Path,
};

use serde::Serialize;

use super::{
    Args, To,
    pieces::{BUFFER, copy, open, write},
    usage,
};
use crate::{
    advice::Doing,
    commands::recording,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    output::Kind,
    recorder::{Piece, Saved},
    signals::Stop,
    text,
};

#[derive(Serialize)]
struct Converted<'a> {
    input: &'a str,
    output: &'a str,
    to: To,
    /// Offsets of the stream.
    from_offset: u64,
    to_offset: u64,
    /// Bytes that are proven whole.
    recorded: u64,
    suspect: u64,
    gap: u64,
    /// Recorded, and not kept.
    discarded: u64,
}

pub(super) fn run(args: &Args, folder: &Path, console: &Console, stop: &Stop) -> Result<ExitCode> {
    refuse_options_of_memory(args)?;
    let saved = Saved::open(folder)
        .map_err(|error| Error::during(Doing::Read, "cannot read", folder.display(), &error))?;
    let range = recording::range(args.offset, args.length, saved.extent())?;
    let pieces = saved.pieces(&range);
    match args.to {
        To::Raw => raw(args, &saved, &pieces, &range, stop)?,
        #[cfg(feature = "sigmf")]
        To::Sigmf => super::samples::run(args, &saved, &pieces, stop)?,
        #[cfg(feature = "plot")]
        To::Svg => svg(args, &saved, folder, stop)?,
        To::Elf | To::Lime => {
            return Err(usage("--to", "a recording becomes raw, sigmf or svg"));
        }
    }
    let bytes = |suspect| -> u64 {
        let pieces = pieces.iter().filter(|piece| piece.suspect == suspect);
        pieces.map(|piece| piece.to - piece.from).sum()
    };
    let (recorded, suspect) = (bytes(false), bytes(true));
    let discarded = saved.discarded(&range);
    let converted = Converted {
        input: &text::name(folder),
        output: &text::name(&args.output),
        to: args.to,
        from_offset: range.start,
        to_offset: range.end,
        recorded,
        suspect,
        gap: (range.end - range.start).saturating_sub(recorded + suspect + discarded),
        discarded,
    };
    let gap = converted.gap;
    if console.is_json() {
        console.object(&converted, None)?;
    } else if !args.quiet {
        console.text(|out| {
            writeln!(
                out,
                "{recorded} bytes, {suspect} suspect, {gap} not recorded"
            )?;
            match discarded {
                0 => Ok(()),
                _ => writeln!(out, "{discarded} bytes were discarded before"),
            }
        })?;
    }
    Ok(match suspect + gap {
        0 => ExitCode::Ok,
        _ => ExitCode::Gaps,
    })
}

fn refuse_options_of_memory(args: &Args) -> Result<()> {
    let given = [
        ("--base", args.base.is_some()),
        ("--machine", args.machine.is_some()),
        ("--endian", args.endian.is_some()),
        ("--class", args.class.is_some()),
        ("--manifest", args.input.manifest.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(usage(option, "it is not for a recording")),
        None => Ok(()),
    }
}

/// What was not recorded is zeroes: a hole, where the output is a file.
fn raw(
    args: &Args,
    saved: &Saved,
    pieces: &[Piece],
    range: &Range<u64>,
    stop: &Stop,
) -> Result<()> {
    let output = open(args, &args.output, stop)?;
    let is_file = output.kind() == Kind::File;
    write(output, |out| {
        let mut at = range.start;
        let mut reader = saved.reader();
        let mut buffer = vec![0; BUFFER];
        for piece in pieces {
            skip(out, piece.from - at, is_file)?;
            copy(&mut reader, piece, &mut buffer, out, stop)?;
            at = piece.to;
        }
        skip(out, range.end - at, is_file)?;
        if is_file {
            out.flush()?;
            out.get_ref().set_len(range.end - range.start)?;
        }
        Ok(())
    })
}

#[cfg(feature = "plot")]
fn svg(args: &Args, saved: &Saved, folder: &Path, stop: &Stop) -> Result<()> {
    if args.offset.is_some() || args.length.is_some() {
        return Err(usage(
            "--to svg",
            "a picture is of all of it: leave --offset and --length out",
        ));
    }
    let picture = crate::recorder::plot(saved)
        .map_err(|error| Error::during(Doing::Read, "cannot read", text::name(folder), &error))?;
    let output = open(args, &args.output, stop)?;
    write(output, |out| out.write_all(picture.as_bytes()))
}

fn skip(out: &mut BufWriter<&std::fs::File>, mut bytes: u64, is_file: bool) -> io::Result<()> {
    if is_file {
        let way = i64::try_from(bytes).map_err(io::Error::other)?;
        return out.seek(SeekFrom::Current(way)).map(drop);
    }
    while bytes > 0 {
        let length = bytes.min(4096);
        out.write_all(&[0; 4096][..length as usize])?;
        bytes -= length;
    }
    Ok(())
}
