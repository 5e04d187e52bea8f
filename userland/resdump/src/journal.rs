// SPDX-License-Identifier: MIT

//! Keeps the manifest of a dump up to date while it runs, so that a power cut costs no more than
//! what was written since the last checkpoint.

#![forbid(unsafe_code)]

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use nix::errno::Errno;

use crate::{
    codec::digest::Digest,
    error::{Result, errno_of},
    manifest::{self, Manifest},
    output::Record,
};

/// Between two checkpoints, by default: each makes the target durable.
pub const PERIOD: Duration = Duration::from_secs(10);

/// The manifest of a dump that runs.
pub struct Journal {
    record: Record,
    manifest: Manifest,
    period: Duration,
    /// `None`: not before the world ends.
    due: Option<Instant>,
    lost: Option<Errno>,
}

impl Journal {
    /// Puts `manifest` on the disk: from now on it is known that the dump is not complete. There is
    /// a checkpoint every `period`.
    pub fn begin(mut record: Record, mut manifest: Manifest, period: Duration) -> Result<Self> {
        manifest::store(&mut manifest, &mut record, false)?;
        Ok(Self {
            record,
            manifest,
            period,
            due: Instant::now().checked_add(period),
            lost: None,
        })
    }

    /// Nothing is in flight: a checkpoint, if it is time. `sync` makes what was written durable and
    /// says how much of the dump, from its start, is there. There is none after one that failed.
    pub fn at(&mut self, sync: impl FnOnce() -> io::Result<u64>) {
        if self.lost.is_some() || self.due.is_none_or(|due| Instant::now() < due) {
            return;
        }
        match self.sync(sync) {
            Ok(bytes) => {
                self.manifest.bytes = bytes;
                match manifest::store(&mut self.manifest, &mut self.record, false) {
                    Ok(()) => log::info!("checkpoint: {bytes} bytes are durable"),
                    Err(error) => log::warn!("no checkpoint: {error}"),
                }
            }
            Err(error) => log::warn!("no checkpoint: {error}"),
        }
        self.due = Instant::now().checked_add(self.period);
    }

    /// Makes what was written durable, by `sync`, unless that has failed before. The kernel tells a
    /// descriptor of a write-back that failed once: a later sync that works proves nothing.
    pub fn sync<T>(&mut self, sync: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.lost {
            Some(errno) => Err(errno.into()),
            None => sync().inspect_err(|error| self.lost = Some(errno_of(error))),
        }
    }

    /// How what was written could not be made durable.
    pub fn lost(&self) -> Option<Errno> {
        self.lost
    }

    /// Bytes of the dump, from its start, that are known to be durable.
    pub fn durable(&self) -> u64 {
        self.manifest.bytes
    }

    /// The digest of all of it is known.
    pub fn digest(&mut self, digest: Option<Digest>) {
        self.manifest.digest = digest;
    }

    /// The last word, when the data is durable.
    pub fn finish(mut self, complete: impl FnOnce(&mut Manifest)) -> Result<()> {
        complete(&mut self.manifest);
        manifest::store(&mut self.manifest, &mut self.record, true)
    }

    /// There is nothing to describe: no manifest.
    pub fn abandon(self) {
        if let Err(error) = self.record.remove() {
            log::warn!("{error}");
        }
    }

    /// Whether the file with this name, without links, is in the same folder: what was made there before this began has
    /// its name on the disk.
    pub fn is_beside(&self, real: &Path) -> bool {
        self.record.is_beside(real)
    }

    /// Whether `path` names its file.
    pub fn is_at(&self, path: &Path) -> bool {
        self.record.is_at(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.record.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::format::Format,
        manifest::{self, Origin},
    };

    #[test]
    fn a_period_beyond_all_clocks_has_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let record = manifest::claim(&folder.path().join("a.json"), &[], false, "").unwrap();
        let origin = Origin {
            region: "capture".into(),
            base: None,
            offset: 0,
            length: 1,
        };
        let manifest = manifest::begin(origin, Format::Raw, 0, 0);
        let mut journal = Journal::begin(record, manifest, Duration::MAX).unwrap();
        journal.at(|| unreachable!());
    }

    #[test]
    fn a_checkpoint_says_how_much_is_there_and_that_it_is_not_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let origin = Origin {
            region: "capture".into(),
            base: None,
            offset: 0,
            length: 1 << 30,
        };
        let manifest = manifest::begin(origin, Format::Raw, 0, 0);
        let mut journal = Journal::begin(
            manifest::claim(&path, &[], false, "").unwrap(),
            manifest,
            PERIOD,
        )
        .unwrap();
        let load = || manifest::load(&path).unwrap().unwrap();

        journal.at(|| unreachable!());
        assert_eq!(load().bytes, 0, "it is not time yet");
        journal.due = Some(Instant::now());
        journal.at(|| Ok(8192));
        assert_eq!((load().bytes, load().complete), (8192, false));
        journal.due = Some(Instant::now());
        journal.at(|| Err(Errno::EIO.into()));
        assert_eq!(load().bytes, 8192, "what was durable is still");
        assert_eq!(journal.lost(), Some(Errno::EIO));
        journal.due = Some(Instant::now());
        journal.at(|| unreachable!("the kernel would say that it has worked"));
        assert!(journal.sync(|| Ok(())).is_err());
        assert_eq!(journal.durable(), 8192);
        let all = |manifest: &mut Manifest| {
            (manifest.complete, manifest.bytes, manifest.error) = (true, 1 << 30, None);
            manifest.direct = 1 << 30;
        };
        journal.finish(all).unwrap();
        assert!(load().complete);
    }
}
