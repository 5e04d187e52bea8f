// SPDX-License-Identifier: MIT

//! Where the ranges of a dump of several regions are, and their headers.

use std::os::unix::fs::FileExt;

use super::super::{headers, job::Job};
use crate::{
    advice::Doing,
    codec::{
        digest::{Algorithm, Digest, Hasher},
        format::{
            Format,
            elf::{self, Segment},
            lime,
        },
    },
    engine::Engine,
    error::{Error, Result},
    manifest::{Manifest, Part},
    output::Output,
    source::{Extent, Several, Source},
    span::{Alignment, Plan, Span},
    text,
};

/// A region of the dump.
pub(super) struct Range<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) engine: Box<dyn Engine + 'a>,
    /// Where its bytes are among those of all.
    pub(super) extent: Extent,
    /// Where they go to.
    pub(super) plan: Plan,
}

impl Range<'_> {
    /// How many of the first `done` bytes of all are in it.
    pub(super) fn there(&self, done: u64) -> u64 {
        done.saturating_sub(self.extent.offset)
            .min(self.extent.length)
    }

    /// As its manifest describes it.
    pub(super) fn part(&self) -> Part {
        Part {
            region: Some(self.source.name().into()),
            base: self.extent.base,
            length: self.extent.length,
            data_offset: self.plan.seek,
        }
    }
}

/// Headers, then one range after the other, each where direct I/O can begin.
pub(super) fn lay_out<'a>(
    job: &Job,
    source: &'a Several,
    engines: Vec<Box<dyn Engine + 'a>>,
    alignment: Alignment,
) -> Result<Vec<Range<'a>>> {
    let extents = source.extents();
    // A core has all headers at its start, a LiME file one before each range.
    let (align, mut at, between) = match job.format {
        Format::Lime => (1, lime::HEADER, lime::HEADER),
        Format::Elf | Format::Raw => {
            let align = elf::DATA_OFFSET.max(alignment.offset.into());
            (align, headers::header_bytes_of(source, &extents, align)?, 0)
        }
    };
    let mut ranges = Vec::new();
    for ((source, extent), engine) in source.parts().zip(engines) {
        let mut alignment = alignment;
        if engine.any_address() {
            alignment.memory = 1;
        }
        let span = Span {
            offset: 0,
            length: extent.length,
        };
        let base = source.region().and_then(Source::base).unwrap_or(0);
        let plan = Plan::new(span, at, base, alignment)?;
        at = (at + extent.length).next_multiple_of(align) + between;
        ranges.push(Range {
            source,
            engine,
            extent,
            plan,
        });
    }
    log::debug!("{}: {at} bytes", job.name());
    Ok(ranges)
}

/// All of them, and what is between them.
pub(super) fn extent(ranges: &[Range<'_>]) -> Plan {
    let first = ranges[0].plan.seek;
    let last = &ranges[ranges.len() - 1];
    let length = last.plan.seek + last.extent.length - first;
    Plan {
        span: Span { offset: 0, length },
        seek: first,
        body: length,
    }
}

/// The headers: last, so that they never promise what is not there. A check sum of all that is no memory.
pub(super) fn describe(
    job: &Job,
    source: &Several,
    ranges: &[Range<'_>],
    target: &Output,
    manifest: &Manifest,
    done: u64,
) -> Result<Option<Digest>> {
    let Some(end) = ranges
        .iter()
        .filter(|range| range.there(done) > 0)
        .map(|range| range.plan.seek + range.there(done))
        .max()
    else {
        return Ok(None);
    };
    target.truncate(end)?;
    let mut hasher = Hasher::new(Algorithm::Crc32c);
    let mut at = 0;
    for (place, header) in headers_of(job, source, ranges, manifest, done)? {
        target
            .buffered()?
            .write_all_at(&header, place)
            .map_err(|error| {
                let name = text::name(target.path());
                Error::during(Doing::Write, "cannot write header", name, &error)
            })?;
        hasher.update(&header);
        at = place + header.len() as u64;
    }
    if job.format == Format::Elf {
        // What is between the ranges was allocated, and never written.
        for range in ranges {
            hasher.update(&vec![0; (range.plan.seek - at) as usize]);
            at = range.plan.seek + range.extent.length;
        }
    }
    Ok(Some(hasher.finish()))
}

/// Each header, and where it goes to.
fn headers_of(
    job: &Job,
    source: &Several,
    ranges: &[Range<'_>],
    manifest: &Manifest,
    done: u64,
) -> Result<Vec<(u64, Vec<u8>)>> {
    if job.format == Format::Lime {
        return ranges
            .iter()
            .filter(|range| range.there(done) > 0)
            .map(|range| {
                let base = range.extent.base.unwrap_or(0);
                let header = headers::lime(base, range.there(done))?;
                Ok((range.plan.seek - lime::HEADER, header))
            })
            .collect();
    }
    let segments = ranges
        .iter()
        .map(|range| Segment {
            physical: range.extent.base.unwrap_or(0),
            virt: range.extent.base.unwrap_or(0),
            at: range.plan.seek,
            length: range.extent.length,
            stored: range.there(done),
        })
        .collect();
    let header = headers::header_of(source, segments, manifest.note())?;
    Ok(vec![(0, header)])
}
