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
    /// It takes its time to wait.
    sleeps: bool,
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
    let another = take(folder.path()).unwrap();
    let refused = take(folder.path()).unwrap_err();
    assert!(
        matches!(refused, Refusal::System(_, nix::errno::Errno::EBUSY)),
        "{refused:?}"
    );
    drop(another);
    take(folder.path()).unwrap();
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
        &take(folder.path()).unwrap(),
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

/// One that holds the folder and does not handle the signal is left alone: it would end by that.
#[test]
fn a_trigger_goes_to_the_process_that_records_into_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let metadata = fs::metadata(folder.path()).unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    assert!(super::trigger(&metadata).unwrap().is_empty());
    let taken = take(folder.path()).unwrap();
    assert!(super::trigger(&metadata).unwrap().is_empty());
    let trigger = Trigger::on_signal().unwrap();
    assert_eq!(super::trigger(&metadata).unwrap(), [own]);
    // A thread gets it in its time.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !trigger.take() {
        assert!(std::time::Instant::now() < until);
        std::thread::yield_now();
    }
    drop(taken);
    assert!(super::trigger(&metadata).unwrap().is_empty());
    assert!(!trigger.take());
}

/// A trigger of a run that has no end by it is a place in the index.
#[test]
fn a_trigger_during_a_recording_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new(4_096, 4 * RING);
    fake.pull = 2 * RING;
    let Some(outcome) = record(&mut fake, folder.path(), &limits()) else {
        return;
    };
    assert_eq!(outcome.state.account.recorded, 4 * RING);
    let saved = Saved::open(folder.path()).unwrap();
    let [at] = saved.runs[0].1.triggers[..] else {
        panic!("{:?}", saved.runs[0].1.triggers);
    };
    assert!((2 * RING..3 * RING).contains(&at), "{at}");
}

/// Nothing is written for a device that stands still, once it is known that it does.
#[test]
fn an_idle_recorder_writes_nothing_and_sleeps() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new(0, u64::MAX);
    fake.sleeps = true;
    let limits = Limits {
        duration: Some(std::time::Duration::from_millis(300)),
        checkpoint: std::time::Duration::from_millis(20),
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

fn segments(folder: &Path) -> Vec<u64> {
    let mut numbers: Vec<u64> = fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".seg")?.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Every byte that the index of the first run calls whole is right; its parts.
fn parts_are_right(folder: &Path) -> Vec<Event> {
    let saved = Saved::open(folder).unwrap();
    let run = &saved.runs[0].1;
    assert_eq!(saved.fault(run), None);
    for part in &run.parts {
        let (from, to) = part.range();
        if let Event::Data { .. } = part {
            let bytes = bytes_at(folder, from, to);
            let right = |(at, byte): (usize, &u8)| *byte == pattern(from + at as u64);
            assert!(bytes.iter().enumerate().all(right), "{part:?}");
        }
    }
    run.parts.clone()
}

/// Five triggers' worth of laps; the index is written again now and then.
#[test]
fn a_ring_of_segments_keeps_the_last_bytes_and_those_around_a_trigger() {
    let folder = tempfile::tempdir().unwrap();
    let last = 3 * SEGMENT;
    let limits = Limits {
        keep: Some(Keep {
            last,
            around: Some((SEGMENT, SEGMENT / 2)),
            index: 16 << 10,
        }),
        ..limits()
    };
    let end = 40 * SEGMENT + 5_000;
    let mut fake = Fake::new(4_096, end);
    fake.pull = 12 * SEGMENT + SEGMENT / 2;
    let Some(outcome) = record(&mut fake, folder.path(), &limits) else {
        return;
    };
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.state.account.recorded, end);
    let parts = parts_are_right(folder.path());
    let gone = |from, to| Event::Gap {
        from,
        to,
        place: from,
        cause: resdump_format::recording::planner::Cause::Discarded,
    };
    let data = |from, to| Event::Data {
        from,
        to,
        place: from,
    };
    // The trigger was seen within a step of where it came, in segment 12.
    let (pre, post) = (11 * SEGMENT, 13 * SEGMENT);
    let Event::Data { from: kept, .. } = parts[3] else {
        panic!("{parts:?}");
    };
    assert!(
        end - kept >= last && end - kept <= last + 2 * SEGMENT,
        "{kept}"
    );
    let expected = [
        gone(0, pre),
        data(pre, post),
        gone(post, kept),
        data(kept, end),
    ];
    assert_eq!(parts, expected);
    assert_eq!(outcome.discarded, pre + kept - post);
    let kept = kept / SEGMENT..41;
    let there: Vec<u64> = (11..13).chain(kept).collect();
    assert_eq!(segments(folder.path()), there);
    // Not all of some hundred checkpoints.
    let index = fs::metadata(folder.path().join("000000.index")).unwrap();
    assert!(index.len() <= 32 << 10, "{}", index.len());
    let saved = Saved::open(folder.path()).unwrap();
    let [trigger] = saved.runs[0].1.triggers[..] else {
        panic!("{:?}", saved.runs[0].1.triggers);
    };
    assert!((12 * SEGMENT..13 * SEGMENT).contains(&trigger), "{trigger}");
    assert_eq!(saved.extent(), pre..end);
    assert_eq!(saved.discarded(&saved.extent()), kept_gap(&parts));
}

fn kept_gap(parts: &[Event]) -> u64 {
    let (from, to) = parts[2].range();
    to - from
}

/// What is on disk at any time is bounded, and the index on disk never speaks of what is not there.
#[test]
fn a_ring_of_segments_is_bounded_and_truthful_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        keep: Some(Keep {
            last: 4 * SEGMENT,
            around: None,
            index: 16 << 10,
        }),
        ..limits()
    };
    let mut fake = Fake::new(4_096, 60 * SEGMENT);
    let (stop, trigger) = (fake.stop.clone(), fake.trigger.clone());
    let taken = match take(folder.path()) {
        Ok(taken) => taken,
        Err(refusal) => panic!("{refusal:?}"),
    };
    let (mut most, mut looks) = (0, 0);
    let result = run(&mut fake, &taken, &limits, &stop, &trigger, &mut |_| {
        most = most.max(segments(folder.path()).len());
        let index = || fs::read(folder.path().join("000000.index")).unwrap();
        let before = index();
        let saved = Saved::open(folder.path()).unwrap();
        let run = &saved.runs[0].1;
        let fault = saved.fault(run);
        // What goes meanwhile is gone in another index.
        if run.origin.is_some() && index() == before {
            assert!(matches!(fault, None | Some(Fault::NotEnded)), "{fault:?}");
            looks += 1;
        }
    });
    match result {
        Ok(outcome) => assert_eq!(outcome.failure, None),
        Err(Refusal::System(_, nix::errno::Errno::EINVAL)) => return,
        Err(refusal) => panic!("{refusal:?}"),
    }
    // Those that are kept, one in part, the one that is prepared, and those that wait for a flush.
    assert!(most <= 16, "{most}");
    assert!(looks > 10, "{looks}");
    let parts = parts_are_right(folder.path());
    assert_eq!(parts.len(), 2, "{parts:?}");
}
