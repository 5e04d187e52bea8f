// SPDX-License-Identifier: MIT

//! `resdump verify`: whether a saved file is what it should be, on the device or on a host.

use std::{ffi::OsString, path::PathBuf};

use nix::errno::Errno;
use serde::Serialize;

use super::recording;
use crate::{
    codec::{digest::Digest, format::machine::Endian},
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    readback::{self, ReadBack},
    recorder,
    signals::Stop,
    source::{self, How, Saved, Source},
    text,
};

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Saved file, block device, or folder of a recording
    file: PathBuf,

    /// Where its manifest is [default: FILE.json]
    #[arg(long, value_name = "PATH")]
    manifest: Option<PathBuf>,

    /// Compare with this region, or saved file, where both have the same memory
    #[arg(long, value_name = "REGION")]
    against: Option<OsString>,

    /// Of a recording whose 32-bit words count, their byte order: compares those that are proven
    #[arg(long, value_name = "ORDER", conflicts_with_all = ["manifest", "against"])]
    counting: Option<Endian>,

    /// No progress, no final line
    #[arg(short, long)]
    quiet: bool,
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
    run_until(args, console, &Stop::on_signals()?)
}

/// Runs `verify`, until `stop`.
pub fn run_until(args: &Args, console: &Console, stop: &Stop) -> Result<ExitCode> {
    if recorder::Saved::is_one(&args.file) {
        return recording::verify(&args.file, args.counting, console);
    }
    if args.counting.is_some() {
        let name = text::name(&args.file);
        let advice = "--counting is for the folder of a recording";
        return Err(Error::new(
            ExitCode::Usage,
            "not a recording",
            name,
            Errno::EINVAL,
            advice,
        ));
    }
    let how = How {
        manifest: args.manifest.clone(),
        ..How::default()
    };
    let saved = Saved::examine(&args.file, &how)?;
    let manifest = saved.manifest();
    let mut verdict = Verdict {
        file: saved.name(),
        complete: manifest.map(|manifest| manifest.complete),
        bytes: saved.size(),
        digest: manifest.and_then(|it| it.digest.as_ref()),
        checked: Vec::new(),
    };
    let show = !args.quiet && !console.is_json();
    let error = check(args, &saved, &mut verdict, show, stop).err();
    if console.is_json() {
        console.object(&verdict, error.as_ref())?;
    } else if error.is_none() && !args.quiet {
        console.text(|out| {
            let checked = verdict.checked.join(", ");
            writeln!(out, "{} bytes, verified by: {checked}", verdict.bytes)
        })?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| console.complain(&error)))
}

fn check(
    args: &Args,
    saved: &Saved,
    verdict: &mut Verdict<'_>,
    show: bool,
    stop: &Stop,
) -> Result<()> {
    if let Some(fault) = saved.fault() {
        return Err(Error {
            code: match fault.differs {
                true => ExitCode::Mismatch,
                false => ExitCode::Incomplete,
            },
            advice: fault.error.advice.clone(),
            subject: fault.error.subject.clone(),
            ..fault.error
        });
    }
    let manifest = saved.manifest();
    if manifest.is_none() && args.against.is_none() {
        return Err(Error::new(
            ExitCode::Incomplete,
            "no manifest",
            saved.name(),
            Errno::ENOENT,
            "nothing says that it is complete: give --manifest, or --against to compare",
        ));
    }
    if let (None, Some(error)) = (manifest, saved.excess()) {
        return Err(Error {
            code: ExitCode::Mismatch,
            ..error
        });
    }
    verdict.checked.push("length");
    if let Some(expected) = manifest.and_then(|manifest| manifest.headers.as_ref()) {
        let start = manifest.and_then(|manifest| manifest.seek).unwrap_or(0);
        let found = ReadBack::layout(saved, start, stop)?.digest(expected.algorithm)?;
        if found != *expected {
            return Err(readback::mismatch(
                saved.path(),
                format!("its headers have {found}, and should have {expected}"),
            ));
        }
        verdict.checked.push("headers");
    }
    if let Some(digest) = manifest.and_then(|manifest| manifest.digest.as_ref()) {
        ReadBack::of(saved, stop)?
            .shown(show)
            .expect_digest(digest)?;
        verdict.checked.push("digest");
    } else if manifest.is_some() && saved.compression().is_some() {
        ReadBack::of(saved, stop)?
            .shown(show)
            .read(&mut |_, _| Ok(true))?;
        verdict.checked.push("check sums of the frames");
    }
    if let Some(name) = &args.against {
        let other = source::open_any(name, &How::default())?;
        verdict.bytes = compare(saved, &*other, show, stop)?;
        verdict.checked.push("bytes");
    }
    saved.check_unchanged()
}

/// Compares all that both have; one of them has to have all of the other. How many bytes that was.
fn compare(saved: &Saved, other: &dyn Source, show: bool, stop: &Stop) -> Result<u64> {
    if saved.compression().is_some() && saved.manifest().is_none() {
        saved.refuse_packed()?;
    }
    let pairs = source::common(saved, other)?;
    let (mine, its) = (saved.place().length(), other.place().length());
    let common: u64 = pairs.iter().map(|pair| pair.length).sum();
    if common < mine.min(its) {
        let why = format!(
            "the one has {mine} bytes, the other {its}, and {common} of them are of the same memory"
        );
        return Err(source::not_comparable(saved, other, why));
    }
    let mut first = None;
    ReadBack::of(saved, stop)?
        .shown(show)
        .differences(other, &pairs, &mut |at, _| {
            first = Some(at);
            Ok(false)
        })?;
    let Some(at) = first else {
        return Ok(common);
    };
    let why = match other.region() {
        Some(_) => "the medium is bad, or the region has changed since".into(),
        None => format!("{} has other bytes", other.name()),
    };
    Err(readback::mismatch(
        saved.path(),
        format!("first at byte {at:#x} of the dump; {why}"),
    ))
}
