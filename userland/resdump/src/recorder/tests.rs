// SPDX-License-Identifier: MIT

//! The loop, the files and the index on a host: the ring is memory of the test, and its device writes whenever it is
//! asked where it is.

use std::{
    fs,
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::Path,
    sync::Arc,
};

use crc::{CRC_32_ISCSI, Crc};
use resdump_format::recording::{
    layout::segment_name, planner::Event, position::Evidence, proof::Ring,
};

use super::*;
use crate::signals::{Stop, Trigger};

mod kept;
mod saved;
mod triggers;

const RING: u64 = 64 << 10;
const SEGMENT: u64 = 128 << 10;

/// What belongs at this offset of the stream.
fn pattern(offset: u64) -> u8 {
    ((offset / 251) ^ offset) as u8
}

struct Fake {
    ring: Vec<u8>,
    position: u64,
    /// Bytes that the device writes whenever it is asked.
    step: u64,
    /// Once it is here, it writes so much more at once.
    jump: Option<(u64, u64)>,
    /// Writes fail from here on.
    broken_from: u64,
    stop: Stop,
    trigger: Trigger,
    /// Where the trigger comes.
    pull: u64,
    end: u64,
    /// It takes its time to wait.
    sleeps: bool,
    /// The trigger is the device's own; where one came that was not asked for.
    own: bool,
    pulled: Option<u64>,
    /// Before this position it may write again, and how much it has written at most beyond such a position.
    given: Option<u64>,
    beyond: u64,
    ended: Vec<(usize, io::Result<u32>)>,
}

use std::io;

impl Fake {
    fn new(step: u64, end: u64) -> Self {
        Self {
            ring: vec![0xee; RING as usize],
            position: 0,
            step,
            jump: None,
            broken_from: u64::MAX,
            stop: Stop::default(),
            trigger: Trigger::default(),
            pull: u64::MAX,
            end,
            sleeps: false,
            own: false,
            pulled: None,
            given: None,
            beyond: 0,
            ended: Vec::new(),
        }
    }

    fn produce(&mut self, bytes: u64) {
        for offset in self.position..self.position + bytes {
            self.ring[(offset % RING) as usize] = pattern(offset);
        }
        self.position += bytes;
    }
}

impl Feed for Fake {
    fn position(&mut self) -> nix::Result<resdump_format::recording::position::Sample> {
        let mut more = self.step.min(self.end - self.position.min(self.end));
        if let Some((at, bytes)) = self.jump.filter(|(at, _)| self.position >= *at) {
            log::debug!("from {at}");
            more = bytes;
            self.jump = None;
        }
        self.produce(more);
        if self.position >= self.pull {
            match self.own {
                true => self.pulled = Some(self.pull),
                false => self.trigger.pull(),
            }
            self.pull = u64::MAX;
        }
        if self.position >= self.end {
            self.stop.request();
        }
        Ok(resdump_format::recording::position::Sample {
            bytes: self.position,
            time: self.position,
            breaks: 0,
            evidence: Evidence::Exact,
        })
    }

    fn write(
        &mut self,
        slot: usize,
        memory: u64,
        length: u32,
        file: &Arc<fs::File>,
        offset: u64,
    ) -> io::Result<()> {
        if self.position >= self.broken_from {
            let error = io::Error::from_raw_os_error(nix::libc::EIO);
            self.ended.push((slot, Err(error)));
            return Ok(());
        }
        let bytes = &self.ring[memory as usize..][..length as usize];
        // Not by direct I/O, for which the memory is not aligned.
        let again = format!("/proc/self/fd/{}", file.as_raw_fd());
        fs::File::options()
            .write(true)
            .open(again)?
            .write_all_at(bytes, offset)?;
        self.ended.push((slot, Ok(length)));
        Ok(())
    }

    fn ended(&mut self) -> Option<(usize, io::Result<u32>)> {
        self.ended.pop()
    }

    fn triggered(&mut self) -> Option<u64> {
        self.pulled.take()
    }

    fn consumed(&mut self, position: u64) -> nix::Result<()> {
        let before = self.given.replace(position).unwrap_or(0);
        assert!(before <= position && position <= self.position);
        self.beyond = self.beyond.max(self.position - before);
        Ok(())
    }

    fn wait(&mut self, _: Option<u64>, longest: std::time::Duration) -> io::Result<()> {
        if self.sleeps && self.ended.is_empty() {
            std::thread::sleep(longest);
        }
        Ok(())
    }
}

