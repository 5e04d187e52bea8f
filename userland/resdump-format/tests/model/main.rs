// SPDX-License-Identifier: MIT
//! The recorder's own code against a model of memory, device and disk in which each byte says which byte of the
//! stream it is. A run is named by its seed.

mod device;
mod disk;
mod world;

use fastrand::Rng;
use resdump_format::recording::{
    layout::{Gaps, Layout},
    planner::{Event, Planner},
    summary::Summary,
};
use world::{Cheat, World};

const RUNS: u64 = 10_000;

fn run(seed: u64, cheat: Cheat) -> (World, Planner) {
    let mut world = World::new(seed, cheat);
    let bytes = world.device.shape.ring * world.rng.u64(1..12);
    // All that is in the ring, or nothing of it.
    let history = match world.rng.u8(0..3) {
        0 => world.device.shape.ring,
        _ => 0,
    };
    let planner = world.record(history, bytes);
    if world.error.is_none() {
        world.check_index(&planner);
    }
    (world, planner)
}

#[test]
fn no_byte_is_called_whole_that_is_not_and_each_is_accounted_for() {
    let (mut recorded, mut suspect, mut gap, mut unknown) = (0, 0, 0, 0);
    for seed in 0..RUNS {
        let (world, planner) = run(seed, Cheat::None);
        if let Some(error) = world.error {
            panic!(
                "seed {seed}: {error}\n{:?} {:?}",
                world.device.shape, world.layout
            );
        }
        let account = planner.account();
        recorded += account.recorded;
        suspect += account.suspect;
        gap += account.gap;
        unknown += u64::from(account.at_least);
    }
    // The runs are of every sort.
    println!(
        "{RUNS} runs: {recorded} bytes recorded, {suspect} suspect, {gap} lost, {unknown} breaks"
    );
    assert!(recorded > suspect && suspect > 1_000_000 && gap > 1_000_000 && unknown > 100);
}

/// How many runs it takes to find a recorder out.
fn caught_after(cheat: Cheat) -> u64 {
    (0..RUNS)
        .find(|seed| run(*seed, cheat).0.error.is_some())
        .unwrap_or_else(|| panic!("{cheat:?} is not noticed"))
}

#[test]
fn a_recorder_that_does_not_look_again_is_caught() {
    assert!(caught_after(Cheat::NoSecondLook) < 100);
}

#[test]
fn a_recorder_that_looks_before_the_disk_has_finished_is_caught() {
    assert!(caught_after(Cheat::LookTooEarly) < 100);
}

#[test]
fn a_recorder_that_ignores_the_lead_is_caught() {
    assert!(caught_after(Cheat::LeadIgnored) < 100);
}

/// A disk of twice the device's rate, and a ring of `chunks` chunks.
fn steady(seed: u64, chunks: u64) -> World {
    let mut rng = Rng::with_seed(seed);
    let block = 64;
    let mut device = device::Device::new(&mut rng, block, 1);
    let slack = device.shape.lead + device.shape.lag;
    let chunk = ((device.shape.ring - slack) / chunks / block).max(1) * block;
    let layout = Layout {
        chunk,
        block,
        segment: 16 * chunk,
        depth: 2,
        gaps: Gaps::Hole,
    };
    device.rate = (chunk / 64).clamp(1, device.rate);
    device.shape.max_rate = 2 * device.rate * (1_000_000_000 / device::TICK);
    let disk = disk::Disk::new(2 * device.rate, layout.segment);
    World::with(rng, device, disk, layout, Cheat::None)
}

#[test]
fn a_disk_that_is_fast_enough_loses_nothing() {
    let mut runs = 0;
    for seed in 0..300 {
        let mut world = steady(seed, 6);
        let ring = world.device.shape.ring;
        if ring / world.layout.chunk < 6 {
            continue;
        }
        world.on_time = true;
        let planner = world.record(0, 20 * ring);
        let account = planner.account();
        let told = format!("seed {seed}: {:?} {:?}", world.device.shape, world.layout);
        assert_eq!(
            (account.suspect, account.gap),
            (0, 0),
            "{told} {account:?} {}",
            world.device.rate
        );
        assert_eq!(world.error, None, "seed {seed}");
        runs += 1;
    }
    assert!(runs > 100, "{runs}");
}

/// The disk stands still from the begin on, for a time in which the device writes some chunks.
fn lost_by_a_stall(seed: u64, chunks: u64) -> Option<u64> {
    let mut world = steady(seed, 6);
    if world.device.shape.ring / world.layout.chunk < 6 {
        return None;
    }
    world.on_time = true;
    let ticks = chunks * world.layout.chunk / world.device.rate;
    world.disk.stall(ticks as u32);
    let planner = world.record(0, 20 * world.device.shape.ring);
    assert_eq!(world.error, None, "seed {seed}");
    Some(planner.account().suspect + planner.account().gap)
}

#[test]
fn a_stall_loses_nothing_as_long_as_the_ring_can_hold_it() {
    let short: Vec<u64> = (0..300)
        .filter_map(|seed| lost_by_a_stall(seed, 3))
        .collect();
    assert!(
        short.len() > 100 && short.iter().all(|lost| *lost == 0),
        "{short:?}"
    );
    let long: Vec<u64> = (0..300)
        .filter_map(|seed| lost_by_a_stall(seed, 24))
        .collect();
    assert!(long.iter().all(|lost| *lost > 0), "{long:?}");
}

/// Each segment takes one chunk: every byte is in the segment and at the offset that the planner has said.
#[test]
fn ten_thousand_rotations_lose_nothing() {
    let mut world = steady(1, 6);
    world.on_time = true;
    world.layout.segment = world.layout.chunk;
    world.disk.segment = world.layout.segment;
    let planner = world.record(0, 10_002 * world.layout.segment);
    let account = planner.account();
    assert_eq!(world.error, None);
    assert_eq!((account.suspect, account.gap), (0, 0), "{account:?}");
    assert!(account.recorded >= 10_000 * world.layout.segment);
}

#[test]
fn an_index_that_is_cut_or_damaged_says_nothing_that_is_not_so() {
    for seed in 0..300 {
        let (world, _) = run(seed, Cheat::None);
        let whole = Summary::read(&*world.bytes).unwrap();
        let mut rng = Rng::with_seed(seed);
        let mut bytes = world.bytes.clone();
        match rng.u8(0..3) {
            0 => bytes.truncate(rng.usize(0..bytes.len())),
            1 => {
                let at = rng.usize(0..bytes.len());
                bytes[at] ^= 1 << rng.u8(0..8);
            }
            // Blocks of an earlier file.
            _ => {
                let (other, _) = run(seed + 1, Cheat::None);
                let at = rng.usize(128..=bytes.len()) / 128 * 128;
                bytes.truncate(at);
                bytes.extend(other.bytes.get(at..).unwrap_or_default());
            }
        }
        let cut = Summary::read(&*bytes).unwrap();
        let covered = |event: &Event| {
            let (from, to) = event.range();
            whole.parts.iter().any(|part| {
                let (begin, end) = part.range();
                std::mem::discriminant(part) == std::mem::discriminant(event)
                    && begin <= from
                    && to <= end
            })
        };
        assert!(cut.parts.iter().all(covered), "seed {seed}");
        assert!(!cut.ended || cut.parts == whole.parts, "seed {seed}");
    }
}
