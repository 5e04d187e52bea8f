// SPDX-License-Identifier: GPL-2.0

//! How far a region's device is, and who waits for it to get somewhere.
//!
//! An interrupt only wakes up: a worker then reads the position and tells who waits for what was reached. Where there
//! is no interrupt a timer does the same, while a process waits.
//!
//! Lock order: `followed` is taken under the lock of an io_uring; the lock of the region's owners is taken under it.
//! A command of an io_uring is completed without it, for that may take the lock of its ring.

mod follower;
mod handlers;
mod reach;

use kernel::{
    impl_has_delayed_work,
    impl_has_work,
    new_delayed_work,
    new_mutex,
    new_work,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    workqueue::{
        DelayedWork,
        Work,
        WorkItem, //
    }, //
};

use crate::{
    abi,
    abstractions::{
        producer,
        sync::{
            Atomic,
            Release, //
        },
        worker, //
    },
    divide::divide,
    position::{
        Evidence,
        Kind,
        Position,
        Reading,
        Sample, //
    },
    region::Region,
    spot::Spot,
    timer::{
        Timer,
        Wanted, //
    },
    trigger::{
        Placed,
        Triggers, //
    },
    watches::Watches, //
};

pub(crate) use follower::{
    Follower,
    Watched, //
};
pub(crate) use handlers::{
    Pull,
    Wake, //
};

/// Where the position comes from.
pub(crate) enum Source {
    Spot(Spot),
    /// A program rings the doorbell.
    Program,
}

/// Which interrupts the device has.
#[derive(Clone, Copy)]
pub(crate) struct Interrupts {
    /// It got on.
    pub(crate) progress: bool,
    /// What it writes now is wanted.
    pub(crate) trigger: bool,
}

/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// See the module.
#[pin_data]
pub(crate) struct Progress {
    region: Arc<Region>,
    source: Source,
    /// Where the device reads how far its bytes were taken.
    consumer: Option<Spot>,
    interrupts: Interrupts,
    triggers: Triggers,
    /// The driver is bound; for the interrupt's handler.
    bound: Atomic<bool>,
    #[pin]
    followed: Mutex<Followed>,
    #[pin]
    work: Work<Progress>,
    #[pin]
    timer: DelayedWork<Progress, 1>,
}

impl_has_work! {
    impl HasWork<Self> for Progress { self.work }
}
impl_has_delayed_work! {
    impl HasDelayedWork<Self, 1> for Progress { self.timer }
}

/// What a node says of its device.
pub(crate) struct Described {
    pub(crate) source: Source,
    pub(crate) consumer: Option<Spot>,
    pub(crate) position: Position,
}

struct Followed {
    position: Position,
    /// What a program said last.
    said: Option<u64>,
    placed: Placed,
    /// How far that was, if anything was taken.
    consumed: Option<u64>,
    watches: Watches,
    timer: Timer,
    /// Names for open files: more than can ever be opened.
    files: u64,
    bound: bool,
}

