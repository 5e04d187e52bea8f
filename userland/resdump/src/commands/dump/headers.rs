// SPDX-License-Identifier: MIT

//! The headers of a dump that is an ELF core or a LiME file.

use nix::errno::Errno;

use crate::{
    codec::format::{
        Format,
        elf::{self, Core, NoFit, Segment},
        lime,
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

fn unknown(what: &'static str, source: &dyn Source, format: Format, how: &str) -> Error {
    let format = format.as_str();
    Error::new(
        ExitCode::Usage,
        what,
        source.name(),
        Errno::EINVAL,
        format!("nothing tells it: 'resdump convert FILE NEW --to {format} {how}' says it"),
    )
}

/// Where in memory the first byte of `source` is, which `format` has to say.
fn base_of(source: &dyn Source, format: Format) -> Result<u64> {
    source
        .base()
        .ok_or_else(|| unknown("no physical address", source, format, "--base ADDRESS"))
}

/// What has to be known of memory for a core.
fn known(source: &dyn Source) -> Result<(Machine, u64)> {
    let base = base_of(source, Format::Elf)?;
    let machine = source
        .machine()
        .ok_or_else(|| unknown("unknown machine", source, Format::Elf, "--machine MACHINE"))?;
    Ok((machine, base))
}

/// Bytes of the headers of a dump of `span` of `source`. Those of a core are a multiple of `align`. Fails
/// where the format has to say what is not known.
pub(super) fn bytes(source: &dyn Source, span: Span, format: Format, align: u64) -> Result<u64> {
    match format {
        Format::Raw => Ok(0),
        Format::Lime => base_of(source, format).map(|_| lime::HEADER),
        Format::Elf => header_bytes(source, span, align),
    }
}

/// The headers of a dump of `span` of `source`, of which the first `stored` bytes are in the file: all
/// that comes before the first of them, `at` bytes. Nothing for a raw file.
pub(super) fn of(
    source: &dyn Source,
    span: Span,
    format: Format,
    stored: u64,
    at: u64,
) -> Result<Vec<u8>> {
    match format {
        Format::Raw => Ok(Vec::new()),
        Format::Lime => {
            let base = base_of(source, format)?;
            lime(base.saturating_add(span.offset), stored)
        }
        Format::Elf => header(source, span, stored, at),
    }
}

/// LiME's header of `length` bytes of memory from `base` on.
pub(in crate::commands) fn lime(base: u64, length: u64) -> Result<Vec<u8>> {
    lime::header(base, length).ok_or_else(|| {
        Error::new(
            ExitCode::Range,
            "no such range",
            format_args!("--base {base:#x}"),
            Errno::ERANGE,
            "LiME has no range that is empty or leaves 64 bits",
        )
    })
}

/// Bytes of the headers of a core of `span` of `source`: a multiple of `align`. Fails where address or
/// machine are not known.
fn header_bytes(source: &dyn Source, span: Span, align: u64) -> Result<u64> {
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
fn header(source: &dyn Source, span: Span, stored: u64, at: u64) -> Result<Vec<u8>> {
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
