// SPDX-License-Identifier: MIT

//! `resdump show`: bytes of a region, or of a saved file, as hexadecimal and ASCII.

use std::{ffi::OsString, io::Write};

use nix::errno::Errno;
use serde::Serialize;

use super::{input::InputArgs, recording};
use crate::{
    codec::digest,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    hexdump, recorder, size,
    source::{self, Extent, Source},
    span::Span,
};

/// Bytes read at a time, a multiple of a line.
const BLOCK: usize = 4096;

/// What is shown without `--length`.
const DEFAULT_LENGTH: u64 = 512;

/// Most bytes that go into one JSON object.
const JSON_MAX: u64 = 1 << 20;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Label, node below /dev/resmem, or a saved file, disk or recording
    region: OsString,

    /// First byte, from the start of the region: 4096, 0x1000, 4K
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    offset: u64,

    /// First byte, by its physical address
    #[arg(long, value_name = "ADDRESS", value_parser = size::parse, conflicts_with = "offset")]
    at: Option<u64>,

    /// Number of bytes [default: 512, or to the end of the region]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    /// Print physical addresses in place of offsets in the region
    #[arg(long)]
    physical: bool,

    /// Print which ranges there are, and no bytes
    #[arg(long, conflicts_with_all = ["at", "offset", "length", "physical"])]
    ranges: bool,

    #[command(flatten)]
    input: InputArgs,
}

/// Most bytes of a saved file whose digest is checked before a few of them are shown.
const CHECKED_MAX: u64 = 16 << 20;

#[derive(Serialize)]
struct Bytes<'a> {
    region: &'a str,
    base: Option<u64>,
    offset: u64,
    length: u64,
    hex: String,
}

/// Runs `show`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    if recorder::Saved::is_one(args.region.as_ref()) {
        return recording::show(args.region.as_ref(), console);
    }
    let source = source::open_any(&args.region, &args.input.how())?;
    let extents = source.extents();
    if source.size() <= CHECKED_MAX {
        source::digest::expect(&*source, &|| false)?;
    } else if !source.seals().is_empty() {
        let name = source.name();
        log::warn!(
            "{name}: it is large, and its digest is not checked: 'resdump verify' does that"
        );
    }
    if args.ranges {
        return ranges(&*source, &extents, console);
    }
    let is_physical = args.physical || args.at.is_some();
    if is_physical && extents.iter().any(|extent| extent.base.is_none()) {
        return Err(Error::new(
            ExitCode::Usage,
            "no physical address",
            source.name(),
            Errno::ENXIO,
            "nothing tells where its bytes were: leave --physical and --at out",
        ));
    }
    let offset = match args.at {
        Some(at) => offset_of(at, &*source, &extents)?,
        None => args.offset,
    };
    let left = source.size().saturating_sub(offset);
    let length = args.length.unwrap_or(left.clamp(1, DEFAULT_LENGTH));
    let span = Span::new(offset, Some(length), source.size())?;
    if console.is_json() {
        return json(&*source, span, console);
    }
    let mut failed = Ok(());
    console.text(|out| {
        failed = text(&*source, span, is_physical, hexdump::bytes_a_line(), out)?;
        Ok(())
    })?;
    failed.map(|()| ExitCode::Ok)
}

/// Where the byte at a physical address is in the source.
fn offset_of(at: u64, source: &dyn Source, extents: &[Extent]) -> Result<u64> {
    let inside = |extent: &&Extent| {
        let after = extent.base.and_then(|base| at.checked_sub(base));
        after.is_some_and(|after| after < extent.length)
    };
    extents
        .iter()
        .find(inside)
        .map(|extent| extent.offset + (at - extent.base.unwrap_or(at)))
        .ok_or_else(|| {
            Error::new(
                ExitCode::Range,
                "no such address",
                format_args!("--at {at:#x}"),
                Errno::ERANGE,
                format!(
                    "'resdump show {} --ranges' says which there are",
                    source.name()
                ),
            )
        })
}

fn ranges(source: &dyn Source, extents: &[Extent], console: &Console) -> Result<ExitCode> {
    if console.is_json() {
        let list: Vec<serde_json::Value> = extents
            .iter()
            .map(|extent| {
                serde_json::json!({"offset": extent.offset, "base": extent.base, "length": extent.length})
            })
            .collect();
        let answer = serde_json::json!({
            "region": source.name(),
            "incomplete": source.incomplete(),
            "ranges": list,
        });
        console.object(&answer, None)?;
        return Ok(ExitCode::Ok);
    }
    console.text(|out| {
        writeln!(out, "{:<10}  {:<18}  SIZE", "OFFSET", "BASE")?;
        for extent in extents {
            let base = extent
                .base
                .map_or_else(|| "unknown".into(), |base| format!("{base:#018x}"));
            let size = size::display(extent.length);
            writeln!(out, "{:010x}  {base:<18}  {size}", extent.offset)?;
        }
        Ok(())
    })?;
    Ok(ExitCode::Ok)
}

/// Prints line after line. The outer result is that of the output, the inner one of the source.
fn text(
    source: &dyn Source,
    span: Span,
    is_physical: bool,
    bytes_a_line: usize,
    out: &mut dyn Write,
) -> std::io::Result<Result<()>> {
    let mut buffer = [0; BLOCK];
    for extent in source.extents() {
        // A line does not go from one range into another.
        let end = (extent.offset + extent.length).min(span.offset + span.length);
        let mut offset = extent.offset.max(span.offset);
        while offset < end {
            let block = &mut buffer[..(end - offset).min(BLOCK as u64) as usize];
            if let Err(error) = source.read_at(block, offset) {
                return Ok(Err(error));
            }
            let address = match extent.base.filter(|_| is_physical) {
                Some(base) => base + (offset - extent.offset),
                None => offset,
            };
            let mut lines = String::new();
            for (index, bytes) in block.chunks(bytes_a_line).enumerate() {
                let address = address.wrapping_add((index * bytes_a_line) as u64);
                hexdump::line(&mut lines, address, bytes, bytes_a_line);
            }
            out.write_all(lines.as_bytes())?;
            offset += block.len() as u64;
        }
    }
    Ok(Ok(()))
}

fn json(source: &dyn Source, span: Span, console: &Console) -> Result<ExitCode> {
    if span.length > JSON_MAX {
        return Err(Error::new(
            ExitCode::Usage,
            "too much for one JSON object",
            format_args!("--length {:#x}", span.length),
            Errno::E2BIG,
            format!(
                "show at most {}, or use dump",
                size::display_bytes(JSON_MAX)
            ),
        ));
    }
    let mut bytes = vec![0; span.length as usize];
    source.read_at(&mut bytes, span.offset)?;
    console.object(
        &Bytes {
            region: source.name(),
            base: source.base(),
            offset: span.offset,
            length: span.length,
            hex: digest::hex(&bytes),
        },
        None,
    )?;
    Ok(ExitCode::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{How, Saved};

    #[test]
    fn a_saved_file_is_shown_across_blocks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("saved");
        let bytes: Vec<u8> = (0..10_000u32).map(|n| (n * 7) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let source = Saved::open(&path, &How::default()).unwrap();
        let span = Span::new(5, Some(9_000), source.size()).unwrap();
        let mut out = Vec::new();
        text(&source, span, false, hexdump::WIDE, &mut out)
            .unwrap()
            .unwrap();

        let mut expected = String::new();
        for (index, line) in bytes[5..9_005].chunks(hexdump::WIDE).enumerate() {
            hexdump::line(&mut expected, 5 + 32 * index as u64, line, hexdump::WIDE);
        }
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
