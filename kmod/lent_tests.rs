// SPDX-License-Identifier: GPL-2.0

//! [`crate::lent`] against a model that has an owner for each cache line.

use core::{
    cell::Cell,
    ops::Range, //
};

use kernel::{
    alloc::flags::GFP_KERNEL,
    prelude::*,
    sync::Arc, //
};

use crate::lent::{
    Lender,
    Lent, //
};

const LINE: u64 = 32;
const LINES: usize = 64;
const SIZE: u64 = LINE * LINES as u64;

/// What is known of each line.
struct Machine {
    mapped: [Cell<bool>; LINES],
    refreshed: [Cell<u32>; LINES],
    written_back: [Cell<u32>; LINES],
    fails: Cell<bool>,
    misuse: Cell<u32>,
}

impl Machine {
    fn new() -> Result<Arc<Self>> {
        let machine = Self {
            mapped: [const { Cell::new(false) }; LINES],
            refreshed: [const { Cell::new(0) }; LINES],
            written_back: [const { Cell::new(0) }; LINES],
            fails: Cell::new(false),
            misuse: Cell::new(0),
        };
        Ok(Arc::new(machine, GFP_KERNEL)?)
    }

    fn misused(&self) {
        self.misuse.set(self.misuse.get() + 1);
    }

    fn mapped(&self) -> usize {
        self.mapped.iter().filter(|mapped| mapped.get()).count()
    }

    fn sum(of: &[Cell<u32>]) -> u32 {
        of.iter().map(Cell::get).sum()
    }
}

fn lines(range: Range<u64>) -> Range<usize> {
    (range.start / LINE) as usize..(range.end / LINE) as usize
}

struct Part {
    machine: Arc<Machine>,
    range: Range<u64>,
}

impl Drop for Part {
    fn drop(&mut self) {
        for line in lines(self.range.clone()) {
            match self.machine.mapped.get(line) {
                Some(mapped) if mapped.get() => mapped.set(false),
                _ => self.machine.misused(),
            }
        }
    }
}

/// Two parts with pages, apart from each other.
const EXTENTS: [Range<u64>; 2] = [0..40 * LINE, 48 * LINE..SIZE];

struct Model(Arc<Machine>);

impl Lender for Model {
    type Mapping = Part;

    fn line(&self) -> u64 {
        LINE
    }

    fn extents(&self) -> &[Range<u64>] {
        &EXTENTS
    }

    fn map(&self, range: Range<u64>) -> Result<Part> {
        if self.0.fails.get() {
            return Err(EIO);
        }
        for line in lines(range.clone()) {
            match self.0.mapped.get(line) {
                // Two mappings of one line are what must not be.
                Some(mapped) if !mapped.get() => mapped.set(true),
                _ => self.0.misused(),
            }
        }
        let machine = self.0.clone();
        Ok(Part { machine, range })
    }

    fn refresh(&self, part: &Part, within: Range<u64>) {
        count(&self.0, &self.0.refreshed, part, within);
    }

    fn write_back(&self, part: &Part, within: Range<u64>) {
        count(&self.0, &self.0.written_back, part, within);
    }
}

fn count(machine: &Machine, counts: &[Cell<u32>; LINES], part: &Part, within: Range<u64>) {
    let range = part.range.start + within.start..part.range.start + within.end;
    if range.is_empty() || range.end > part.range.end || (range.start | range.end) % LINE != 0 {
        machine.misused();
    }
    for count in counts.get(lines(range)).unwrap_or_default() {
        count.set(count.get() + 1);
    }
}

fn two_parts() -> Result<(Arc<Machine>, Lent<Model>)> {
    let machine = Machine::new()?;
    let lent = Lent::new(Model(machine.clone()))?;
    Ok((machine, lent))
}

#[kunit_tests(resmem_lent)]
mod tests {
    use super::*;

    #[test]
    fn the_device_owns_what_has_pages_first() -> Result {
        let (machine, lent) = two_parts()?;
        assert_eq!(machine.mapped(), 56);
        drop(lent);
        assert_eq!(machine.mapped(), 0);
        assert_eq!(machine.misuse.get(), 0);
        Ok(())
    }

    #[test]
    fn a_look_changes_no_owner_and_is_made_each_time() -> Result {
        let (machine, mut lent) = two_parts()?;
        for time in 1..4 {
            lent.look(30 * LINE + 1..50 * LINE + 1)?;
            assert_eq!(Machine::sum(&machine.refreshed), 13 * time);
            assert_eq!(machine.mapped(), 56);
        }
        assert_eq!(Machine::sum(&machine.written_back), 0);
        Ok(())
    }

