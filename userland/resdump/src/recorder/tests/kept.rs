// SPDX-License-Identifier: MIT

//! A ring of segments.

use super::*;

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