fn limits() -> Limits {
    Limits {
        ring: Ring {
            size: RING,
            lead: 0,
            lag: 0,
        },
        max_rate: 0,
        bounded: false,
        patience: None,
        // From the first byte on.
        history: RING,
        chunk: 8 << 10,
        depth: 2,
        block: 512,
        segment: SEGMENT,
        gaps: resdump_format::recording::layout::Gaps::Hole,
        max_size: None,
        keep_free: 0,
        duration: None,
        checkpoint: std::time::Duration::from_millis(1),
        keep: None,
        since: None,
        post: None,
    }
}

/// `None` where the file system of temporary files has no direct I/O.
fn record(fake: &mut Fake, folder: &Path, limits: &Limits) -> Option<Outcome> {
    let (stop, trigger) = (fake.stop.clone(), fake.trigger.clone());
    match run(
        fake,
        &take(folder).unwrap(),
        limits,
        &stop,
        &trigger,
        &mut |_| {},
    ) {
        Ok(outcome) => Some(outcome),
        Err(Refusal::System(_, nix::errno::Errno::EINVAL)) => None,
        Err(refusal) => panic!("{refusal:?}"),
    }
}

fn bytes_at(folder: &Path, from: u64, to: u64) -> Vec<u8> {
    (from / SEGMENT..=(to - 1) / SEGMENT)
        .flat_map(|number| {
            let bytes = fs::read(folder.join(segment_name(number))).unwrap();
            let begin = number * SEGMENT;
            let (first, last) = (from.max(begin) - begin, (to - begin).min(SEGMENT));
            bytes[first as usize..last as usize].to_vec()
        })
        .collect()
}

#[test]
fn each_byte_is_in_the_segment_where_its_offset_says() {
    let folder = tempfile::tempdir().unwrap();
    let end = 10 * SEGMENT + 12_345;
    let mut fake = Fake::new(3_000, end);
    let Some(outcome) = record(&mut fake, folder.path(), &limits()) else {
        return;
    };
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.state.account.recorded, end);
    assert_eq!((outcome.first, outcome.segments), (0, 11));
    let all = bytes_at(folder.path(), 0, end);
    assert!(
        all.iter()
            .enumerate()
            .all(|(at, byte)| *byte == pattern(at as u64))
    );
    // No more than was recorded, and no segment that was only prepared.
    let last = fs::metadata(folder.path().join(segment_name(10))).unwrap();
    assert_eq!(last.len(), 12_345);
    assert!(!folder.path().join(segment_name(11)).exists());
    let saved = Saved::open(folder.path()).unwrap();
    let (number, run) = &saved.runs[0];
    assert_eq!((*number, saved.fault(run)), (0, None));
    assert_eq!(run.totals().recorded, end);
}

#[test]
fn lost_bytes_are_a_hole_and_nothing_shifts() {
    let folder = tempfile::tempdir().unwrap();
    let end = 6 * SEGMENT;
    let mut fake = Fake::new(4_096, end);
    fake.jump = Some((SEGMENT, 3 * RING));
    let Some(outcome) = record(&mut fake, folder.path(), &limits()) else {
        return;
    };
    let account = &outcome.state.account;
    // What was there before the jump was written, and the ring was full behind it.
    assert_eq!(account.gap, 2 * RING, "{account:?}");
    assert_eq!(account.recorded + account.suspect + account.gap, end);
    let saved = Saved::open(folder.path()).unwrap();
    let run = &saved.runs[0].1;
    assert_eq!(saved.fault(run), None);
    for part in &run.parts {
        let (from, to) = part.range();
        if let Event::Data { .. } = part {
            let bytes = bytes_at(folder.path(), from, to);
            let right = |(at, byte): (usize, &u8)| *byte == pattern(from + at as u64);
            assert!(bytes.iter().enumerate().all(right), "{part:?}");
        }
    }
}

#[test]
fn times_beyond_all_clocks_never_come() {
    let folder = tempfile::tempdir().unwrap();
    let end = 2 * SEGMENT;
    let limits = Limits {
        checkpoint: std::time::Duration::MAX,
        duration: Some(std::time::Duration::MAX),
        ..limits()
    };
    let Some(outcome) = record(&mut Fake::new(5_000, end), folder.path(), &limits) else {
        return;
    };
    assert_eq!(outcome.state.account.recorded, end);
    let saved = Saved::open(folder.path()).unwrap();
    assert_eq!(saved.fault(&saved.runs[0].1), None);
}

