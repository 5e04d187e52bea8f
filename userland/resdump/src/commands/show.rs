// SPDX-License-Identifier: MIT

//! `resdump show`: bytes of a region, or of a saved file, as hexadecimal and ASCII.

use std::io::Write;

use nix::errno::Errno;
use serde::Serialize;

use crate::{
    codec::digest,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    hexdump, size,
    source::{self, Source},
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
    /// Label, node below /dev/resmem, or a saved file
    region: String,

    /// First byte, from the start of the region: 4096, 0x1000, 4K
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    offset: u64,

    /// Number of bytes [default: 512, or to the end of the region]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    /// Print physical addresses in place of offsets in the region
    #[arg(long)]
    physical: bool,
}

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
    let source = source::open(&args.region)?;
    let left = source.size().saturating_sub(args.offset);
    let length = args.length.unwrap_or(left.clamp(1, DEFAULT_LENGTH));
    let span = Span::new(args.offset, Some(length), source.size())?;
    let shift = match (args.physical, source.base()) {
        (false, _) => 0,
        (true, Some(base)) => base,
        (true, None) => {
            return Err(Error::new(
                ExitCode::Usage,
                "no physical address",
                source.name(),
                Errno::ENXIO,
                "a saved file has none: leave --physical out",
            ));
        }
    };
    if console.is_json() {
        return json(&*source, span, console);
    }
    let mut failed = Ok(());
    console.text(|out| {
        failed = text(&*source, span, shift, out)?;
        Ok(())
    })?;
    failed.map(|()| ExitCode::Ok)
}

/// Prints line after line. The outer result is that of the output, the inner one of the source.
fn text(
    source: &dyn Source,
    span: Span,
    shift: u64,
    out: &mut dyn Write,
) -> std::io::Result<Result<()>> {
    let mut buffer = [0; BLOCK];
    let mut done = 0;
    while done < span.length {
        let want = (span.length - done).min(BLOCK as u64) as usize;
        let block = &mut buffer[..want];
        let offset = span.offset + done;
        if let Err(error) = source.read_at(block, offset) {
            return Ok(Err(error));
        }
        let mut lines = String::new();
        for (index, bytes) in block.chunks(hexdump::LINE).enumerate() {
            let address = shift + offset + (index * hexdump::LINE) as u64;
            hexdump::line(&mut lines, address, bytes);
        }
        out.write_all(lines.as_bytes())?;
        done += want as u64;
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
                "show at most {} bytes, or use dump",
                size::display(JSON_MAX)
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
    use crate::source::Saved;

    #[test]
    fn a_saved_file_is_shown_across_blocks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("saved");
        let bytes: Vec<u8> = (0..10_000u32).map(|n| (n * 7) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let source = Saved::open(&path).unwrap();
        let span = Span::new(5, Some(9_000), source.size()).unwrap();
        let mut out = Vec::new();
        text(&source, span, 0, &mut out).unwrap().unwrap();

        let mut expected = String::new();
        for (index, line) in bytes[5..9_005].chunks(hexdump::LINE).enumerate() {
            hexdump::line(&mut expected, 5 + 32 * index as u64, line);
        }
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
