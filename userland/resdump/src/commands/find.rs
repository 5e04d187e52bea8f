// SPDX-License-Identifier: MIT

//! `resdump find`: where a word of bytes or text is in a region or a saved file.

use std::{ffi::OsString, io::Write, os::unix::ffi::OsStrExt};

use memchr::memmem::Finder;
use nix::errno::Errno;
use serde::Serialize;

use super::input::InputArgs;
use crate::{
    advice::Doing,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    progress::Progress,
    signals::Stop,
    size,
    source::{self, Extent, Source, digest},
    span::Span,
};

/// Bytes looked at at a time.
const BLOCK: usize = 1 << 20;

/// Most bytes of what is looked for.
const LENGTH_MAX: usize = 64 << 10;

/// Hits that one JSON object lists without --limit.
const JSON_LIMIT: u64 = 1 << 16;

/// Arguments of `find`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Label, node below /dev/resmem, or a saved file or disk
    region: OsString,

    #[command(flatten)]
    pattern: Pattern,

    /// First byte, from the start of the region: 4096, 0x1000, 4K
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    offset: u64,

    /// Number of bytes [default: to the end of the region]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    /// List no more than that; all are counted
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    #[command(flatten)]
    input: InputArgs,

    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

/// What is looked for.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Pattern {
    /// Bytes, two hexadecimal digits each: 7f454c46, or '7f 45 4c 46'
    #[arg(long, value_name = "BYTES", value_parser = parse_hex)]
    hex: Option<Hex>,

    /// Text, as it is
    #[arg(long, value_name = "TEXT")]
    text: Option<OsString>,
}

#[derive(Clone, Debug)]
struct Hex(Vec<u8>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Hit {
    offset: u64,
    /// Physical address, if it is known.
    base: Option<u64>,
}

#[derive(Serialize)]
struct Answer<'a> {
    region: &'a str,
    length: u64,
    count: u64,
    hits: Vec<Hit>,
}

/// Runs `find`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let stop = Stop::on_signals()?;
    let needle = args.pattern.bytes();
    if needle.is_empty() || needle.len() > LENGTH_MAX {
        return Err(Error::new(
            ExitCode::Usage,
            "cannot look for that",
            args.pattern.flag(),
            Errno::EINVAL,
            format!("give 1 to {LENGTH_MAX} bytes"),
        ));
    }
    let source = source::open_any(&args.region, &args.input.how())?;
    let source = &*source;
    let span = Span::new(args.offset, args.length, source.size())?;
    let mut search = Search {
        source,
        finder: Finder::new(needle),
        length: needle.len(),
        stop: &stop,
        progress: Progress::new(span.length, !args.quiet && !console.is_json()),
    };
    let mut hits = Vec::new();
    let mut count = 0;
    let mut result = Ok(());
    if console.is_json() {
        let limit = args.limit.unwrap_or(JSON_LIMIT);
        result = search.all(span, &mut |hit| {
            count += 1;
            if count <= limit {
                hits.push(hit);
            }
            true
        });
    } else {
        let limit = args.limit.unwrap_or(u64::MAX);
        console.text(|out| {
            let mut written = Ok(());
            result = search.all(span, &mut |hit| {
                count += 1;
                if count <= limit {
                    written = line(hit, count == 1, out);
                }
                written.is_ok()
            });
            written
        })?;
    }
    drop(search);
    result?;
    digest::expect(source, &|| stop.requested())?;
    let error = (count == 0).then(|| {
        Error::new(
            ExitCode::Other,
            "not found",
            args.pattern.flag(),
            Errno::ENOENT,
            format!(
                "it is not in the {} bytes of {}",
                span.length,
                source.name()
            ),
        )
    });
    if console.is_json() {
        let answer = Answer {
            region: source.name(),
            length: span.length,
            count,
            hits,
        };
        console.object(&answer, error.as_ref())?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| console.complain(&error)))
}

fn line(hit: Hit, is_first: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if is_first {
        writeln!(out, "{:<10}  ADDRESS", "OFFSET")?;
    }
    match hit.base {
        Some(base) => writeln!(out, "{:010x}  {base:#018x}", hit.offset),
        None => writeln!(out, "{:010x}  unknown", hit.offset),
    }
}

impl Pattern {
    fn bytes(&self) -> &[u8] {
        match (&self.hex, &self.text) {
            (Some(Hex(bytes)), _) => bytes,
            (None, Some(text)) => text.as_bytes(),
            (None, None) => &[],
        }
    }

    fn flag(&self) -> &'static str {
        match self.hex {
            Some(_) => "--hex",
            None => "--text",
        }
    }
}

fn parse_hex(text: &str) -> Result<Hex, String> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_digit(16).map(|digit| digit as u8))
        .collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => {
            let bytes = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]);
            Ok(Hex(bytes.collect()))
        }
        _ => Err("not bytes of two hexadecimal digits each, such as 7f454c46".into()),
    }
}

struct Search<'a> {
    source: &'a dyn Source,
    finder: Finder<'a>,
    length: usize,
    stop: &'a Stop,
    progress: Progress,
}

impl Search<'_> {
    /// Gives all hits in `span` to `take`, those that overlap as well, until that wants no more.
    fn all(&mut self, span: Span, take: &mut dyn FnMut(Hit) -> bool) -> Result<()> {
        for stretch in stretches(&self.source.extents()) {
            let from = stretch.offset.max(span.offset);
            let end = (stretch.offset + stretch.length).min(span.offset + span.length);
            if from < end && !self.stretch(&stretch, from, end, span.offset, take)? {
                break;
            }
        }
        Ok(())
    }

    /// Looks at the bytes from `from` to `end`, which lie side by side in memory; whether to go on.
    fn stretch(
        &mut self,
        stretch: &Extent,
        from: u64,
        end: u64,
        begin: u64,
        take: &mut dyn FnMut(Hit) -> bool,
    ) -> Result<bool> {
        let mut buffer = vec![0; BLOCK.max(2 * self.length)];
        // Bytes at the start of the buffer that were there before: the begin of a hit, perhaps.
        let mut kept = 0;
        let mut at = from;
        while at < end {
            if self.stop.requested() {
                let name = self.source.name();
                return Err(Error::during(
                    Doing::Read,
                    "searched in part",
                    name,
                    Errno::EINTR,
                ));
            }
            let length = (end - at).min((buffer.len() - kept) as u64) as usize;
            self.source.read_at(&mut buffer[kept..kept + length], at)?;
            let bytes = &buffer[..kept + length];
            let first = at - kept as u64;
            let mut start = 0;
            while let Some(found) = self.finder.find(&bytes[start..]) {
                let offset = first + (start + found) as u64;
                let hit = Hit {
                    offset,
                    base: stretch.base.map(|base| base + (offset - stretch.offset)),
                };
                if !take(hit) {
                    return Ok(false);
                }
                start += found + 1;
            }
            let all = kept + length;
            kept = (self.length - 1).min(all);
            buffer.copy_within(all - kept..all, 0);
            at += length as u64;
            self.progress.at(at - begin);
        }
        Ok(true)
    }
}

/// Ranges that follow each other in memory are one.
fn stretches(extents: &[Extent]) -> Vec<Extent> {
    let mut stretches: Vec<Extent> = Vec::new();
    for extent in extents {
        match stretches.last_mut() {
            Some(last)
                if last.base.is_some()
                    && last.base.and_then(|base| base.checked_add(last.length)) == extent.base =>
            {
                last.length += extent.length;
            }
            _ => stretches.push(*extent),
        }
    }
    stretches
}
