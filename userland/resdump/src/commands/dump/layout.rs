// SPDX-License-Identifier: MIT

//! What goes where in the target, what is there already, and whether there is room.

use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;

use super::{headers, job::Job};
use crate::{
    advice::Doing,
    codec::digest::Digest,
    codec::format::elf,
    engine::{self, Engine},
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest,
    output::{Kind, Output},
    readback::ReadBack,
    signals::Stop,
    size,
    source::{Region, Source},
    span::{Alignment, Plan, Span},
    sys, text,
};

/// Most bytes of the end of an interrupted dump that are compared before it is resumed.
const LAST_PIECE: u64 = 4 << 20;

/// What is written at least when a target is nearly full.
pub(super) const BLOCK: u64 = 512;

/// What goes where.
pub(super) struct Layout {
    /// All that was asked for.
    pub(super) span: Span,
    /// Where its first byte goes to.
    pub(super) data_offset: u64,
    /// Bytes that an earlier run has left there.
    pub(super) done: u64,
    /// Digest of all of it, if all of it is there and an earlier run has computed it.
    pub(super) digest: Option<Digest>,
    /// The rest.
    pub(super) plan: Plan,
    /// How much of the rest there is room for.
    pub(super) room: u64,
    /// What is in the way of more.
    pub(super) full: Errno,
}

impl Layout {
    pub(super) fn new(
        job: &Job,
        source: &dyn Source,
        engine: &dyn Engine,
        span: Span,
        target: &Output,
    ) -> Result<Self> {
        let mut alignment = target.alignment();
        if engine.any_address() {
            alignment.memory = 1;
        }
        let align = alignment.offset.into();
        let data_offset = job
            .seek
            .saturating_add(headers::bytes(source, span, job.format, align)?);
        let mut layout = Self {
            span,
            data_offset,
            done: 0,
            digest: None,
            plan: plan(source, span, data_offset, alignment)?,
            room: span.length,
            full: Errno::ENOSPC,
        };
        if job.permit.resume {
            (layout.done, layout.digest) = resume_at(job, source, &layout, target)?;
            let rest = Span {
                offset: span.offset + layout.done,
                length: span.length - layout.done,
            };
            layout.plan = plan(source, rest, data_offset + layout.done, alignment)?;
        }
        layout.check_strict(job, target)?;
        (layout.room, layout.full) = layout.room(job, target)?;
        Ok(layout)
    }

    fn check_strict(&self, job: &Job, target: &Output) -> Result<()> {
        if job.strict && self.plan.tail() > 0 {
            return Err(engine::would_copy(
                &format!("--length {:#x}", self.span.length),
                &format!(
                    "the last {} bytes are less than a block of the target: give a multiple of {}",
                    self.plan.tail(),
                    target.alignment().offset
                ),
            ));
        }
        Ok(())
    }

    /// Holds the rest against `--keep-free` and `--max-size`.
    fn room(&self, job: &Job, target: &Output) -> Result<(u64, Errno)> {
        let wanted = self.plan.span.length;
        let (mut room, mut full) = (wanted, Errno::ENOSPC);
        if let Some(most) = job.max_size {
            room = room.min(most.saturating_sub(self.plan.seek - job.seek));
            full = Errno::EFBIG;
            if room < wanted && !job.permit.partial {
                return Err(no_room(
                    format_args!("--max-size {most}"),
                    Errno::EFBIG,
                    wanted,
                    room,
                ));
            }
        }
        if job.keep_free > 0 {
            let free = free_after(target, self.plan.seek, job.keep_free)?;
            if free < room {
                (room, full) = (free, Errno::ENOSPC);
            }
            if free < wanted && !job.permit.partial {
                return Err(no_room(
                    format_args!("--keep-free {}", job.keep_free),
                    Errno::ENOSPC,
                    wanted,
                    free,
                ));
            }
        }
        Ok((room, full))
    }
}

fn plan(source: &dyn Source, span: Span, seek: u64, alignment: Alignment) -> Result<Plan> {
    if span.length == 0 {
        // All of it is there.
        return Ok(Plan {
            span,
            seek,
            body: 0,
        });
    }
    let base = source.region().map_or(0, Region::base);
    Plan::new(span, seek, base, alignment)
}

/// Bytes that may be written to a file from `seek` on, so that `keep` are left.
fn free_after(target: &Output, seek: u64, keep: u64) -> Result<u64> {
    let failed = |errno| {
        Error::during(
            Doing::OpenTarget,
            "cannot inspect target",
            "file system",
            errno,
        )
    };
    if target.kind() == Kind::Block {
        return Err(Error::new(
            ExitCode::Usage,
            "no file system",
            format_args!("--keep-free {keep}"),
            Errno::EINVAL,
            "a block device has no free space: leave it out",
        ));
    }
    let free = sys::file::available(target.file()).map_err(failed)?;
    // What is cut off, roughly: a file with holes has less.
    let metadata = target
        .file()
        .metadata()
        .map_err(|error| failed(crate::error::errno_of(&error)))?;
    let freed = (metadata.blocks() * 512).min(metadata.len().saturating_sub(seek));
    Ok((free + freed).saturating_sub(keep))
}

fn no_room(flag: std::fmt::Arguments<'_>, errno: Errno, wanted: u64, room: u64) -> Error {
    Error::new(
        ExitCode::NoSpace,
        "not enough room",
        flag,
        errno,
        format!(
            "needs {}, {room} bytes are allowed: give a smaller --length, or --partial to write \
             what fits",
            size::display(wanted)
        ),
    )
}

/// How many bytes of the dump are on the target and can be trusted, and the digest if that is all.
fn resume_at(
    job: &Job,
    source: &dyn Source,
    layout: &Layout,
    target: &Output,
) -> Result<(u64, Option<Digest>)> {
    let cannot = |errno, advice: &str| {
        Error::new(
            ExitCode::Target,
            "cannot resume",
            text::name(&job.target),
            errno,
            advice,
        )
    };
    let Some((path, _)) = job.manifest(target) else {
        return Err(cannot(
            Errno::ENOENT,
            "give --manifest: a block device has none by itself",
        ));
    };
    let Some(manifest) = manifest::load(&path)? else {
        if target.is_empty() {
            return Ok((0, None));
        }
        return Err(cannot(
            Errno::ENOENT,
            "there is no manifest: start again with --force",
        ));
    };
    if manifest.origin != source.origin(layout.span)
        || manifest.format != job.format
        || manifest.data_offset != layout.data_offset
        || manifest.compression.is_some()
        || manifest.snapshot.is_some()
    {
        return Err(cannot(
            Errno::EINVAL,
            "its manifest is that of another dump: give the same arguments, or --force without --resume",
        ));
    }
    let mut done = manifest.bytes.min(layout.span.length);
    if done < layout.span.length {
        // No more than that is written again: where it is full, there may be no room for it.
        done -= done % u64::from(target.alignment().offset).max(BLOCK);
    }
    let digest = manifest
        .digest
        .filter(|_| manifest.complete && done == layout.span.length);
    let last = done.min(LAST_PIECE);
    let from = (done - last).next_multiple_of(elf::DATA_OFFSET).min(done);
    let piece = Span {
        offset: layout.data_offset + from,
        length: done - from,
    };
    ReadBack::open(&job.target, piece, &Stop::default())?
        .expect_bytes(source, layout.span.offset + from)?;
    log::info!(
        "{done} bytes are there, the last {} of them verified",
        piece.length
    );
    Ok((done, digest))
}
