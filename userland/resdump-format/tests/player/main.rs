// SPDX-License-Identifier: MIT
//! The player's own code against a model of disk, ring and a device that reads, in which each byte says which byte of
//! what is played it is. A run is named by its seed.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use fastrand::Rng;
use resdump_format::recording::{
    player::{self, Account, Deck, Event, Load, Player, STILL, Step},
    position::{Evidence, Sample},
    proof::Ring,
};

const RUNS: u64 = 10_000;

/// Of the model's clock.
const TICK: Duration = Duration::from_millis(1);
/// A player looks again at the latest.
const LONGEST: u64 = 1000;

/// A player that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cheat {
    None,
    /// What was loaded is judged by the position that it was begun by.
    NoSecondLook,
    /// The device's promise to have read is taken for more than it is.
    LagIgnored,
    /// And what it may have fetched for less.
    LeadIgnored,
}

struct World {
    rng: Rng,
    cheat: Cheat,
    ring: Ring,
    chunk: u64,
    block: u64,
    /// For each byte of the ring, which byte of what is played it is.
    memory: Vec<u64>,
    /// The position at which the first byte is read.
    start: u64,
    /// How far the device is, in its own count and as it says.
    front: u64,
    said: u64,
    breaks: u64,
    ticks: u64,
    /// It stops here.
    stop: u64,
    /// Bytes that the count is short of what it says.
    short: u64,
    /// Bytes that it has passed and not fetched yet: for each position when it does.
    owed: Vec<u64>,
    /// What it has read at each position.
    seen: HashMap<u64, u64>,
    /// Bytes a tick, of both.
    rate: u64,
    speed: u64,
    last: Sample,
    /// Nothing is late but by this.
    doubtful: bool,
    /// What was promised: positions at which the device reads these bytes.
    whole: Vec<(u64, u64)>,
    accounted: u64,
    error: Option<String>,
}

impl World {
    fn new(seed: u64, cheat: Cheat) -> Self {
        let mut rng = Rng::with_seed(seed);
        let block = 1 << rng.u32(3..7);
        let size = block * rng.u64(16..65);
        let slack = |rng: &mut Rng| match rng.u8(0..3) {
            0 => 0,
            _ => rng.u64(0..=size / 8),
        };
        let ring = Ring {
            size,
            lead: slack(&mut rng),
            lag: slack(&mut rng),
        };
        let most = (size - ring.lead - ring.lag) / block;
        let front = rng.u64(0..3 * size);
        let rate = rng.u64(1..=size / 16);
        let mut world = Self {
            chunk: rng.u64(1..=most.div_ceil(2)) * block,
            block,
            memory: vec![u64::MAX; size as usize],
            start: 0,
            front,
            said: front,
            breaks: 0,
            ticks: 0,
            stop: u64::MAX,
            short: 0,
            owed: Vec::new(),
            seen: HashMap::new(),
            rate,
            // From too slow to much faster.
            speed: (rate * rng.u64(5..40) / 10).max(1),
            last: Sample {
                bytes: front,
                time: 0,
                breaks: 0,
                evidence: Evidence::Exact,
            },
            doubtful: false,
            whole: Vec::new(),
            accounted: 0,
            error: None,
            rng,
            cheat,
            ring,
        };
        world.say();
        world.last = world.sample();
        world
    }

    /// What it says is at most `lead` less than what it has read, and at most `lag` more than what it has read all of.
    fn say(&mut self) {
        let least = self.front.saturating_sub(self.ring.lead);
        let oldest = self.owed.iter().min().copied().unwrap_or(self.front);
        let most = self.front.min(oldest + self.ring.lag);
        if least <= most {
            self.said = self.said.max(self.rng.u64(least..=most));
        }
    }

    fn sample(&self) -> Sample {
        Sample {
            bytes: self.said - self.short,
            time: self.ticks * TICK.as_nanos() as u64,
            breaks: self.breaks,
            ..self.last
        }
    }

    fn fetch(&mut self, position: u64) {
        let place = (position % self.ring.size) as usize;
        self.seen.insert(position, self.memory[place]);
    }

