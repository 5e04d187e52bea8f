// SPDX-License-Identifier: MIT

//! `resdump verify`: whether a saved file is what it should be, on the device or on a host.

use std::{
    fs,
    io::{Seek, SeekFrom},
    path::PathBuf,
};

use nix::errno::Errno;
use serde::Serialize;

use crate::{
    codec::digest::Digest,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest::{self, Manifest},
    readback::ReadBack,
    signals::Stop,
    source::{self, Saved, Source},
    span::Span,
};

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Saved file, or block device (with --manifest)
    file: PathBuf,

    /// Where its manifest is [default: FILE.json]
    #[arg(long, value_name = "PATH")]
    manifest: Option<PathBuf>,

    /// Compare with this region, or saved file, byte by byte
    #[arg(long, value_name = "REGION")]
    against: Option<String>,
}

/// What was checked.
#[derive(Serialize)]
struct Verdict<'a> {
    file: &'a str,
    complete: Option<bool>,
    bytes: u64,
    digest: Option<&'a Digest>,
    checked: Vec<&'static str>,
}

/// Runs `verify`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let stop = Stop::on_signals()?;
    let name = args.file.display().to_string();
    let beside = manifest::beside(&args.file);
    let manifest = Manifest::load(args.manifest.as_ref().unwrap_or(&beside))?;
    let (data, offset) = match &manifest {
        Some(manifest) => (manifest.data(), manifest.origin.offset),
        None => (contents(args)?, 0),
    };
    let mut verdict = Verdict {
        file: &name,
        complete: manifest.as_ref().map(|manifest| manifest.complete),
        bytes: data.length,
        digest: manifest.as_ref().and_then(|it| it.digest.as_ref()),
        checked: Vec::new(),
    };
    let error = check(args, manifest.as_ref(), data, offset, &mut verdict, &stop).err();
    if console.is_json() {
        console.object(&verdict, error.as_ref())?;
    } else if error.is_none() {
        console.text(|out| {
            let checked = verdict.checked.join(", ");
            writeln!(out, "{} bytes, verified by: {checked}", verdict.bytes)
        })?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| console.complain(&error)))
}

/// Where the bytes are in a file without a manifest.
fn contents(args: &Args) -> Result<Span> {
    if args.against.is_none() {
        return Err(Error::new(
            ExitCode::Incomplete,
            "no manifest",
            args.file.display(),
            Errno::ENOENT,
            "nothing says that it is complete: give --manifest, or --against to compare",
        ));
    }
    let saved = Saved::open(&args.file)?;
    Ok(Span {
        offset: saved.start(),
        length: saved.size(),
    })
}

fn check(
    args: &Args,
    manifest: Option<&Manifest>,
    data: Span,
    offset: u64,
    verdict: &mut Verdict<'_>,
    stop: &Stop,
) -> Result<()> {
    if let Some(manifest) = manifest.filter(|manifest| !manifest.complete) {
        return Err(Error::new(
            ExitCode::Incomplete,
            "dump is incomplete",
            args.file.display(),
            Errno::ENODATA,
            format!(
                "{} of {} bytes are there: {}",
                manifest.bytes,
                manifest.origin.length,
                if manifest.engine == "receive" {
                    "receive it again, over a serial line with --resume"
                } else if manifest.compression.is_some() || manifest.snapshot.is_some() {
                    "make it again"
                } else {
                    "go on with 'resdump dump --resume'"
                }
            ),
        ));
    }
    let stored = manifest.and_then(|manifest| manifest.stored);
    check_length(
        args,
        stored.unwrap_or(data.offset.saturating_add(data.length)),
    )?;
    verdict.checked.push("length");
    let read_back = || match manifest {
        Some(manifest) => ReadBack::of(&args.file, manifest, stop),
        None => ReadBack::open(&args.file, data, stop),
    };
    if let Some(digest) = manifest.and_then(|manifest| manifest.digest.as_ref()) {
        read_back()?.expect_digest(digest)?;
        verdict.checked.push("digest");
    } else if stored.is_some() {
        read_back()?.read(&mut |_, _| Ok(true))?;
        verdict.checked.push("check sums of the frames");
    }
    if let Some(name) = &args.against {
        let source = source::open(name)?;
        // Also that the range lies within it.
        let span = Span::new(offset, Some(data.length), source.size())?;
        read_back()?.expect_bytes(&*source, span.offset)?;
        verdict.checked.push("bytes");
    }
    Ok(())
}

fn check_length(args: &Args, needed: u64) -> Result<()> {
    let size = fs::File::open(&args.file)
        .and_then(|mut file| file.seek(SeekFrom::End(0)))
        .map_err(|error| Error::io("cannot open", args.file.display(), &error))?;
    if size < needed {
        return Err(Error::new(
            ExitCode::Incomplete,
            "file is too short",
            args.file.display(),
            Errno::ENODATA,
            format!("it has {size} bytes, and should have {needed}"),
        ));
    }
    Ok(())
}
