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
    pieces::{BUFFER, check, copy, identities, open, write},
    usage,
};
use crate::{
    advice::Doing,
    commands::recording,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    output::Kind,
    recorder::{ALL, Piece, Saved},
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
    /// In the index, and not in the segments.
    missing: u64,
}

pub(super) fn run(args: &Args, folder: &Path, console: &Console, stop: &Stop) -> Result<ExitCode> {
    refuse_options_of_memory(args)?;
    let saved = recording::open(folder)?;
    let extent = saved.extent();
    if extent.is_empty() {
        // There is nothing to be made of it.
        recording::worst(&saved, &recording::faults(&saved, &ALL)).map_or(Ok(()), Err)?;
    }
    let range = recording::range(args.offset, args.length, extent)?;
    // What has no end may go on behind what is known of it, unless the last byte is given.
    let touched = match (args.offset, args.length) {
        (None, None) => ALL,
        (Some(_), None) => range.start..ALL.end,
        (_, Some(_)) => range.clone(),
    };
    let error = recording::worst(&saved, &recording::faults(&saved, &touched));
    let promised = saved.pieces(&range);
    // A picture is of what the indexes say, of each run by itself.
    #[cfg(feature = "plot")]
    let is_drawn = args.to == To::Svg;
    #[cfg(not(feature = "plot"))]
    let is_drawn = false;
    if !is_drawn {
        recording::expect_apart(&promised)?;
    }
    let pieces: Vec<Piece> = promised.iter().flat_map(|it| saved.present(it)).collect();
    let is_nothing = match is_drawn {
        true => promised.is_empty(),
        false => pieces.is_empty(),
    };
    let error = match error {
        Some(error) if is_nothing => return Err(error),
        error => error,
    };
    match args.to {
        To::Raw => raw(args, &saved, &pieces, &range, stop)?,
        #[cfg(feature = "sigmf")]
        To::Sigmf => super::samples::run(args, &saved, &pieces, stop)?,
        #[cfg(feature = "plot")]
        To::Svg => svg(args, &saved, folder, stop)?,
        To::Elf | To::Lime => {}
    }
    let bytes = |suspect| length(pieces.iter().filter(|piece| piece.suspect == suspect));
    let (recorded, suspect) = (bytes(false), bytes(true));
    let discarded = saved.discarded(&range);
    let missing = length(&promised) - recorded - suspect;
    let converted = Converted {
        input: &text::name(folder),
        output: &text::name(&args.output),
        to: args.to,
        from_offset: range.start,
        to_offset: range.end,
        recorded,
        suspect,
        gap: (range.end - range.start).saturating_sub(recorded + suspect + discarded + missing),
        discarded,
        missing,
    };
    let gap = converted.gap;
    if console.is_json() {
        console.object(&converted, error.as_ref())?;
    } else if !args.quiet {
        console.text(|out| {
            writeln!(
                out,
                "{recorded} bytes, {suspect} suspect, {gap} not recorded"
            )?;
            if discarded > 0 {
                writeln!(out, "{discarded} bytes were discarded before")?;
            }
            if missing > 0 {
                writeln!(out, "{missing} bytes are missing")?;
            }
            Ok(())
        })?;
    }
    Ok(match (error, suspect + gap) {
        (Some(error), _) => console.complain(&error),
        (None, 0) => ExitCode::Ok,
        (None, _) => ExitCode::Gaps,
    })
}

fn length<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> u64 {
    pieces.into_iter().map(|piece| piece.to - piece.from).sum()
}

fn refuse_options_of_memory(args: &Args) -> Result<()> {
    let given = [
        ("--base", args.base.is_some()),
        ("--machine", args.machine.is_some()),
        ("--endian", args.endian.is_some()),
        ("--class", args.class.is_some()),
        ("--manifest", args.input.manifest.is_some()),
    ];
    if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
        return Err(usage(option, "it is not for a recording"));
    }
    #[cfg(feature = "sigmf")]
    if args.to != To::Sigmf {
        let given = [
            ("--datatype", args.datatype.is_some()),
            ("--sample-rate", args.sample_rate.is_some()),
        ];
        if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
            return Err(usage(option, "it is for --to sigmf"));
        }
    }
    match args.to {
        To::Elf | To::Lime => Err(usage("--to", "a recording becomes raw, sigmf or svg")),
        _ => Ok(()),
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
    let output = open(args, &args.output, &identities(saved)?, stop)?;
    let is_file = output.kind() == Kind::File;
    write(output, |out| {
        let mut at = range.start;
        let mut reader = saved.reader();
        let mut buffer = vec![0; BUFFER];
        for piece in pieces {
            skip(out, piece.from - at, is_file, stop)?;
            copy(&mut reader, piece, &mut buffer, out, stop)?;
            at = piece.to;
        }
        skip(out, range.end - at, is_file, stop)?;
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
    let output = open(args, &args.output, &identities(saved)?, stop)?;
    write(output, |out| Ok(out.write_all(picture.as_bytes())?))
}

fn skip(
    out: &mut BufWriter<&std::fs::File>,
    mut bytes: u64,
    is_file: bool,
    stop: &Stop,
) -> io::Result<()> {
    if is_file {
        let way = i64::try_from(bytes).map_err(io::Error::other)?;
        return out.seek(SeekFrom::Current(way)).map(drop);
    }
    while bytes > 0 {
        check(stop)?;
        let length = bytes.min(4096);
        out.write_all(&[0; 4096][..length as usize])?;
        bytes -= length;
    }
    Ok(())
}
