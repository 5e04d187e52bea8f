// SPDX-License-Identifier: MIT

//! The headers of a dump that is an ELF core.

use nix::errno::Errno;

use crate::{
    codec::format::{
        Format,
        elf::{self, Core, NoFit, Segment},
        machine::{Class, Machine},
    },
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest::Part,
    source::{Extent, Source},
    span::Span,
};

/// Bytes that the note may grow by until it is written: its times.
const SLACK: usize = 64;

/// What has to be known of memory for a core.
fn known(source: &dyn Source) -> Result<(Machine, u64)> {
    let unknown = |what: &'static str, how: &str| {
        Error::new(
            ExitCode::Usage,
            what,
            source.name(),
            Errno::EINVAL,
            format!("nothing tells it: 'resdump convert FILE NEW --to elf' takes {how}"),
        )
    };
    let base = source
        .base()
        .ok_or_else(|| unknown("no physical address", "--base ADDRESS"))?;
    let machine = source
        .machine()
        .ok_or_else(|| unknown("unknown machine", "--machine MACHINE"))?;
    Ok((machine, base))
}

/// Bytes of the headers of a core of `span` of `source`: a multiple of `align`. Fails where address or
/// machine are not known.
pub(super) fn header_bytes(source: &dyn Source, span: Span, align: u64) -> Result<u64> {
    let note = source.manifest(span, Format::Elf, 0).note();
    header_room(source, 1, note.len(), align)
}

/// As [`header_bytes`], of all of a source with several ranges.
pub(super) fn header_bytes_of(source: &dyn Source, ranges: &[Extent], align: u64) -> Result<u64> {
    let span = Span {
        offset: 0,
        length: source.size(),
    };
    let mut manifest = source.manifest(span, Format::Elf, 0);
    // Where they are is not known yet; it has no more digits than that.
    let part = |range: &Extent| Part {
        region: None,
        base: range.base,
        length: range.length,
        data_offset: u64::MAX,
    };
    manifest.set_ranges(ranges.iter().map(part).collect());
    // Their labels are in its name as well, and once more in its ranges.
    let note = manifest.note().len() + source.name().len() + 16 * ranges.len();
    header_room(source, ranges.len(), note, align)
}

fn header_room(source: &dyn Source, ranges: usize, note: usize, align: u64) -> Result<u64> {
    let (machine, _) = known(source)?;
    let wide = Machine {
        class: Class::Bits64,
        ..machine
    };
    let bytes = elf::header_bytes(wide, ranges, note + SLACK);
    Ok(bytes.next_multiple_of(align))
}

/// The headers of a core of `span` of `source`, of which the first `stored` bytes are in the file: all
/// that comes before the first of them, `at` bytes.
pub(super) fn header(source: &dyn Source, span: Span, stored: u64, at: u64) -> Result<Vec<u8>> {
    let (_, base) = known(source)?;
    let physical = base.saturating_add(span.offset);
    let segment = Segment {
        physical,
        virt: physical,
        at,
        length: span.length,
        stored,
    };
    let note = source.manifest(span, Format::Elf, at).note();
    header_of(source, vec![segment], note)
}

/// The headers of a core of `segments` of `source`: all that comes before the first of them.
pub(super) fn header_of(
    source: &dyn Source,
    segments: Vec<Segment>,
    note: Vec<u8>,
) -> Result<Vec<u8>> {
    let (machine, _) = known(source)?;
    let mut core = Core {
        machine,
        segments,
        note,
    };
    if core.fits_32().is_err() {
        core.machine.class = Class::Bits64;
    }
    core.header().map_err(|error: NoFit| {
        Error::new(
            ExitCode::Range,
            "no room in ELF headers",
            source.name(),
            Errno::EOVERFLOW,
            error.to_string(),
        )
    })
}
