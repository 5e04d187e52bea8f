// SPDX-License-Identifier: MIT

//! What may be loaded when, and how it is judged.

use super::*;
use crate::recording::position::Evidence;

const RING: Ring = Ring {
    size: 1024,
    lead: 10,
    lag: 3,
};

fn at(bytes: u64, breaks: u64) -> Sample {
    Sample {
        bytes,
        time: 0,
        breaks,
        evidence: Evidence::Exact,
    }
}

fn player() -> Player {
    Player::new(RING, (256, 64), &at(0, 0), 0, 4096).unwrap()
}

fn events(player: &mut Player) -> Vec<Event> {
    std::iter::from_fn(|| player.event()).collect()
}

#[test]
fn the_first_byte_is_one_that_the_device_cannot_have_read() {
    assert_eq!(player().start(), 64);
    let ahead = Player::new(RING, (256, 64), &at(1000, 0), 500, 64).unwrap();
    assert_eq!(ahead.start(), 1536);
}

#[test]
fn a_range_is_late_up_to_the_byte_that_the_device_may_have_read() {
    let mut player = player();
    let load = player.next(u64::MAX).unwrap();
    assert_eq!((load.from, load.length, load.memory), (0, 256, 64));
    player.loaded(256);
    player.see(&at(54, 0));
    assert_eq!(events(&mut player), [Event::Whole(0, 256)]);
    player.next(u64::MAX).unwrap();
    player.loaded(256);
    player.see(&at(54 + 256 + 1, 0));
    assert_eq!(
        events(&mut player),
        [Event::Late(256, 257), Event::Whole(257, 512)]
    );
    player.see(&at(54 + 512 + 1, 0));
    assert_eq!(events(&mut player), [Event::Missed(512, 576)]);
}

#[test]
fn nothing_is_overwritten_that_the_device_has_still_to_read() {
    let mut player = player();
    for _ in 0..3 {
        player.next(u64::MAX).unwrap();
        player.loaded(256);
        player.see(&at(0, 0));
    }
    // Up to the end of the ring.
    assert_eq!(player.next(u64::MAX).unwrap().length, 192);
    player.loaded(192);
    player.see(&at(0, 0));
    assert_eq!(player.next(u64::MAX), Err(Step::Wait(256 + 3)));
    player.see(&at(258, 0));
    assert_eq!(player.next(u64::MAX), Err(Step::Wait(256 + 3)));
    player.see(&at(259, 0));
    assert_eq!(player.next(u64::MAX).unwrap().memory, 0);
}

#[test]
fn what_was_loaded_while_the_position_was_lost_is_late() {
    let mut player = player();
    player.next(u64::MAX).unwrap();
    player.loaded(128);
    player.see(&at(0, 1));
    assert_eq!(events(&mut player), [Event::Late(0, 128)]);
    assert!(player.account().unsure && player.at() == 128);
}

#[test]
fn a_device_that_stands_still_has_stopped_only_if_its_position_was_lost() {
    let time = |seconds: u64| seconds * 1_000_000_000;
    let still = |player: &mut Player, bytes, seconds, breaks| {
        player.see(&Sample {
            time: time(seconds),
            ..at(bytes, breaks)
        });
        player.has_stopped()
    };
    let mut player = player();
    assert!(!still(&mut player, 0, 100, 0));
    assert!(!still(&mut player, 0, 101, 1));
    assert!(!still(&mut player, 1, 105, 1));
    assert!(!still(&mut player, 1, 109, 1));
    assert!(still(&mut player, 1, 110, 1));
    assert!(!still(&mut player, 2, 111, 1));
}

#[test]
fn it_ends_when_the_device_has_read_the_last_byte() {
    let mut player = Player::new(RING, (256, 64), &at(0, 0), 0, 100).unwrap();
    assert_eq!(player.next(u64::MAX).unwrap().length, 100);
    player.loaded(100);
    player.see(&at(0, 0));
    assert_eq!(player.next(u64::MAX), Err(Step::Wait(167)));
    player.see(&at(167, 0));
    assert_eq!(player.next(u64::MAX), Err(Step::Ended));
    assert_eq!((player.account().whole, player.account().missed), (100, 0));
}

#[test]
fn what_cannot_be_played_is_refused() {
    let flaw = |ring: Ring, sizes, ahead| {
        Player::new(ring, sizes, &at(0, 0), ahead, 1)
            .map(drop)
            .unwrap_err()
    };
    assert_eq!(flaw(RING, (256, 3), 0), Flaw::Block);
    assert_eq!(flaw(Ring { size: 1000, ..RING }, (256, 64), 0), Flaw::Ring);
    assert_eq!(flaw(Ring { lag: 1014, ..RING }, (256, 64), 0), Flaw::Ring);
    assert_eq!(flaw(RING, (1024, 64), 0), Flaw::Chunk);
    assert_eq!(flaw(RING, (256, 64), 1012), Flaw::Ahead);
}
