// SPDX-License-Identifier: GPL-2.0

//! When a timer looks where a ring's device is, while no interrupt does.
//!
//! Plain code without a lock; times are in nanoseconds of one monotonic clock.

/// Longest time between two looks while a process waits for what no interrupt reports.
const LONGEST: u64 = 20_000_000;

/// Who needs a look.
pub(crate) struct Wanted {
    /// A process waits for a position, and no interrupt says that the device got on.
    pub(crate) waits: bool,
    /// A process follows the device: laps are not to be missed.
    pub(crate) follows: bool,
    /// The time within which the next look must follow the last one, if there is one.
    pub(crate) patience: Option<u64>,
}

impl Wanted {
    /// How long after a look the next one is due; `None` for never.
    pub(crate) fn delay(&self) -> Option<u64> {
        let waiting = self.waits.then_some(LONGEST);
        let laps = self.patience.filter(|_| self.follows).map(|time| time / 2);
        match (waiting, laps) {
            (Some(waiting), Some(laps)) => Some(waiting.min(laps)),
            (waiting, laps) => waiting.or(laps),
        }
    }
}

/// A timer that is set, or not.
#[derive(Default)]
pub(crate) struct Timer {
    due: Option<u64>,
}

impl Timer {
    /// What to set it to, `delay` from `now` on, unless it is set to that or to an earlier time: who asks for a look
    /// again and again does not put off that of another.
    pub(crate) fn set(&mut self, now: u64, delay: Option<u64>) -> Option<u64> {
        let due = now.saturating_add(delay?);
        if self.due.is_some_and(|earlier| earlier <= due) {
            return None;
        }
        self.due = Some(due);
        delay
    }

    /// It runs now, and is not set any more.
    pub(crate) fn runs(&mut self) {
        self.due = None;
    }
}

#[kernel::prelude::kunit_tests(resmem_timer)]
mod tests {
    use super::*;

    fn delay(waits: bool, follows: bool, patience: Option<u64>) -> Option<u64> {
        let wanted = Wanted {
            waits,
            follows,
            patience,
        };
        wanted.delay()
    }

    #[test]
    fn it_looks_for_those_who_wait_and_twice_a_lap() {
        assert!(delay(false, false, Some(10)).is_none());
        assert!(delay(false, true, None).is_none());
        assert!(delay(true, true, None) == Some(LONGEST));
        assert!(delay(true, true, Some(LONGEST)) == Some(LONGEST / 2));
        assert!(delay(true, true, Some(u64::MAX)) == Some(LONGEST));
        assert!(delay(false, true, Some(10)) == Some(5));
    }

    #[test]
    fn a_look_is_put_forward_and_never_off() {
        let mut timer = Timer::default();
        assert!(timer.set(0, Some(20)) == Some(20));
        assert!(timer.set(15, Some(20)).is_none());
        assert!(timer.set(16, Some(2)) == Some(2));
        assert!(timer.set(17, None).is_none());
        timer.runs();
        assert!(timer.set(18, None).is_none());
        assert!(timer.set(18, Some(20)) == Some(20));
    }
}
