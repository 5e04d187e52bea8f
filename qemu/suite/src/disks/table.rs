// SPDX-License-Identifier: MIT
//! The table of disks in the documents: limits are what was found, and instructions within [`TOLERANCE`].
//! `RESDUMP_UPDATE_EXPECT=1` writes what was found.

use std::fs;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use host::paths::Paths;
use host::settings;
use labs::bench::grouped;

const DOCUMENT: &str = "docs/results/benchmark.md";

/// How far a count may be from the document's: how many requests one interrupt ends depends on what else the host does,
/// and a disk of QEMU's own on its version.
const TOLERANCE: f64 = 0.3;
/// Instructions for each MiB that the meter cannot tell apart in a dump of 64 MiB.
const ERROR: f64 = 800.0;

/// Largest chunk of a dump.
const CHUNK_MAX: u64 = 64 << 20;

/// Limits of a disk's queue, as the kernel sets them.
#[derive(Debug, PartialEq, Eq)]
pub struct Limits {
    /// `max_sectors_kb`.
    pub now_kib: u64,
    /// `max_hw_sectors_kb`.
    pub hardware_kib: u64,
    /// `max_segments`.
    pub segments: u64,
    /// `max_segment_size`.
    pub segment_bytes: u64,
    /// `nr_requests`.
    pub requests: u64,
    /// `rotational`.
    pub rotational: bool,
}

impl Limits {
    /// Bytes of the largest request from contiguous memory with `max_sectors_kb` at `kib`, and what binds it.
    fn request(&self, kib: u64) -> (u64, &'static str) {
        let by_kib = match kib == self.hardware_kib {
            true => "hardware",
            false => "`max_sectors_kb`",
        };
        let segments = self.segments.saturating_mul(self.segment_bytes);
        let all = [
            (kib.saturating_mul(1024), by_kib),
            (segments, "segments"),
            (CHUNK_MAX, "largest chunk"),
        ];
        let least = all.into_iter().min_by_key(|(bytes, _)| *bytes);
        least.unwrap_or((CHUNK_MAX, "largest chunk"))
    }
}

/// What was found of a disk.
#[derive(Debug)]
pub struct Row {
    /// Its limits.
    pub limits: Limits,
    /// Bytes a request that the dumper asks for.
    pub chunk: u64,
    /// How many it has in flight.
    pub depth: u64,
    /// Instructions for each MiB by the kernel engine.
    pub kernel: f64,
    /// The same by the engine `mmap`.
    pub mmap: f64,
    /// The same by the kernel engine with `--tune`.
    pub tuned: f64,
}

impl Row {
    /// Its cells that repeat.
    fn fixed(&self) -> Vec<String> {
        let limits = &self.limits;
        let said = |(bytes, why): (u64, &str)| format!("{} ({why})", size(bytes));
        let rotational = if limits.rotational { "yes" } else { "no" };
        vec![
            limits.now_kib.to_string(),
            limits.hardware_kib.to_string(),
            format!("{} of {}", limits.segments, size(limits.segment_bytes)),
            limits.requests.to_string(),
            rotational.to_owned(),
            said(limits.request(limits.now_kib)),
            said(limits.request(limits.hardware_kib)),
            format!("{} x {}", size(self.chunk), self.depth),
        ]
    }

    fn counts(&self) -> [f64; 3] {
        [self.kernel, self.mmap, self.tuned]
    }
}

/// `65536` -> `64 KiB`, `11010048` -> `10.5 MiB`.
fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    let unit = |unit: u64, name: &str| {
        let number = (bytes as f64 / unit as f64 * 10.0).round() / 10.0;
        format!("{number} {name}")
    };
    match bytes {
        0..0x10_0000 => unit(KIB, "KiB"),
        0x10_0000..0x4000_0000 => unit(KIB << 10, "MiB"),
        _ => unit(KIB << 20, "GiB"),
    }
}