    #[test]
    fn a_sync_to_the_present_owner_is_nothing() -> Result {
        let (machine, mut lent) = two_parts()?;
        lent.give(0..SIZE)?;
        assert_eq!(Machine::sum(&machine.written_back), 0);
        lent.take(8 * LINE..16 * LINE)?;
        assert_eq!(Machine::sum(&machine.refreshed), 8);
        lent.take(8 * LINE..16 * LINE)?;
        lent.look(8 * LINE..16 * LINE)?;
        // What a processor has stored there is not forgotten.
        assert_eq!(Machine::sum(&machine.refreshed), 8);
        lent.give(9 * LINE..10 * LINE)?;
        lent.give(0..SIZE)?;
        assert_eq!(Machine::sum(&machine.written_back), 8);
        assert_eq!(machine.misuse.get(), 0);
        Ok(())
    }

    #[test]
    fn what_is_loaded_is_not_mapped_and_stays_the_processors() -> Result {
        let (machine, mut lent) = two_parts()?;
        lent.begin_load(0..20 * LINE, true)?;
        assert_eq!(machine.mapped(), 36);
        let given = lent.give(19 * LINE..21 * LINE);
        assert!(given == Err(EBUSY));
        let started = lent.begin_load(19 * LINE..21 * LINE, true);
        assert!(started == Err(EBUSY));
        lent.give(20 * LINE..21 * LINE)?;
        lent.end_load(0..20 * LINE, true)?;
        assert_eq!(machine.mapped(), 56);
        assert_eq!(Machine::sum(&machine.written_back), 20);
        let started = lent.begin_load(0..LINE, false);
        assert!(started == Err(EBUSY));
        lent.take(0..LINE)?;
        lent.begin_load(0..LINE, false)?;
        lent.end_load(0..LINE, false)?;
        assert_eq!(machine.mapped(), 55);
        assert_eq!(machine.misuse.get(), 0);
        Ok(())
    }

    #[test]
    fn what_cannot_be_mapped_again_is_still_the_devices() -> Result {
        let (machine, mut lent) = two_parts()?;
        machine.fails.set(true);
        lent.take(10 * LINE..20 * LINE)?;
        assert_eq!(machine.mapped(), 16);
        let looked = lent.look(0..LINE);
        assert!(looked == Err(EIO));
        machine.fails.set(false);
        lent.look(0..LINE)?;
        assert_eq!(machine.mapped(), 26);
        assert_eq!(machine.misuse.get(), 0);
        Ok(())
    }

    #[test]
    fn owners_are_those_of_a_model_whatever_the_order() -> Result {
        let (machine, mut lent) = two_parts()?;
        let mut owned = [true; LINES];
        let mut random = 1u32;
        let mut draw = |below: u64| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (u64::from(random >> 16) * below) >> 16
        };
        for _ in 0..2000 {
            let start = draw(SIZE);
            let end = start + 1 + draw(SIZE - start);
            let touched = (start / LINE) as usize..end.div_ceil(LINE) as usize;
            let (refreshed, written) = (
                Machine::sum(&machine.refreshed),
                Machine::sum(&machine.written_back),
            );
            let device = owned.get(touched.clone()).unwrap_or_default();
            let changed = device.iter().zip(touched.clone());
            let changed = |to: bool| {
                changed
                    .clone()
                    .filter(|(owner, line)| **owner != to && !(40..48).contains(line))
                    .count() as u32
            };
            let what = draw(3);
            match what {
                0 => {
                    lent.look(start..end)?;
                    assert_eq!(Machine::sum(&machine.refreshed), refreshed + changed(false));
                }
                1 => {
                    lent.take(start..end)?;
                    assert_eq!(Machine::sum(&machine.refreshed), refreshed + changed(false));
                }
                _ => {
                    lent.give(start..end)?;
                    assert_eq!(Machine::sum(&machine.written_back), written + changed(true));
                }
            }
            if what > 0 {
                for owner in owned.get_mut(touched).unwrap_or_default() {
                    *owner = what == 2;
                }
            }
            for (line, (mapped, owner)) in machine.mapped.iter().zip(owned).enumerate() {
                assert_eq!(mapped.get(), owner && !(40..48).contains(&line));
            }
            assert_eq!(machine.misuse.get(), 0);
        }
        Ok(())
    }
}
