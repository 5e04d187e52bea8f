// SPDX-License-Identifier: MIT

//! A device that is played, to try a disk out: memory, writes and files are real, the position is not.

use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use resdump_format::recording::position::{Evidence, Sample};
use tempfile::TempDir;

use super::Feed;
use crate::signals::{AtOnce, at_once};

/// Farther than any device gets.
const FAR: u64 = 1 << 60;

/// A ring whose device is played.
pub struct Played<'a> {
    feed: &'a mut dyn Feed,
    /// Bytes a second; `None`: the device is always where the recorder wants it.
    rate: Option<u64>,
    begun: Instant,
    position: u64,
    /// Where the device of the ring really was last, if that is known.
    real: Option<u64>,
}

impl<'a> Played<'a> {
    /// Writes are those of `feed`. Rate 0 is a device that stands still.
    pub fn new(feed: &'a mut dyn Feed, rate: Option<u64>) -> Self {
        Self {
            feed,
            rate,
            begun: Instant::now(),
            position: 0,
            real: None,
        }
    }

    /// When a device with this rate has written so many bytes.
    fn when(&self, position: u64, rate: u64) -> Option<Instant> {
        let nanoseconds = (u128::from(position) * 1_000_000_000).checked_div(rate.into())?;
        let time = Duration::from_nanos(u64::try_from(nanoseconds).ok()?);
        self.begun.checked_add(time)
    }
}

impl Feed for Played<'_> {
    fn position(&mut self) -> nix::Result<Sample> {
        // The real look costs what it costs.
        self.real = self.feed.position().ok().map(|sample| sample.bytes);
        let time = self.begun.elapsed().as_nanos();
        if let Some(rate) = self.rate {
            let bytes = time * u128::from(rate) / 1_000_000_000;
            self.position = u64::try_from(bytes).unwrap_or(u64::MAX);
        }
        Ok(Sample {
            bytes: self.position,
            time: u64::try_from(time).unwrap_or(u64::MAX),
            breaks: 0,
            evidence: Evidence::Exact,
        })
    }

    fn write(
        &mut self,
        slot: usize,
        memory: u64,
        length: u32,
        file: &Arc<File>,
        offset: u64,
    ) -> io::Result<()> {
        self.feed.write(slot, memory, length, file, offset)
    }

    fn ended(&mut self) -> Option<(usize, io::Result<u32>)> {
        self.feed.ended()
    }

    fn wait(&mut self, position: Option<u64>, longest: Duration) -> io::Result<()> {
        let longest = match (position, self.rate) {
            (Some(position), None) => {
                self.position = self.position.max(position);
                return Ok(());
            }
            (Some(position), Some(rate)) => match self.when(position, rate) {
                Some(when) => longest.min(when.saturating_duration_since(Instant::now())),
                None => longest,
            },
            (None, _) => longest,
        };
        if longest.is_zero() {
            return Ok(());
        }
        // Waits in the kernel as for a device that does not get there.
        let far = position.and(self.real).map(|real| real.saturating_add(FAR));
        self.feed.wait(far, longest)
    }
}

/// A folder to try a disk out in. It is removed with all that is in it, whatever ends the program but a SIGKILL.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _guard: AtOnce,
}

impl Scratch {
    /// Makes one in `folder`.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("resdump-trial-")
            .tempdir_in(folder)?;
        let path = folder.path().to_owned();
        let guard = at_once(move || {
            let _ = fs::remove_dir_all(&path);
        });
        Ok(Self {
            folder,
            _guard: guard,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}