    fn tick(&mut self) {
        self.ticks += 1;
        if self.rng.u8(0..8) == 0 {
            return;
        }
        for _ in 0..self.rng.u64(0..=self.rate) {
            if self.front >= self.stop {
                return;
            }
            let oldest = self.owed.iter().min().copied().unwrap_or(self.front);
            // Some come later, as many as it may say that it has read and has not.
            if self.ring.lag > 0 && self.front + 1 - oldest < self.ring.lag && self.rng.bool() {
                self.owed.push(self.front);
            } else {
                self.fetch(self.front);
            }
            self.front += 1;
            while let Some(index) = self
                .owed
                .iter()
                .position(|at| self.front - at + 1 >= self.ring.lag)
            {
                let at = self.owed.swap_remove(index);
                self.fetch(at);
            }
            // It must have said so before it is farther than that.
            if self.front > self.said + self.ring.lead || self.rng.u8(0..16) == 0 {
                self.say();
                self.said = self.said.max(self.front.saturating_sub(self.ring.lead));
            }
        }
    }

    fn wrong(&mut self, what: String) {
        self.error.get_or_insert(what);
    }

    /// Of what is played to the device as it is now.
    fn player(&mut self, length: u64) -> Player {
        let ring = Ring {
            lead: match self.cheat {
                Cheat::LeadIgnored => 0,
                _ => self.ring.lead,
            },
            lag: match self.cheat {
                Cheat::LagIgnored => 0,
                _ => self.ring.lag,
            },
            ..self.ring
        };
        let ahead = self.rng.u64(0..=ring.size - ring.lead - ring.lag);
        let player = Player::new(ring, (self.chunk, self.block), &self.last, ahead, length)
            .expect("a ring that fits");
        self.start = player.start();
        player
    }

    /// Lets the device run until it is at `position` by its count, and no longer than a player waits.
    fn wait(&mut self, position: u64) {
        for _ in 0..LONGEST {
            if self.sample().bytes >= position {
                return;
            }
            self.tick();
            self.say();
        }
    }

    fn play(&mut self, length: u64) -> Account {
        let mut player = self.player(length);
        let mut waits = 0;
        loop {
            if self.rng.u8(0..200) == 0 {
                // As of a device that is looked at too late.
                self.breaks += 1;
            }
            let Ok(step) = player::turn(&mut player, self);
            assert!(!player.has_stopped(), "the device runs");
            match step {
                Step::Loaded => waits = 0,
                Step::Wait(position) => {
                    self.wait(position);
                    waits += 1;
                    assert!(waits < 10, "the device does not get to {position}");
                }
                Step::Ended => break,
            }
        }
        // It reads all that it was promised.
        while self.front < self.start + length + self.ring.lag + 1 {
            self.tick();
        }
        for (position, byte) in std::mem::take(&mut self.whole) {
            let seen = self.seen[&position];
            if seen != byte {
                self.wrong(format!("byte {byte} was {seen}, and called whole"));
            }
        }
        let account = *player.account();
        let sum = account.whole + account.late + account.missed;
        if (sum, self.accounted) != (length, length) {
            self.wrong(format!("{sum} bytes accounted for of {length}"));
        }
        account
    }
}

impl Deck for World {
    type Error = Infallible;

    fn position(&mut self) -> Result<Sample, Infallible> {
        // Others run between the end of a read and the look.
        if self.rng.u8(0..8) == 0 {
            self.tick();
        }
        let now = self.sample();
        self.doubtful = now.breaks != self.last.breaks;
        let before = std::mem::replace(&mut self.last, now);
        Ok(match self.cheat {
            Cheat::NoSecondLook => before,
            _ => now,
        })
    }

    fn together(&mut self, _: u64) -> u64 {
        self.rng.u64(1..=self.ring.size / self.block) * self.block
    }

    fn load(&mut self, load: &Load) -> Result<u64, Infallible> {
        assert_eq!((load.from % self.block, load.memory % self.block), (0, 0));
        assert!(load.length <= self.chunk && load.memory + load.length <= self.ring.size);
        // Some end early, and some stand still for a while.
        let length = match self.rng.u8(0..16) {
            0 => self.rng.u64(0..=load.length / self.block) * self.block,
            _ => load.length,
        };
        let length = length.min(load.length);
        if self.rng.u8(0..16) == 0 {
            for _ in 0..self.rng.u64(0..2 * self.ring.size / self.rate) {
                self.tick();
            }
        }
        for byte in 0..length {
            self.memory[(load.memory + byte) as usize] = load.from + byte;
            if byte % self.speed == 0 {
                self.tick();
            }
        }
        Ok(length)
    }

