// SPDX-License-Identifier: MIT
//! What the system holds, to be compared between two instants at which the fuzzer holds nothing.

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use resmem::abi;

use super::setting::Setting;

/// Less free memory than that is noise: buffers of others, caches that grow to a size.
const NOISE_KIB: u64 = 2048;
/// The kernel's count of open files is exact to so many a processor.
const NOISE_FILES: u64 = 128;
/// Memory comes back some time after it was freed.
const SETTLE: Duration = Duration::from_secs(30);

/// At one instant.
pub struct Held {
    /// Free memory in KiB, caches dropped.
    pub free: u64,
    files: u64,
}

impl Held {
    /// Looks, and says what must be none by now: pinned pages, mapped frames. Waits for memory to come back to
    /// `least` KiB, as long as that takes a sensible time.
    pub fn look(setting: &Setting, least: u64) -> Result<Self, String> {
        let deadline = Instant::now() + SETTLE;
        loop {
            // Not a word about it in the log.
            let _ = fs::write("/proc/sys/vm/drop_caches", "3");
            shrink();
            let free = field("/proc/meminfo", "MemFree:")?;
            let pinned = pinned()?;
            if (free + NOISE_KIB + setting.kept >= least && pinned == 0)
                || Instant::now() > deadline
            {
                if pinned != 0 {
                    return Err(format!("{pinned} pages are still pinned"));
                }
                mapped(setting)?;
                return Ok(Self {
                    free,
                    files: files()?,
                });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What has been lost since `before`.
    pub fn compare(&self, before: &Self, setting: &Setting) -> Result<(), String> {
        if self.free + NOISE_KIB + setting.kept < before.free {
            return Err(format!(
                "{} KiB of memory did not come back",
                before.free - self.free
            ));
        }
        if self.files > before.files + NOISE_FILES {
            return Err(format!(
                "{} files are open, {} were before",
                self.files, before.files
            ));
        }
        Ok(())
    }
}

/// Has what was freed given back by caches of objects, and by KASAN, which keeps it for a while.
fn shrink() {
    for cache in fs::read_dir("/sys/kernel/slab")
        .into_iter()
        .flatten()
        .flatten()
    {
        let _ = fs::write(cache.path().join("shrink"), "1");
    }
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

fn field(path: &str, name: &str) -> Result<u64, String> {
    let text = read(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("{path} has no {name}"))
}

fn files() -> Result<u64, String> {
    let text = read("/proc/sys/fs/file-nr")?;
    let first = text
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok());
    first.ok_or_else(|| "/proc/sys/fs/file-nr has no number".to_owned())
}

/// Pages that are pinned for I/O.
fn pinned() -> Result<i64, String> {
    let acquired = field("/proc/vmstat", "nr_foll_pin_acquired ")?;
    let released = field("/proc/vmstat", "nr_foll_pin_released ")?;
    Ok(acquired.wrapping_sub(released) as i32 as i64)
}

/// No frame of a region is mapped by any process.
fn mapped(setting: &Setting) -> Result<(), String> {
    let counts =
        fs::File::open("/proc/kpagecount").map_err(|error| format!("/proc/kpagecount: {error}"))?;
    for region in &setting.regions {
        let page = u64::from(region.info.page_size);
        if region.info.flags & abi::REGION_PAGES == 0 {
            continue;
        }
        let first = region.info.base / page;
        let count = (region.info.base + region.info.size).div_ceil(page) - first;
        let mut bytes = vec![0; 8 * count as usize];
        counts
            .read_exact_at(&mut bytes, 8 * first)
            .map_err(|error| format!("/proc/kpagecount: {error}"))?;
        if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
            return Err(format!(
                "page {:#x} of {} is still mapped",
                at / 8,
                region.label
            ));
        }
    }
    Ok(())
}

/// How many uses of the module there are.
pub fn uses() -> Result<u64, String> {
    let text = read("/proc/modules")?;
    let line = text.lines().find(|line| line.starts_with("resmem "));
    let uses = line.and_then(|line| line.split_whitespace().nth(2)?.parse().ok());
    uses.ok_or_else(|| "the module is not loaded".to_owned())
}