impl Progress {
    pub(crate) fn new(
        region: Arc<Region>,
        described: Described,
        interrupts: Interrupts,
    ) -> Result<Arc<Self>> {
        let Described {
            source,
            consumer,
            position,
        } = described;
        let followed = Followed {
            position,
            said: None,
            placed: Placed::default(),
            consumed: None,
            watches: Watches::default(),
            timer: Timer::default(),
            files: 0,
            bound: true,
        };
        Arc::pin_init(
            pin_init!(Self {
                region,
                source,
                consumer,
                interrupts,
                triggers: Triggers::new(),
                bound: Atomic::new(true),
                followed <- new_mutex!(followed),
                work <- new_work!("resmem_progress"),
                timer <- new_delayed_work!("resmem_progress_timer"),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn interrupts(&self) -> Interrupts {
        self.interrupts
    }

    /// The answer to [`abi::IOC_POSITION`]. Sleeps.
    pub(crate) fn answer(&self) -> Result<abi::RingPosition> {
        let mut followed = self.followed.lock();
        let (raw, sample) = self.look(&mut followed)?;
        let shape = followed.position.shape();
        let mut flags = 0;
        if matches!(self.source, Source::Program) {
            flags |= abi::POSITION_PROGRAM;
        }
        if self.interrupts.progress {
            flags |= abi::POSITION_INTERRUPT;
        }
        if self.interrupts.trigger {
            flags |= abi::POSITION_TRIGGER;
        }
        if self.consumer.is_some() {
            flags |= abi::POSITION_CONSUMER;
        }
        if matches!(shape.kind, Kind::Offset | Kind::Address { .. }) {
            flags |= abi::POSITION_BOUNDED;
        }
        Ok(abi::RingPosition {
            position: sample.bytes,
            time: sample.time,
            breaks: sample.breaks,
            raw,
            ring: shape.ring,
            lead: shape.lead,
            lag: shape.lag,
            max_rate: shape.max_rate,
            patience: followed.position.patience().unwrap_or(0),
            evidence: match sample.evidence {
                Evidence::Exact => abi::EVIDENCE_EXACT,
                Evidence::Bounded => abi::EVIDENCE_BOUNDED,
                Evidence::Unknown => abi::EVIDENCE_UNKNOWN,
            },
            flags,
            triggers: followed.placed.count as u64,
            trigger: followed.placed.position,
            reserved: [0; 2],
        })
    }

    /// Does what [`abi::IOC_DOORBELL`] says.
    pub(crate) fn ring(self: &Arc<Self>, raw: u64) -> Result {
        if !matches!(self.source, Source::Program) {
            return Err(EOPNOTSUPP);
        }
        // What the program has written to the ring is there for who reads the position.
        producer::full_barrier();
        {
            let mut followed = self.followed.lock();
            let before = followed.said.replace(raw);
            if let Err(error) = self.look(&mut followed) {
                followed.said = before;
                return Err(error);
            }
        }
        self.check();
        Ok(())
    }

    /// Does what [`abi::IOC_CONSUMED`] says.
    pub(crate) fn consumed(&self, position: u64) -> Result {
        let consumer = self.consumer.as_ref().ok_or(EOPNOTSUPP)?;
        let mut followed = self.followed.lock();
        if followed.position.raw_at(position).is_none() {
            // By what was known.
            self.look(&mut followed)?;
        }
        let raw = followed.position.raw_at(position).ok_or(ERANGE)?;
        if !followed.bound {
            return Err(ENODEV);
        }
        if followed.consumed.is_some_and(|before| before > position) {
            return Ok(());
        }
        // What was read of the ring before was there.
        producer::full_barrier();
        consumer.write(&self.region, raw)?;
        followed.consumed = Some(position);
        Ok(())
    }

    /// Reads the position, and tells who waits for it. Sleeps.
    fn check(self: &Arc<Self>) {
        let position = {
            let mut followed = self.followed.lock();
            let position = match self.look(&mut followed) {
                Ok((_, sample)) => Some(sample.bytes),
                Err(_) => None,
            };
            if let Some(position) = position {
                followed.watches.tell(position);
            }
            self.set_timer(&mut followed);
            position
        };
        if let Some(position) = position {
            self.complete(position, Ok(()));
        }
    }

    /// What the device says, and the position by that.
    fn look(&self, followed: &mut Followed) -> Result<(u64, Sample)> {
        if !followed.bound {
            return Err(ENODEV);
        }
        let triggers = self.triggers.count();
        let time = producer::now();
        // A device may go on while the system is suspended.
        let before = producer::now_with_suspend();
        producer::full_barrier();
        let raw = match &self.source {
            Source::Spot(spot) => spot.read(&self.region)?,
            Source::Program => followed.said.ok_or(ENODATA)?,
        };
        producer::full_barrier();
        let reading = Reading {
            raw,
            before,
            after: producer::now_with_suspend(),
        };
        let sample = Sample {
            time,
            ..followed.position.follow(reading).ok_or(ERANGE)?
        };
        followed.placed.place(triggers, sample.bytes);
        Ok((raw, sample))
    }

    /// Has the timer look again, if that is needed.
    fn set_timer(self: &Arc<Self>, followed: &mut Followed) {
        if !followed.bound || matches!(self.source, Source::Program) {
            return;
        }
        let wanted = Wanted {
            waits: followed.watches.is_waiting() && !self.interrupts.progress,
            follows: !followed.watches.is_empty(),
            patience: followed.position.patience(),
        };
        if let Some(delay) = followed.timer.set(producer::now(), wanted.delay()) {
            worker::start_later(self, divide(delay, MILLISECOND).0.max(1));
        }
    }

    /// The driver is being unbound, and no handler of its interrupt runs from now on: waiters get an error, and no
    /// worker is in our code any more. Sleeps. May be called again.
    pub(crate) fn unbind(&self, synchronize: impl FnOnce()) {
        self.bound.store(false, Release);
        synchronize();
        {
            let mut followed = self.followed.lock();
            followed.bound = false;
            followed.watches.wake();
        }
        self.complete(u64::MAX, Err(ENODEV));
        worker::flush::<Self, 0>(self);
        worker::flush_delayed::<Self, 1>(self);
    }
}

impl WorkItem for Progress {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.check();
    }
}

impl WorkItem<1> for Progress {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.followed.lock().timer.runs();
        this.check();
    }
}