    fn event(&mut self, event: Event) -> Result<(), Infallible> {
        let (Event::Whole(from, to) | Event::Late(from, to) | Event::Missed(from, to)) = event;
        if from != self.accounted {
            self.wrong(format!("{event:?} behind {}", self.accounted));
        }
        self.accounted = to;
        let start = self.start;
        match event {
            Event::Whole(..) => self
                .whole
                .extend((from..to).map(|byte| (start + byte, byte))),
            Event::Late(..) | Event::Missed(..) if self.doubtful || self.cheat != Cheat::None => {}
            Event::Late(..) => {
                // The device is there, or as near as it may be wrong about itself.
                let most = self.front + self.ring.lead;
                if start + to > most {
                    self.wrong(format!("{event:?}: the device is before {most}"));
                }
            }
            Event::Missed(..) => {
                let most = (self.front + self.ring.lead).next_multiple_of(self.block);
                if start + to > most {
                    self.wrong(format!("{event:?}: the device is before {most}"));
                }
            }
        }
        Ok(())
    }
}

fn run(seed: u64, cheat: Cheat) -> (World, Account) {
    let mut world = World::new(seed, cheat);
    let length = world.ring.size * world.rng.u64(1..12) - world.rng.u64(0..world.block);
    let account = world.play(length);
    (world, account)
}

#[test]
fn no_byte_is_called_whole_that_the_device_did_not_find_and_each_is_accounted_for() {
    let (mut whole, mut late, mut missed, mut unsure) = (0, 0, 0, 0);
    for seed in 0..RUNS {
        let (world, account) = run(seed, Cheat::None);
        if let Some(error) = world.error {
            panic!("seed {seed}: {error}\n{:?} {}", world.ring, world.chunk);
        }
        whole += account.whole;
        late += account.late;
        missed += account.missed;
        unsure += u64::from(account.unsure);
    }
    // The runs are of every sort.
    println!("{RUNS} runs: {whole} bytes whole, {late} late, {missed} missed, {unsure} unsure");
    assert!(whole > 1_000_000 && late > 1_000_000 && missed > 100_000 && unsure > 100);
}

/// Plays to a device that does a lap that is not seen, and stops when it has read all. How long the player waits in
/// vain, if it does.
fn stopped(seed: u64) -> Option<Duration> {
    let mut world = World::new(seed, Cheat::None);
    let length = world.ring.size * world.rng.u64(3..12);
    let mut player = world.player(length);
    world.stop = world.start + length + world.ring.lag;
    let lost = world.start + world.rng.u64(0..length - 2 * world.ring.size);
    let mut since = 0;
    loop {
        let Ok(step) = player::turn(&mut player, &mut world);
        match step {
            // The disk may have stood still.
            Step::Loaded => since = world.ticks,
            Step::Ended => return None,
            Step::Wait(_) if player.has_stopped() => {
                assert!(player.account().unsure && world.front == world.stop);
                return Some(TICK * (world.ticks - since) as u32);
            }
            Step::Wait(position) => world.wait(position),
        }
        if world.short == 0 && world.front >= lost {
            let front = world.front;
            while world.front < front + world.ring.size {
                world.tick();
            }
            world.say();
            (world.short, world.breaks) = (world.ring.size, world.breaks + 1);
        }
        if world.front < world.stop {
            since = world.ticks;
        }
    }
}

#[test]
fn a_device_that_stops_a_lap_beyond_its_count_is_not_waited_for() {
    let waits: Vec<_> = (0..RUNS / 10).filter_map(stopped).collect();
    // Of some the count was lost so late that all the same was loaded.
    assert!(waits.len() > 500, "{}", waits.len());
    let longest = waits.into_iter().max().unwrap_or_default();
    assert!(
        longest >= STILL && longest < STILL + 3 * TICK * LONGEST as u32,
        "{longest:?}"
    );
}

/// How many runs it takes to find a player out.
fn caught_after(cheat: Cheat) -> u64 {
    (0..RUNS)
        .find(|seed| run(*seed, cheat).0.error.is_some())
        .unwrap_or_else(|| panic!("{cheat:?} is not noticed"))
}

#[test]
fn a_player_that_does_not_look_again_is_caught() {
    assert!(caught_after(Cheat::NoSecondLook) < 100);
}

#[test]
fn a_player_that_ignores_the_lead_is_caught() {
    assert!(caught_after(Cheat::LeadIgnored) < 100);
}

#[test]
fn a_player_that_ignores_the_lag_is_caught() {
    assert!(caught_after(Cheat::LagIgnored) < 100);
}
