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
    source::Source,
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
    let (machine, _) = known(source)?;
    let wide = Machine {
        class: Class::Bits64,
        ..machine
    };
    let note = source.manifest(span, Format::Elf, 0).note();
    let bytes = elf::header_bytes(wide, 1, note.len() + SLACK);
    Ok(bytes.next_multiple_of(align))
}

/// The headers of a core of `span` of `source`, of which the first `stored` bytes are in the file: all
/// that comes before the first of them, `at` bytes.
pub(super) fn header(source: &dyn Source, span: Span, stored: u64, at: u64) -> Result<Vec<u8>> {
    let (machine, base) = known(source)?;
    let physical = base.saturating_add(span.offset);
    let mut core = Core {
        machine,
        segments: vec![Segment {
            physical,
            virt: physical,
            at,
            length: span.length,
            stored,
        }],
        note: source.manifest(span, Format::Elf, at).note(),
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
