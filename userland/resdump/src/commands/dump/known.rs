// SPDX-License-Identifier: MIT

//! What is recorded of a dump: that it has begun, and its result.

use super::job::Job;
use crate::{
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    journal::Journal,
    manifest::{self, Manifest},
    output::{Kind, Output},
    report::Report,
    source::Source,
    text,
};

/// Makes it known that the target is not complete: by `manifest`, where there is to be one, and by
/// taking away another that is next to the target and speaks of what was there before.
pub(super) fn begin(
    job: &Job,
    source: &dyn Source,
    target: &Output,
    manifest: impl FnOnce() -> Manifest,
) -> Result<Option<Journal>> {
    let mut taken = source.identities();
    taken.push(target.identity()?);
    let record = job
        .manifest(target)
        .map(|(path, named)| {
            let elsewhere = match named {
                true => "give another --manifest, --force to overwrite a file, or --no-manifest",
                false => "give --manifest PATH, or --no-manifest",
            };
            let force = named && job.permit.force;
            if named && !force {
                manifest::expect_own(&path, target, elsewhere)?;
            }
            manifest::claim(&path, &taken, force, elsewhere)
        })
        .transpose()?;
    let journal = record
        .map(|record| Journal::begin(record, manifest(), job.period))
        .transpose()?;
    manifest::forget(target, |stale| {
        journal.as_ref().is_some_and(|journal| journal.is_at(stale))
    })?;
    if target.kind() == Kind::File
        && let Some(journal) = &journal
    {
        // What is durable so far is the name of the manifest.
        match journal.is_beside(target.real_path()) {
            true => target.mark_name_synced(),
            false => target.sync_name()?,
        }
    }
    Ok(journal)
}

/// There is nothing on the target that a manifest could describe.
pub(super) fn abandon(journal: Option<Journal>) {
    if let Some(journal) = journal {
        journal.abandon();
    }
}

/// The end of every dump to a file or device: what is worth nothing goes, what is known is written down and
/// reported. `is_begun`: whether something of the dump has been written.
pub(super) fn end(
    job: &Job,
    console: &Console,
    mut target: Output,
    journal: Option<Journal>,
    mut report: Report<'_>,
    is_begun: bool,
    mut error: Option<Error>,
) -> Result<ExitCode> {
    match error.as_ref().map(|error| error.code) {
        Some(ExitCode::Interrupted) => report.complete = false,
        // What was read, or what was written, is not what it should be.
        Some(ExitCode::Mismatch) => report.distrust(),
        _ => {}
    }
    if is_begun {
        target.keep();
    }
    if target.is_new() {
        abandon(journal);
    } else if let Some(journal) = journal {
        report.manifest = Some(text::name(journal.path()));
        let stored = journal.finish(|manifest| record(manifest, &report, error.as_ref()));
        error = error.or(stored.err());
    }
    report.tell(job.quiet, console, error)
}

/// What was read back and is not what it should be must not be resumed; what was read back in part may
/// be.
pub(super) fn distrust_unless(verified: &Result<()>, report: &mut Report<'_>) {
    match verified {
        Ok(()) => {}
        Err(error) if error.code == ExitCode::Interrupted => report.complete = false,
        Err(_) => report.distrust(),
    }
}

/// The last word on a dump.
fn record(manifest: &mut Manifest, report: &Report<'_>, error: Option<&Error>) {
    // Memory has nothing to wait for, and keeps nothing.
    let synced = report.synced == Some(true) || report.in_memory;
    let is_well = error.is_none() && report.source_error.is_none();
    manifest.complete = report.complete && synced && is_well;
    manifest.durable = Some(report.synced == Some(true));
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
    use nix::errno::Errno;

    use super::*;
    use crate::span::Span;

    #[test]
    fn what_was_read_back_and_differs_is_not_resumed() {
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
