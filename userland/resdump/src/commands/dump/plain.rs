// SPDX-License-Identifier: MIT

//! `resdump dump REGION TARGET` to a file or block device, the bytes as they are.

use nix::errno::Errno;

use super::{job::Job, known, layout::Layout, open, run::Run};
use crate::{
    console::Console,
    engine::{self, Engine},
    error::{Error, Result},
    exit_codes::ExitCode,
    journal::Journal,
    manifest::Manifest,
    output::{Manner, Output},
    report::Report,
    signals::Stop,
    source::Source,
    span::Span,
};

/// Runs it.
pub(super) fn run(job: &Job, source: &dyn Source, console: &Console) -> Result<ExitCode> {
    let span = job.span(source.size())?;
    let stop = Stop::on_signals()?;
    let _tuned = job.tune()?;
    let (mut engine, target) = ends(job, source, span)?;
    let mut layout = Layout::new(job, source, &*engine, span, &target)?;
    let end = layout.data_offset.saturating_add(span.length);
    target.take_part(job.seek, end - job.seek)?;
    let mut journal = prepare(job, source, &mut layout, &target)?;

    let name = job.name();
    let mut report = Report::of(source, span);
    report.target(&name, target.kind(), job.seek);
    report.in_memory = target.is_in_memory();
    let run = Run {
        job,
        source,
        target: &target,
        layout: &layout,
        stop: &stop,
    };
    let show = !job.quiet && !console.is_json();
    let (moved, digest, error) = run.run(&mut *engine, journal.as_mut(), show, &mut report);
    report.engine(&*engine);

    let verified = run.verify(&moved, digest.as_ref(), show, &mut report);
    known::distrust_unless(&verified, &mut report);
    let error = error.or(verified.err());
    report.digest = digest;
    let is_begun = layout.done + moved.bytes > 0;
    known::end(job, console, target, journal, report, is_begun, error)
}

/// The engine, and what it writes to.
fn ends<'a>(
    job: &Job,
    source: &'a dyn Source,
    span: Span,
) -> Result<(Box<dyn Engine + 'a>, Output)> {
    let settings = job.settings(span.length);
    if let Some(why) = job.why_copied() {
        if job.strict {
            return Err(engine::would_copy("--format lime", why));
        }
        let engine = engine::open_cached(job.engine, source, span, settings, why)?;
        return Ok((engine, open(job, Manner::Buffered, source)?));
    }
    let engine = engine::open(job.engine, source, span, settings, job.strict)?;
    if !engine.direct() {
        return Ok((engine, open(job, Manner::Buffered, source)?));
    }
    let target = open(job, Manner::Direct, source)?;
    let engine = match target.why_copied() {
        None => engine,
        Some(why) if job.strict => {
            let advice = format!("{why}: give a file or a device on a disk");
            return Err(engine::would_copy(&job.name(), &advice));
        }
        Some(why) => {
            drop(engine);
            engine::open_cached(job.engine, source, span, settings, why)?
        }
    };
    Ok((engine, target))
}

/// Makes it known that the target is not complete, and makes room: `layout` has what there is then.
fn prepare(
    job: &Job,
    source: &dyn Source,
    layout: &mut Layout,
    target: &Output,
) -> Result<Option<Journal>> {
    let or_partial = |error: Error| match (error.code, error.errno) {
        (ExitCode::NoSpace, Errno::ENOSPC) => Error {
            advice: error.advice + ", or --partial to write what fits",
            ..error
        },
        _ => error,
    };
    let fits = target.expect_fit(&layout.plan, layout.room, job.zero_skip);
    fits.map_err(or_partial)?;
    let journal = known::begin(job, source, target, || Manifest {
        seek: Some(job.seek),
        bytes: layout.done,
        resumed: layout.done,
        digest: layout.digest.clone(),
        ..source.manifest(layout.span, job.format, layout.data_offset)
    })?;
    match target.prepare(&layout.plan, layout.room, job.zero_skip) {
        Ok((room, full)) => {
            if room < layout.room {
                (layout.room, layout.full) = (room, full);
            }
            Ok(journal)
        }
        Err(error) => {
            if target.is_new() {
                known::abandon(journal);
            }
            Err(or_partial(error))
        }
    }
}
