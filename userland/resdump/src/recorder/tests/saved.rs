// SPDX-License-Identifier: MIT

//! Runs in one folder, and what is left of a damaged one.

use resdump_format::recording::layout::index_name;

use super::*;
use crate::recorder::saved::numbers;

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
    let saved = Saved::open(folder.path()).unwrap();
    assert_eq!(
        saved.fault(&saved.runs[1].1),
        Some(Fault::Segment(segment_name(3)))
    );
}

/// Whatever the sizes of their segments.
#[test]
fn no_two_runs_have_the_same_offsets() {
    let folder = tempfile::tempdir().unwrap();
    for (segment, lost) in [(SEGMENT, 0), (SEGMENT / 8, 4 * RING), (SEGMENT / 2, 0)] {
        let mut fake = Fake::new(5_000, 3 * SEGMENT + 1);
        // What is lost at the end has no place on disk.
        fake.jump = (lost > 0).then_some((3 * SEGMENT - 10_000, lost));
        let limits = Limits {
            segment,
            ..limits()
        };
        if record(&mut fake, folder.path(), &limits).is_none() {
            return;
        }
        // A run that lost its power before its first checkpoint.
        let number = numbers(folder.path(), ".seg").unwrap().last().unwrap() + 1;
        fs::write(folder.path().join(index_name(number)), "").unwrap();
        fs::write(folder.path().join(segment_name(number)), "").unwrap();
    }
    for number in numbers(folder.path(), ".index").unwrap() {
        let index = folder.path().join(index_name(number));
        if fs::metadata(&index).unwrap().len() == 0 {
            fs::remove_file(index).unwrap();
        }
    }
    let saved = Saved::open(folder.path()).unwrap();
    let mut end = 0;
    for (number, run) in &saved.runs {
        assert_eq!(saved.fault(run), None, "{number}");
        let (from, to) = (run.parts[0].range().0, run.parts.last().unwrap().range().1);
        assert!(from >= end, "{number}: {from:#x} < {end:#x}");
        end = to;
    }
    assert_eq!(saved.runs.len(), 3);
}

#[test]
fn a_folder_with_another_programs_index_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("000007.index");
    fs::write(&index, "1 2 3\n").unwrap();
    let refused = take(folder.path()).unwrap_err();
    assert!(
        matches!(&refused, Refusal::Foreign(name) if name == "000007.index"),
        "{refused:?}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // One that a power cut has left before the first checkpoint is a recorder's.
    fs::write(&index, "").unwrap();
    take(folder.path()).unwrap();
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
    assert_eq!(fault_of(&damaged), Some(Fault::Foreign));
    assert_eq!(fault_of(b"hi\n"), Some(Fault::Foreign));
    // What a power cut leaves before the first checkpoint.
    for nothing in [&[][..], &[0; 4096]] {
        assert_eq!(fault_of(nothing), Some(Fault::NotEnded));
    }
    let mut newer = whole.clone();
    newer[5] += 1;
    let checksum = Crc::<u32>::new(&CRC_32_ISCSI).checksum(&newer[4..128]);
    newer[..4].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(fault_of(&newer), Some(Fault::Newer(2)));
}
