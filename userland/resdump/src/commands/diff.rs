// SPDX-License-Identifier: MIT

//! `resdump diff`: where two dumps, or a dump and a region, differ.

use std::{ffi::OsString, io::Write};

use nix::errno::Errno;
use serde::Serialize;

use super::input::TakeArgs;
use crate::{
    advice::Doing,
    codec::compare,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    progress::Progress,
    signals::Stop,
    size,
    source::{self, Pair, Source, digest},
};

/// Bytes compared at a time.
const BLOCK: u64 = 1 << 20;

/// Ranges that one JSON object lists without --limit.
const JSON_LIMIT: usize = 1 << 16;

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Label, node below /dev/resmem, or a saved file or disk
    one: OsString,

    /// The same
    other: OsString,

    /// Leave out what only one of them has
    #[arg(long)]
    common: bool,

    /// Take differences for one range if no more bytes than that between them are the same
    #[arg(long, value_name = "BYTES", default_value = "0", hide_default_value = true,
          value_parser = size::parse)]
    join: u64,

    /// List no more ranges than that; all are counted
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    take: TakeArgs,

    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

/// A range of bytes that are not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Range {
    /// Which of the two has it: both, if they differ in it.
    has: Has,
    /// First byte, from the start of the one; of the other if only that has it.
    offset: u64,
    /// Physical address of the first byte, if it is known.
    base: Option<u64>,
    length: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Has {
    Both,
    One,
    Other,
}

/// What has been found, and where it goes.
struct Found<'a> {
    join: u64,
    limit: usize,
    /// The last, which may grow.
    open: Option<Range>,
    /// How many there are.
    count: u64,
    /// Bytes in them.
    bytes: u64,
    /// Says whether it wants more.
    list: &'a mut dyn FnMut(Range) -> bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    one: &'a str,
    other: &'a str,
    compared: u64,
    different: u64,
    count: u64,
    ranges: Vec<Range>,
}

/// Runs `diff`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let stop = Stop::on_signals()?;
    let how = args.take.how();
    let one = source::open_any(&args.one, &how)?;
    let other = source::open_any(&args.other, &how)?;
    let (one, other) = (&*one, &*other);
    let pairs = source::common(one, other)?;
    let compared: u64 = pairs.iter().map(|pair| pair.length).sum();
    if compared == 0 && args.common {
        return Err(source::not_comparable(
            one,
            other,
            "they have no bytes in common",
        ));
    }
    let mut progress = Progress::new(compared, !args.quiet && !console.is_json());
    let mut ranges = Vec::new();
    let mut failed = Ok((0, 0));
    let mut all = |limit, list: &mut dyn FnMut(Range) -> bool| {
        let mut found = Found {
            join: args.join,
            limit: args.limit.unwrap_or(limit),
            open: None,
            count: 0,
            bytes: 0,
            list,
        };
        let result = differ(one, other, &pairs, &stop, &mut progress, &mut found).map(|()| {
            if !args.common {
                alone(one, other, &pairs, &mut found);
            }
            found.close();
        });
        failed = result.map(|()| (found.count, found.bytes));
    };
    if console.is_json() {
        all(JSON_LIMIT, &mut |range| {
            ranges.push(range);
            true
        });
    } else {
        console.text(|out| {
            let mut written = Ok(());
            let mut has_head = false;
            all(usize::MAX, &mut |range| {
                if !has_head {
                    written = head(out);
                    has_head = true;
                }
                if written.is_ok() {
                    written = line(range, one, other, out);
                }
                written.is_ok()
            });
            written
        })?;
    }
    drop(progress);
    let (count, different) = failed?;
    for source in [one, other] {
        digest::expect(source, &|| stop.requested())?;
    }
    let error = (count > 0).then(|| {
        Error::new(
            ExitCode::Mismatch,
            "dumps differ",
            format_args!("{} and {}", one.name(), other.name()),
            Errno::EBADMSG,
            format!("{different} bytes in {count} ranges, {compared} were compared"),
        )
    });
    if console.is_json() {
        let answer = Answer {
            one: one.name(),
            other: other.name(),
            compared,
            different,
            count,
            ranges,
        };
        console.object(&answer, error.as_ref())?;
    } else if error.is_none() {
        console.text(|out| writeln!(out, "{compared} bytes, the same"))?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| console.complain(&error)))
}

