// SPDX-License-Identifier: GPL-2.0

//! A value of 64 bits that a device counts on while it is read, 32 bits at a time.

/// How often the upper half may change. Each time the lower half has counted through all of its values: in the time that
/// a few reads take no counter does that twice.
const CHANGES: u32 = 8;

/// The value, as it was at one moment. `None` when its upper half does not stand still: then it is not the upper half,
/// as of a value whose halves lie in the other order.
pub(crate) fn read(upper: impl Fn() -> u32, lower: impl Fn() -> u32) -> Option<u64> {
    let mut before = upper();
    for _ in 0..=CHANGES {
        let low = lower();
        let high = upper();
        if high == before {
            // No carry came between the two.
            return Some(u64::from(high) << 32 | u64::from(low));
        }
        before = high;
    }
    None
}

#[kernel::prelude::kunit_tests(resmem_halves)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// Reads a counter that is `step` further on at each access.
    fn counted(from: u64, step: u64) -> (Option<u64>, u64) {
        let counter = Cell::new(from);
        let next = || {
            let now = counter.get();
            counter.set(now.wrapping_add(step));
            now
        };
        let value = read(|| (next() >> 32) as u32, || next() as u32);
        (value, counter.get())
    }

    #[test]
    fn a_carry_is_not_read_as_a_jump() {
        for from in 0xffff_fff0..0x1_0000_0010 {
            let (value, end) = counted(from, 3);
            assert!(value.is_some_and(|value| (from..end).contains(&value)));
        }
        assert!(counted(u64::MAX, 0).0 == Some(u64::MAX));
    }

    #[test]
    fn halves_in_the_other_order_are_no_value() {
        assert!(counted(0, 1 << 32).0.is_none());
    }
}
