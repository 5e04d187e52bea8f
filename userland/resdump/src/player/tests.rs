// SPDX-License-Identifier: MIT

//! The loop and the files on a host: the ring is memory of the test, and its device reads whenever it is asked where it
//! is.

use std::{fs, io, os::fd::AsRawFd, os::unix::fs::FileExt, path::PathBuf, time::Duration};

use nix::errno::Errno;
use resdump_format::recording::{
    position::{Evidence, Sample},
    proof::Ring,
};

use super::*;
use crate::{engine::Moved, recorder::Saved, signals::Stop};

#[path = "../../tests/fixtures/recording.rs"]
mod recording;

use recording::BEGIN;

const RING: u64 = 8192;
const BYTES: u64 = 16_384;

/// A device that reads.
struct Fake {
    ring: Vec<u8>,
    position: u64,
    /// Bytes that it reads whenever it is asked, once so much has been loaded.
    step: u64,
    waits_for: u64,
    loaded: u64,
    /// Once it is here, it reads so much at once.
    jump: Option<(u64, u64)>,
    heard: Vec<u8>,
    /// Loads fail from here on.
    broken_from: u64,
    /// It ends what has no end when it is here.
    stop_at: u64,
    stop: Stop,
    /// Once it is here, it does a lap that is not counted, and stops behind the last byte.
    lost: Option<u64>,
    short: u64,
    end: u64,
    waited: Duration,
    stop_after: Duration,
}

impl Fake {
    fn new() -> Self {
        Self {
            ring: vec![0xee; RING as usize],
            position: 0,
            step: 700,
            waits_for: 4096,
            loaded: 0,
            jump: None,
            heard: Vec::new(),
            broken_from: u64::MAX,
            stop_at: u64::MAX,
            stop: Stop::default(),
            lost: None,
            short: 0,
            end: u64::MAX,
            waited: Duration::ZERO,
            stop_after: Duration::MAX,
        }
    }

    fn read(&mut self, bytes: u64) {
        for position in self.position..self.position + bytes {
            self.heard.push(self.ring[(position % RING) as usize]);
        }
        self.position += bytes;
    }
}

impl Outlet for Fake {
    fn position(&mut self) -> nix::Result<Sample> {
        if self.loaded >= self.waits_for {
            let jump = self.jump.take_if(|(at, _)| self.position >= *at);
            let lost = self.lost.take_if(|at| self.position >= *at);
            let bytes = jump.map_or(self.step, |(_, bytes)| bytes);
            if lost.is_some() {
                self.read(RING);
                (self.short, self.end) = (RING, BYTES);
            }
            self.read(bytes.min(self.end.saturating_sub(self.position)));
        }
        if self.position >= self.stop_at {
            self.stop.request();
        }
        Ok(Sample {
            bytes: self.position - self.short,
            time: self.waited.as_nanos() as u64,
            breaks: u64::from(self.short > 0),
            evidence: Evidence::Exact,
        })
    }

    fn load(&mut self, memory: u64, length: u64, file: &fs::File, offset: u64) -> Moved {
        if self.loaded >= self.broken_from {
            return Moved {
                error: Some(Errno::EIO),
                ..Moved::default()
            };
        }
        let bytes = &mut self.ring[memory as usize..][..length as usize];
        // Not by direct I/O, for which the memory is not aligned.
        let again = format!("/proc/self/fd/{}", file.as_raw_fd());
        let file = fs::File::open(again).unwrap();
        file.read_exact_at(bytes, offset).unwrap();
        self.loaded += length;
        Moved {
            bytes: length,
            direct: length,
            ..Moved::default()
        }
    }

    fn zero(&mut self, memory: u64, length: u64) -> io::Result<()> {
        self.ring[memory as usize..][..length as usize].fill(0);
        self.loaded += length;
        Ok(())
    }