#[test]
fn a_device_that_writes_nothing_leaves_an_index_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new(0, 0);
    if record(&mut fake, folder.path(), &limits()).is_none() {
        return;
    }
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["000000.index"]);
    let saved = Saved::open(folder.path()).unwrap();
    assert_eq!(saved.fault(&saved.runs[0].1), None);
}

#[test]
fn a_recording_that_may_not_grow_ends_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new(4_096, u64::MAX / 2);
    let limits = Limits {
        max_size: Some(SEGMENT + 1_024),
        ..limits()
    };
    let Some(outcome) = record(&mut fake, folder.path(), &limits) else {
        return;
    };
    assert!(outcome.full && outcome.failure.is_none());
    assert_eq!(outcome.state.account.recorded, SEGMENT + 1_024);
    let saved = Saved::open(folder.path()).unwrap();
    assert_eq!(saved.fault(&saved.runs[0].1), None);
}

#[test]
fn a_disk_that_fails_ends_it_and_what_is_not_written_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new(4_096, u64::MAX / 2);
    fake.broken_from = SEGMENT + RING / 2;
    let Some(outcome) = record(&mut fake, folder.path(), &limits()) else {
        return;
    };
    assert_eq!(
        outcome.failure,
        Some(("cannot write", nix::errno::Errno::EIO))
    );
    let account = &outcome.state.account;
    assert!(
        account.gap > 0 && account.gap <= 2 * (8 << 10),
        "{account:?}"
    );
    let saved = Saved::open(folder.path()).unwrap();
    let run = &saved.runs[0].1;
    assert_eq!(saved.fault(run), None);
    assert_eq!(run.totals().gap, account.gap);
}

/// Nothing is written for a device that stands still, once it is known that it does.
#[test]
fn an_idle_recorder_writes_nothing_and_sleeps() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new(0, u64::MAX);
    fake.sleeps = true;
    let limits = Limits {
        duration: Some(std::time::Duration::from_millis(2500)), // a flush is looked at once a second
        checkpoint: std::time::Duration::from_millis(200),
        ..limits()
    };
    let Some(outcome) = record(&mut fake, folder.path(), &limits) else {
        return;
    };
    // The origin, and the end.
    let index = fs::metadata(folder.path().join("000000.index")).unwrap();
    assert_eq!(index.len(), 2 * 4096);
    assert!(outcome.state.wakeups <= 20, "{}", outcome.state.wakeups);
}

/// A device that is played is where the recorder wants it, or where its rate says.
#[test]
fn a_played_device_loses_nothing_that_the_disk_can_take() {
    for rate in [None, Some(8 << 20)] {
        let folder = tempfile::tempdir().unwrap();
        let mut fake = Fake::new(0, u64::MAX);
        let limits = Limits {
            max_size: Some(2 << 20),
            duration: Some(std::time::Duration::from_secs(60)),
            ..limits()
        };
        let (stop, trigger) = (Stop::default(), Trigger::default());
        let mut played = Played::new(&mut fake, rate);
        let taken = take(folder.path()).unwrap();
        let outcome = match run(&mut played, &taken, &limits, &stop, &trigger, &mut |_| {}) {
            Ok(outcome) => outcome,
            Err(Refusal::System(_, nix::errno::Errno::EINVAL)) => return,
            Err(refusal) => panic!("{refusal:?}"),
        };
        assert!(outcome.full && outcome.failure.is_none(), "{outcome:?}");
        if rate.is_none() {
            assert_eq!(outcome.state.account.recorded, 2 << 20);
        }
        let account = &outcome.state.account;
        assert!(account.recorded + account.suspect + account.gap >= 2 << 20);
    }
}

/// Faster than any number that can be counted.
#[test]
fn a_played_device_has_any_rate() {
    for rate in [1, u64::MAX / 2, u64::MAX] {
        let folder = tempfile::tempdir().unwrap();
        let mut fake = Fake::new(0, u64::MAX);
        fake.sleeps = true;
        let limits = Limits {
            duration: Some(std::time::Duration::from_millis(300)),
            ..limits()
        };
        let (stop, trigger) = (Stop::default(), Trigger::default());
        let mut played = Played::new(&mut fake, Some(rate));
        let taken = take(folder.path()).unwrap();
        let outcome = match run(&mut played, &taken, &limits, &stop, &trigger, &mut |_| {}) {
            Ok(outcome) => outcome,
            Err(Refusal::System(_, nix::errno::Errno::EINVAL)) => return,
            Err(refusal) => panic!("{refusal:?}"),
        };
        assert_eq!(outcome.failure, None, "{rate}");
        assert_eq!(outcome.state.account.gap > 0, rate > 1, "{outcome:?}");
    }
}
