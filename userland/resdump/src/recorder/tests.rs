// SPDX-License-Identifier: MIT

//! The loop, the files and the index on a host: the ring is memory of the test, and its device writes whenever it is
//! asked where it is.

use std::{
    fs,
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::Path,
    sync::Arc,
};

use resdump_format::recording::{
    layout::segment_name, planner::Event, position::Evidence, proof::Ring,
};

use super::*;
use crate::signals::{Stop, Trigger};

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
            self.pull = u64::MAX;
            self.trigger.pull();
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

    fn wait(&mut self, _: Option<u64>, _: std::time::Duration) -> io::Result<()> {
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
        post: None,
    }
}

/// `None` where the file system of temporary files has no direct I/O.
fn record(fake: &mut Fake, folder: &Path, limits: &Limits) -> Option<Outcome> {
    let (stop, trigger) = (fake.stop.clone(), fake.trigger.clone());
    match run(fake, folder, limits, &stop, &trigger, &mut |_| {}) {
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
fn a_second_run_has_segments_and_an_index_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for run in 0..3 {
        let mut fake = Fake::new(5_000, SEGMENT + 1);
        let Some(outcome) = record(&mut fake, folder.path(), &limits()) else {
            return;
        };
        assert_eq!((outcome.first, outcome.segments), (2 * run, 2));
    }
    let saved = Saved::open(folder.path()).unwrap();
    assert_eq!(saved.runs.len(), 3);
    assert!(saved.runs.iter().all(|(_, run)| saved.fault(run).is_none()));
    fs::remove_file(folder.path().join(segment_name(3))).unwrap();
    assert_eq!(
        saved.fault(&saved.runs[1].1),
        Some(Fault::Segment(segment_name(3)))
    );
}

#[test]
fn a_folder_is_one_runs_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let another = super::files::take(folder.path()).unwrap();
    let refused = super::files::take(folder.path()).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(nix::libc::EBUSY));
    drop(another);
    super::files::take(folder.path()).unwrap();
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
fn an_index_that_is_cut_or_damaged_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new(5_000, SEGMENT + 1);
    if record(&mut fake, folder.path(), &limits()).is_none() {
        return;
    }
    let path = folder.path().join("000000.index");
    let whole = fs::read(&path).unwrap();
    let fault_of = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let saved = Saved::open(folder.path()).unwrap();
        saved.fault(&saved.runs[0].1)
    };
    assert_eq!(fault_of(&whole), None);
    assert_eq!(fault_of(&whole[..whole.len() - 1]), Some(Fault::NotEnded));
    let mut damaged = whole.clone();
    damaged[7] ^= 1;
    assert_eq!(fault_of(&damaged), Some(Fault::Index(0)));
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

/// What is in memory before the trigger is recorded to the byte, and what comes behind it to the block.
#[test]
fn a_trigger_records_what_was_before_it_and_another_one_makes_it_longer() {
    let folder = tempfile::tempdir().unwrap();
    let pre = 20 << 10;
    let limits = Limits {
        history: pre,
        post: Some(40 << 10),
        ..limits()
    };
    let mut fake = Fake::new(4_096, u64::MAX / 2);
    fake.pull = 5 * RING;
    let (stop, trigger) = (fake.stop.clone(), fake.trigger.clone());
    assert!(armed(&mut fake, None, &stop, &trigger).unwrap());
    let at = fake.position;
    // It comes while the first is recorded.
    fake.pull = at + (16 << 10);
    let Some(outcome) = record(&mut fake, folder.path(), &limits) else {
        return;
    };
    let saved = Saved::open(folder.path()).unwrap();
    let (number, run) = &saved.runs[0];
    assert_eq!((*number, saved.fault(run), run.totals().gap), (0, None, 0));
    let origin = run.origin.unwrap();
    // Each look lets the device write a step: two until the run has its begin.
    let begin = at + 2 * 4_096 - pre;
    assert_eq!(origin.begin.wrapping_add(origin.shift), begin);
    let [first, second] = run.triggers[..] else {
        panic!("{:?}", run.triggers);
    };
    assert_eq!(first, pre);
    assert!(second > first && second <= first + (40 << 10));
    assert_eq!(outcome.state.account.recorded, second + (40 << 10));
    let bytes = bytes_at(folder.path(), 0, second + (40 << 10));
    let right = |(offset, byte): (usize, &u8)| *byte == pattern(begin + offset as u64);
    assert!(bytes.iter().enumerate().all(right));
    stop.request();
    assert!(!armed(&mut fake, None, &stop, &trigger).unwrap());
}

/// As after a crash: the device does not write any more, and its ring is full.
#[test]
fn the_last_lap_is_recorded_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new(0, u64::MAX);
    fake.produce(3 * RING + 4_608);
    // What a register that counts no laps says.
    fake.position = 4_608;
    fake.stop.request();
    let (stop, trigger) = (fake.stop.clone(), Trigger::default());
    let mut filled = Filled::new(&mut fake, RING);
    let outcome = match run(
        &mut filled,
        folder.path(),
        &limits(),
        &stop,
        &trigger,
        &mut |_| {},
    ) {
        Ok(outcome) => outcome,
        Err(Refusal::System(_, nix::errno::Errno::EINVAL)) => return,
        Err(refusal) => panic!("{refusal:?}"),
    };
    let account = &outcome.state.account;
    assert_eq!(
        (account.recorded, account.suspect, account.gap),
        (RING, 0, 0)
    );
    let bytes = bytes_at(folder.path(), 0, RING);
    let right = |(offset, byte): (usize, &u8)| *byte == pattern(2 * RING + 4_608 + offset as u64);
    assert!(bytes.iter().enumerate().all(right));
}
