// SPDX-License-Identifier: MIT

//! `resdump dump`: a region to a file or block device.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use nix::errno::Errno;

use crate::{
    console::Console,
    engine,
    error::{Error, Result},
    exit_codes::ExitCode,
    journal::Journal,
    manifest::{self, Manifest},
    output::{Kind, Manner, Output, Request},
    report::Report,
    signals::Stop,
    source::{self, Source},
    span::Span,
};

mod args;
mod core;
mod incomplete;
mod job;
mod layout;
mod packed;
mod remote;
mod stream;

pub use args::Args;
use job::Job;
use layout::Layout;

/// Runs `dump`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    args.check()?;
    let source = source::open_one(&args.region, &args.take.how())?;
    dump(args, &*source, console)
}

/// Dumps `source`, whatever `args.region` says.
///
/// Everything that can be refused is refused before the target is changed: the range, then the
/// engine, then the target, then alignment and room.
pub(super) fn dump(args: &Args, source: &dyn Source, console: &Console) -> Result<ExitCode> {
    if let Some(place) = args.place()? {
        return stream::run(args, &place, source, console);
    }
    if let Some(compression) = args.compress {
        return packed::run(args, compression, source, console);
    }
    let span = Span::new(args.offset, args.length, source.size())?;
    let mut engine = engine::open(args.engine, source, span, args.settings(), args.strict)?;
    let stop = Stop::on_signals()?;
    let manner = match engine.direct() {
        true => Manner::Direct,
        false => Manner::Buffered,
    };
    let mut target = open(args, manner, source)?;
    if engine.direct()
        && let Some(why) = target.why_copied()
    {
        if args.strict {
            return Err(engine::would_copy(
                &args.target.to_string_lossy(),
                &format!("{why}: give a file or a device on a disk"),
            ));
        }
        engine = engine::open_cached(args.engine, source, span, args.settings(), why)?;
    }
    let layout = Layout::new(args, source, &*engine, span, &target)?;
    let mut journal = prepare(args, source, &layout, &target)?;
    let job = Job {
        args,
        source,
        target: &target,
        layout: &layout,
        stop: &stop,
    };

    let name = args.target.to_string_lossy();
    let mut report = Report::of(source, span);
    report.target(&name, target.kind(), args.seek);
    let show = !args.quiet && !console.is_json();
    let (moved, digest, error) = job.run(&mut *engine, journal.as_mut(), show, &mut report);
    report.engine(&*engine);

    let verified = job.verify(&moved, digest.as_ref(), &mut report);
    distrust_unless(&verified, &mut report);
    let mut error = error.or(verified.err());
    report.digest = digest;
    if layout.done + moved.bytes > 0 {
        target.keep();
    }
    if target.is_new() {
        abandon(journal);
    } else if let Some(journal) = journal {
        report.manifest = Some(journal.path().display().to_string());
        let stored = journal.finish(|manifest| record(manifest, &report, error.as_ref()));
        error = error.or(stored.err());
    }
    report.tell(args.quiet, console, error)
}

/// Opens the target.
fn open(args: &Args, manner: Manner, source: &dyn Source) -> Result<Output> {
    let request = Request {
        path: &args.target,
        manner,
        permit: args.permit(),
        inputs: &source.identities(),
    };
    Output::open(&request, None)
}

/// Makes it known that the target is not complete, and makes room.
fn prepare(
    args: &Args,
    source: &dyn Source,
    layout: &Layout,
    target: &Output,
) -> Result<Option<Journal>> {
    let mut manifest = source.manifest(layout.span, args.format, layout.data_offset);
    manifest.seek = Some(args.seek);
    manifest.bytes = layout.done;
    manifest.resumed = layout.done;
    manifest.digest.clone_from(&layout.digest);
    let journal = begin(args, source, target, manifest)?;
    match target.prepare(&layout.plan, layout.room, args.zero_skip) {
        Ok(()) => Ok(journal),
        Err(error) => {
            if target.is_new() {
                abandon(journal);
            }
            Err(error)
        }
    }
}

/// Makes it known that the target is not complete: by `manifest`, where there is to be one, and by
/// taking away another that lies beside the target and speaks of what was there before.
fn begin(
    args: &Args,
    source: &dyn Source,
    target: &Output,
    manifest: Manifest,
) -> Result<Option<Journal>> {
    let mut taken = source.identities();
    taken.push(target.identity()?);
    let force = args.force && args.manifest.is_some();
    let record = args
        .manifest(target)
        .map(|path| manifest::claim(&path, &taken, force))
        .transpose()?;
    let journal = record
        .map(|record| Journal::begin(record, manifest, args.period()))
        .transpose()?;
    if target.kind() == Kind::File {
        for stale in [target.path(), target.real_path()].map(manifest::beside) {
            let is_it = |journal: &Journal| same_file(journal.path(), &stale);
            if !journal.as_ref().is_some_and(is_it) {
                manifest::remove(&stale)?;
            }
        }
        if journal.is_some() {
            // What is durable so far is the name of the manifest, in another folder perhaps.
            target.sync_name()?;
        }
    }
    Ok(journal)
}

fn same_file(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|it| (it.dev(), it.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

/// There is nothing on the target that a manifest could tell of.
fn abandon(journal: Option<Journal>) {
    if let Some(journal) = journal {
        journal.abandon();
    }
}

/// What was read back and is not what it should be must not be gone on with; what was read back in
/// part may be.
fn distrust_unless(verified: &Result<()>, report: &mut Report<'_>) {
    match verified {
        Ok(()) => {}
        Err(error) if error.code == ExitCode::Interrupted => report.complete = false,
        Err(_) => report.distrust(),
    }
}

/// Somebody did not want to wait for it.
fn no_digest(args: &Args) -> Error {
    Error::new(
        ExitCode::Interrupted,
        "no digest",
        args.target.display(),
        Errno::EINTR,
        "stopped by a signal; all bytes are on the target",
    )
}

/// The last word on a dump.
fn record(manifest: &mut Manifest, report: &Report<'_>, error: Option<&Error>) {
    let synced = report.synced == Some(true);
    manifest.complete = report.complete && synced && report.source_error.is_none();
    // Without a sync that worked, what was known before is all that is known.
    if synced {
        manifest.bytes = report.bytes;
    }
    manifest.direct = report.direct;
    manifest.copied = report.copied;
    manifest.skipped = report.skipped;
    manifest.stored = report.stored;
    manifest.engine = report.engine.as_str().into();
    manifest.engine_reason.clone_from(&report.engine_reason);
    if report.digest.is_some() {
        manifest.digest.clone_from(&report.digest);
    }
    if report.headers.is_some() {
        manifest.headers.clone_from(&report.headers);
    }
    manifest.verified = report.verified;
    manifest.error = error
        .map(ToString::to_string)
        .or_else(|| report.source_error.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_back_and_differs_is_not_to_be_gone_on_with() {
        let span = Span {
            offset: 0,
            length: 8192,
        };
        for (code, left) in [(ExitCode::Interrupted, 8192), (ExitCode::Mismatch, 0)] {
            let mut report = Report::new("capture", None, span);
            (report.bytes, report.complete) = (8192, true);
            let error = Error::new(code, "read back", "out", Errno::EINTR, "");
            distrust_unless(&Err(error), &mut report);
            assert_eq!((report.bytes, report.complete), (left, false));
        }
    }
}