    fn wait(&mut self, _: u64, longest: Duration) -> io::Result<()> {
        self.waited += longest;
        if self.waited >= self.stop_after {
            self.stop.request();
        }
        Ok(())
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let mut bytes: Vec<u8> = (0..BYTES).map(|at| ((at / 251) ^ at) as u8).collect();
    recording::make(&path, &bytes);
    // What was not recorded.
    bytes[12_000..13_000].fill(0);
    Bench {
        _folder: folder,
        path,
        bytes,
    }
}

/// `None` where the file system of temporary files has no direct I/O.
fn play(fake: &mut Fake, bench: &Bench, looped: bool) -> Option<(Outcome, Vec<Underrun>)> {
    let saved = Saved::open(&bench.path).unwrap();
    let range = saved.extent();
    assert_eq!(range, BEGIN..BEGIN + BYTES);
    let mut tape = Tape::new(&saved, range, looped);
    let limits = Limits {
        ring: Ring {
            size: RING,
            lead: 0,
            lag: 0,
        },
        patience: None,
        chunk: 2048,
        block: 512,
        ahead: 0,
    };
    let stop = fake.stop.clone();
    let (mut underruns, mut lost) = (Vec::new(), 0);
    let outcome = run(fake, &mut tape, &limits, &stop, &mut |event| match event {
        Event::Underrun(underrun) => underruns.push(**underrun),
        // As soon as it is known.
        Event::Lost(_) => lost += 1,
        Event::Turn(state) => assert_eq!(state.account.unsure, lost == 1),
    })
    .unwrap();
    assert_eq!(outcome.state.account.unsure, lost == 1);
    match outcome.failure {
        Some(("cannot open a segment", Errno::EINVAL)) => None,
        _ => Some((outcome, underruns)),
    }
}

#[test]
fn the_device_reads_what_was_recorded_and_zeroes_for_what_was_not() {
    let (mut fake, bench) = (Fake::new(), bench());
    let Some((outcome, underruns)) = play(&mut fake, &bench, false) else {
        return;
    };
    assert!(outcome.ended && outcome.failure.is_none() && underruns.is_empty());
    let account = outcome.state.account;
    assert_eq!((account.whole, account.late, account.missed), (BYTES, 0, 0));
    assert_eq!((outcome.start, outcome.state.zeroes), (0, 1000));
    assert_eq!(outcome.state.direct, BYTES - 1000);
    assert!(fake.heard[..BYTES as usize] == bench.bytes);
}

#[test]
fn a_device_that_is_faster_leaves_bytes_behind_that_are_named() {
    let (mut fake, bench) = (Fake::new(), bench());
    fake.jump = Some((3000, 7000));
    let Some((outcome, underruns)) = play(&mut fake, &bench, false) else {
        return;
    };
    assert!(outcome.ended && outcome.state.account.missed > 0);
    assert!(outcome.state.account.headroom.is_none_or(|left| left < 0));
    let mut told = vec![true; BYTES as usize];
    for Underrun { from, to, lap, .. } in &underruns {
        assert_eq!(*lap, 0);
        told[(from - BEGIN) as usize..(to - BEGIN) as usize].fill(false);
    }
    let lost = told.iter().filter(|whole| !**whole).count() as u64;
    let account = outcome.state.account;
    assert_eq!(lost, account.late + account.missed);
    assert_eq!(account.whole + lost, BYTES);
    for (at, whole) in told.into_iter().enumerate() {
        assert!(!whole || fake.heard[at] == bench.bytes[at], "{at}");
    }
    assert!(fake.heard[..BYTES as usize] != bench.bytes);
}

#[test]
fn laps_follow_each_other_until_it_is_stopped() {
    let (mut fake, bench) = (Fake::new(), bench());
    fake.stop_at = 3 * BYTES;
    let Some((outcome, underruns)) = play(&mut fake, &bench, true) else {
        return;
    };
    assert!(!outcome.ended && outcome.failure.is_none() && underruns.is_empty());
    assert!(outcome.state.account.whole >= 3 * BYTES);
    let expected = bench.bytes.iter().cycle();
    assert!(
        fake.heard
            .iter()
            .zip(expected)
            .take(3 * BYTES as usize)
            .all(|(heard, byte)| heard == byte)
    );
}

#[test]
fn an_error_ends_it_with_what_was_there() {
    let (mut fake, bench) = (Fake::new(), bench());
    fake.broken_from = 6000;
    let Some((outcome, _)) = play(&mut fake, &bench, false) else {
        return;
    };
    assert_eq!(outcome.failure, Some(("cannot load", Errno::EIO)));
    assert!(!outcome.ended && outcome.state.account.whole >= 6000);
}

#[test]
fn a_device_whose_count_is_short_and_that_has_stopped_is_not_waited_for() {
    let (mut fake, bench) = (Fake::new(), bench());
    fake.lost = Some(5000);
    let Some((outcome, _)) = play(&mut fake, &bench, false) else {
        return;
    };
    assert!(outcome.stopped && !outcome.ended && outcome.failure.is_none());
    assert!(outcome.state.account.unsure && fake.position == BYTES);
    // It was played until a signal: the device may go on.
    let mut fake = Fake::new();
    (fake.lost, fake.stop_after) = (Some(5000), Duration::from_secs(60));
    let (outcome, _) = play(&mut fake, &bench, true).unwrap();
    assert!(!outcome.stopped && !outcome.ended && outcome.state.account.unsure);
}

#[test]
fn a_signal_ends_it_at_once() {
    let (mut fake, bench) = (Fake::new(), bench());
    fake.stop.request();
    let (outcome, _) = play(&mut fake, &bench, false).unwrap();
    assert!(!outcome.ended && outcome.failure.is_none());
    assert_eq!(outcome.state.account.whole, 0);
}