fn head(out: &mut dyn Write) -> std::io::Result<()> {
    let (first, last) = ("FIRST", "LAST");
    writeln!(out, "{first:<18}  {last:<18}  {:<10}  WHAT", "BYTES")
}

fn line(
    range: Range,
    one: &dyn Source,
    other: &dyn Source,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let first = range.base.unwrap_or(range.offset);
    let last = first + (range.length - 1);
    let length = range.length;
    write!(out, "{first:#018x}  {last:#018x}  {length:<10}  ")?;
    match range.has {
        Has::Both => writeln!(out, "differs"),
        Has::One => writeln!(out, "only in {}", one.name()),
        Has::Other => writeln!(out, "only in {}", other.name()),
    }
}

impl Found<'_> {
    /// Takes a range; whether more are wanted.
    fn add(&mut self, range: Range) -> bool {
        if let Some(open) = &mut self.open
            && open.has == range.has
            && let Some(between) = range.offset.checked_sub(open.offset + open.length)
            && between <= self.join
            && open.base.zip(range.base).is_none_or(|(open_base, base)| {
                base.wrapping_sub(open_base) == range.offset - open.offset
            })
        {
            open.length = range.offset + range.length - open.offset;
            return true;
        }
        let wanted = self.close();
        self.open = Some(range);
        wanted
    }

    fn close(&mut self) -> bool {
        let Some(range) = self.open.take() else {
            return true;
        };
        self.count += 1;
        self.bytes += range.length;
        self.count > self.limit as u64 || (self.list)(range)
    }
}

/// What both have and differ in.
fn differ(
    one: &dyn Source,
    other: &dyn Source,
    pairs: &[Pair],
    stop: &Stop,
    progress: &mut Progress,
    found: &mut Found<'_>,
) -> Result<()> {
    let (mut mine, mut its) = (vec![0; BLOCK as usize], vec![0; BLOCK as usize]);
    let mut before = 0;
    for pair in pairs {
        let mut done = 0;
        while done < pair.length {
            if stop.requested() {
                let (what, name) = ("compared in part", one.name());
                return Err(Error::during(Doing::Read, what, name, Errno::EINTR));
            }
            let length = (pair.length - done).min(BLOCK) as usize;
            let (mine, its) = (&mut mine[..length], &mut its[..length]);
            one.read_at(mine, pair.mine + done)?;
            other.read_at(its, pair.other + done)?;
            let wanted = compare::runs(mine, its, &mut |at, length| {
                let range = Range {
                    has: Has::Both,
                    offset: pair.mine + done + at,
                    base: pair.base.map(|base| base + done + at),
                    length,
                };
                Ok::<bool, Error>(found.add(range))
            })?;
            if !wanted {
                return Ok(());
            }
            done += length as u64;
            progress.at(before + done);
        }
        before += pair.length;
    }
    Ok(())
}

/// What only one has.
fn alone(one: &dyn Source, other: &dyn Source, pairs: &[Pair], found: &mut Found<'_>) {
    // A disk continues behind what was dumped to it.
    if !one.place().is_disk {
        let mine = pairs.iter().map(|pair| (pair.mine, pair.length)).collect();
        rest(one, mine, Has::One, found);
    }
    if !other.place().is_disk {
        let its = pairs.iter().map(|pair| (pair.other, pair.length)).collect();
        rest(other, its, Has::Other, found);
    }
}

/// What of `source` is not in `covered`.
fn rest(source: &dyn Source, mut covered: Vec<(u64, u64)>, has: Has, found: &mut Found<'_>) {
    covered.sort_unstable();
    for extent in source.extents() {
        let end = extent.offset + extent.length;
        let mut at = extent.offset;
        let mut add = |from: u64, to: u64| {
            from >= to
                || found.add(Range {
                    has,
                    offset: from,
                    base: extent.base.map(|base| base + (from - extent.offset)),
                    length: to - from,
                })
        };
        for (start, length) in &covered {
            if *start >= end {
                break;
            }
            if start + length <= at {
                continue;
            }
            add(at, *start);
            at = at.max(start + length);
        }
        if !add(at, end) {
            return;
        }
    }
}