/// `1234567` -> `1,230,000`: three figures.
fn rounded(count: f64) -> String {
    let unit = 10_f64.powf((count.abs().max(100.0).log10()).floor() - 2.0);
    grouped((count / unit).round() * unit)
}

/// The document's line of a disk must say what was found.
pub fn compare(paths: &Paths, title: &str, row: &Row) -> Result<()> {
    // Tests run side by side.
    static DOCUMENTS: Mutex<()> = Mutex::new(());
    let _alone = DOCUMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let file = paths.root.join(DOCUMENT);
    let text = fs::read_to_string(&file)?;
    let start = format!("| {title} | ");
    let line = text.lines().find(|line| line.starts_with(&start));
    let line = line.with_context(|| format!("{DOCUMENT} has no line of {title}"))?;
    if settings::get().update_expect {
        let counts = row.counts().map(rounded);
        let cells = [&row.fixed()[..], &counts].concat().join(" | ");
        fs::write(&file, text.replace(line, &format!("{start}{cells} |")))?;
        return Ok(());
    }
    differs(line, row).map_or(Ok(()), |what| {
        Err(anyhow::anyhow!(
            "{what}\n{DOCUMENT} says {line}\nand found was {row:?}"
        ))
    })
}

/// What of a line is not as found.
fn differs(line: &str, row: &Row) -> Option<String> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let fixed = row.fixed();
    let parts = cells
        .get(1..)
        .and_then(|cells| cells.split_at_checked(fixed.len()));
    let Some((said, counts)) = parts else {
        return Some(format!("{} cells", cells.len()));
    };
    if said != fixed {
        return Some(format!("not {}", fixed.join(" | ")));
    }
    if counts.len() != row.counts().len() {
        return Some(format!("{} counts", counts.len()));
    }
    counts.iter().zip(row.counts()).find_map(|(cell, now)| {
        let near = |before: f64| (now - before).abs() <= (before * TOLERANCE).max(ERROR);
        let is_near = cell.replace(',', "").parse().is_ok_and(near);
        (!is_near).then(|| format!("{now:.0} instructions per MiB, not {cell}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sata() -> Row {
        Row {
            limits: Limits {
                now_kib: 4096,
                hardware_kib: 32_767,
                segments: 168,
                segment_bytes: 65_536,
                requests: 32,
                rotational: true,
            },
            chunk: 16 << 20,
            depth: 2,
            kernel: 7912.0,
            mmap: 8312.0,
            tuned: 3100.0,
        }
    }

    #[test]
    fn the_smallest_limit_binds() {
        let limits = sata().limits;
        assert_eq!(limits.request(4096), (4 << 20, "`max_sectors_kb`"));
        assert_eq!(limits.request(32_767), (168 << 16, "segments"));
        let card = Limits {
            hardware_kib: 512,
            ..limits
        };
        assert_eq!(card.request(512), (512 << 10, "hardware"));
    }

    #[test]
    fn a_line_is_compared_limits_exactly_and_counts_roughly() {
        let line = "| SATA | 4096 | 32767 | 168 of 64 KiB | 32 | yes | 4 MiB (`max_sectors_kb`) | 10.5 MiB (segments) \
                    | 16 MiB x 2 | 7,910 | 8,310 | 3,100 |";
        assert_eq!(differs(line, &sata()), None);
        assert!(differs(&line.replace("| 32 |", "| 31 |"), &sata()).is_some());
        let dearer = Row {
            kernel: 10_400.0,
            ..sata()
        };
        assert!(differs("| SATA | 4096 |", &sata()).is_some());
        assert!(differs(&line.replace("7,910", "-"), &sata()).is_some());
        let said = differs(line, &dearer).unwrap();
        assert_eq!(said, "10400 instructions per MiB, not 7,910");
    }

    #[test]
    fn counts_have_three_figures() {
        assert_eq!(rounded(7912.4), "7,910");
        assert_eq!(rounded(1_234_567.0), "1,230,000");
        assert_eq!(rounded(98.7), "99");
    }
}
