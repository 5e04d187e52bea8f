// SPDX-License-Identifier: MIT

//! What begins with a trigger, and the last lap after a crash.

use super::*;

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
    let call = armed(&mut fake, &limits, &stop, &trigger).unwrap();
    assert_eq!(call, Call::Trigger(None));
    // What may be wanted later was not given back.
    assert_eq!(fake.given, Some(fake.position - 4_096 - pre));
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
    let call = armed(&mut fake, &limits, &stop, &trigger).unwrap();
    assert_eq!(call, Call::Stop);
}

/// A trigger of the device itself has a place of its own: the recording begins and ends by that.
#[test]
fn a_trigger_of_the_device_is_where_the_device_was() {
    let folder = tempfile::tempdir().unwrap();
    let (pre, post) = (20 << 10, 8 << 10);
    let mut fake = Fake::new(4_096, u64::MAX / 2);
    fake.own = true;
    fake.pull = 5 * RING + 1024;
    let at = fake.pull;
    let (stop, trigger) = (fake.stop.clone(), fake.trigger.clone());
    let armed_as = Limits {
        history: pre,
        post: Some(post),
        ..limits()
    };
    let call = armed(&mut fake, &armed_as, &stop, &trigger).unwrap();
    assert_eq!(call, Call::Trigger(Some(at)));
    let limits = Limits {
        since: Some(at),
        ..armed_as
    };
    let Some(outcome) = record(&mut fake, folder.path(), &limits) else {
        return;
    };
    let saved = Saved::open(folder.path()).unwrap();
    let (_, run) = &saved.runs[0];
    let origin = run.origin.unwrap();
    // The device was further on when the run began.
    assert_eq!(origin.begin.wrapping_add(origin.shift), at - pre);
    assert_eq!(run.triggers, [pre]);
    assert_eq!(outcome.state.account.recorded, pre + post);
    let bytes = bytes_at(folder.path(), 0, pre + post);
    let right = |(offset, byte): (usize, &u8)| *byte == pattern(at - pre + offset as u64);
    assert!(bytes.iter().enumerate().all(right));
}

/// A device with flow control gets back what is proven, all of it, and no byte before that.
#[test]
fn what_is_proven_is_given_back_to_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new(4_096, 4 * RING);
    let Some(outcome) = record(&mut fake, folder.path(), &limits()) else {
        return;
    };
    assert_eq!(outcome.state.account.recorded, 4 * RING);
    assert_eq!(fake.given, Some(4 * RING));
    assert!(fake.beyond > 0 && fake.beyond < RING);
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
