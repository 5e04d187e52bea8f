// SPDX-License-Identifier: GPL-2.0

//! Which bytes of a region its device owns, on a machine whose caches do not see what devices do.
//!
//! What the device owns is mapped for it, in as few pieces as can be; the rest is the processors', and not
//! mapped, so that a disk's driver can map it. This is the DMA API's rule: memory has one owner at a time.
//!
//! Processors *look* at what the device owns without taking it: caches forget what they have of it, and the next
//! look does so again. They *take* it to write to it, and *give* it back.
//!
//! Ranges are in bytes from the region's begin, and are widened to cache lines. No lock is taken here.

use core::ops::Range;

use kernel::{
    alloc::flags::GFP_KERNEL,
    prelude::*, //
};

/// Most pieces that the device owns.
const MOST: usize = 256;

/// Maps parts of a region for its device, and keeps caches in step. Mapping touches no cache.
pub(crate) trait Lender {
    /// A part that is mapped, until it is dropped.
    type Mapping;

    /// Bytes of a cache line, a power of two. Both ends of the region are multiples of it.
    fn line(&self) -> u64;

    /// The parts of the region in which every frame has a page, in order and apart.
    fn extents(&self) -> &[Range<u64>];

    /// Maps a part of an extent.
    fn map(&self, range: Range<u64>) -> Result<Self::Mapping>;

    /// Makes processors see what the device wrote; `within` counts from the begin of what is mapped.
    /// Memory does not change.
    fn refresh(&self, mapping: &Self::Mapping, within: Range<u64>);

    /// Makes the device see what processors wrote.
    fn write_back(&self, mapping: &Self::Mapping, within: Range<u64>);
}

/// A piece that the device owns. `mapping` is there unless mapping the rest of a larger piece again failed.
struct Loan<M> {
    range: Range<u64>,
    mapping: Option<M>,
}

/// The owners of a region's bytes.
///
/// # Invariants
///
/// Loans are in order, do not touch, and are within an extent each. There is room for [`MOST`] of them.
pub(crate) struct Lent<L: Lender> {
    lender: L,
    loans: KVec<Loan<L::Mapping>>,
    loads: KVec<Range<u64>>,
}

impl<L: Lender> Lent<L> {
    /// The device owns all of the extents.
    ///
    /// May sleep. Errors: `ENOSPC` for too many extents, `ENOMEM`, what mapping fails with.
    pub(crate) fn new(lender: L) -> Result<Self> {
        let mut lent = Self {
            lender,
            loans: KVec::with_capacity(MOST, GFP_KERNEL)?,
            loads: KVec::new(),
        };
        for index in 0..lent.lender.extents().len() {
            let range = lent.extent(index);
            lent.room(1)?;
            let mapping = lent.lender.map(range.clone())?;
            lent.insert(lent.loans.len(), range, Some(mapping))?;
        }
        Ok(lent)
    }

    /// Processors see from now on what the device has written to what it owns of `range`.
    pub(crate) fn look(&mut self, range: Range<u64>) -> Result {
        let range = self.lines(range);
        let first = self.loans.partition_point(|l| l.range.end <= range.start);
        for loan in self.loans.get_mut(first..).unwrap_or_default() {
            if loan.range.start >= range.end {
                break;
            }
            loan.refresh(&self.lender, &range)?;
        }
        Ok(())
    }

    /// `range` is the processors'. `ENOSPC` when that would leave too many pieces.
    pub(crate) fn take(&mut self, range: Range<u64>) -> Result {
        let range = self.lines(range);
        let mut at = self.loans.partition_point(|l| l.range.end <= range.start);
        while let Some(loan) = self.loans.get_mut(at) {
            if loan.range.start >= range.end {
                break;
            }
            let before = loan.range.start..range.start.max(loan.range.start);
            let after = range.end.min(loan.range.end)..loan.range.end;
            let splits = !before.is_empty() && !after.is_empty();
            loan.refresh(&self.lender, &range)?;
            if splits {
                self.room(1)?;
            }
            // Unmapped before the rest is mapped again.
            drop(self.loans.remove(at).map_err(|_| EINVAL)?);
            for rest in [before, after] {
                if !rest.is_empty() {
                    let mapping = self.lender.map(rest.clone()).ok();
                    self.insert(at, rest, mapping)?;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// `range` is the device's. `EBUSY` while a part of it is being loaded, `ENOSPC` for too many pieces.
    pub(crate) fn give(&mut self, range: Range<u64>) -> Result {
        let range = self.lines(range);
        if self.is_loading(&range) {
            return Err(EBUSY);
        }
        for index in 0..self.lender.extents().len() {
            let part = intersection(&self.extent(index), &range);
            if !part.is_empty() {
                self.give_part(part)?;
            }
        }
        Ok(())
    }

    /// A load of `range` begins: it is the processors', and stays so. Unless `take`, `EBUSY` for what the device
    /// owns; `EBUSY` for what is being loaded.
    pub(crate) fn begin_load(&mut self, range: Range<u64>, take: bool) -> Result {
        let lines = self.lines(range.clone());
        if self.is_loading(&lines) || !take && self.is_lent(&lines) {
            return Err(EBUSY);
        }
        self.loads.reserve(1, GFP_KERNEL)?;
        // One for what is taken, as many as there are extents for what is given back.
        self.room(1 + self.lender.extents().len())?;
        self.take(range)?;
        self.loads.push_within_capacity(lines).map_err(|_| ENOMEM)
    }

    /// That load has ended. What it took, if it did, is the device's again.
    pub(crate) fn end_load(&mut self, range: Range<u64>, give: bool) -> Result {
        let lines = self.lines(range.clone());
        self.loads.retain(|load| *load != lines);
        if give {
            self.give(range)?;
        }
        Ok(())
    }

    fn give_part(&mut self, part: Range<u64>) -> Result {
        // Those that it touches become one with it.
        let first = self.loans.partition_point(|l| l.range.end < part.start);
        let last = self.loans.partition_point(|l| l.range.start <= part.end);
        let touched = self.loans.get_mut(first..last).ok_or(EINVAL)?;
        let mut whole = part.clone();
        if let [one] = touched {
            if one.range.start <= part.start && part.end <= one.range.end {
                return Ok(());
            }
        }
        if let ([begin, ..], [.., end]) = (&*touched, &*touched) {
            whole = begin.range.start.min(part.start)..end.range.end.max(part.end);
        } else {
            self.room(1)?;
        }
        for loan in self.loans.get_mut(first..last).unwrap_or_default() {
            loan.mapping = None;
        }
        let mapping = self.lender.map(whole.clone())?;
        // What processors owned lies between those.
        let mut at = part.start;
        let ends = self.loans.get(first..last).unwrap_or_default();
        let ends = ends.iter().map(|l| l.range.clone());
        for owned in ends {
            if at < owned.start {
                let within = at - whole.start..owned.start - whole.start;
                self.lender.write_back(&mapping, within);
            }
            at = at.max(owned.end);
        }
        if at < part.end {
            let within = at - whole.start..part.end - whole.start;
            self.lender.write_back(&mapping, within);
        }
        for _ in first..last {
            self.loans.remove(first).map_err(|_| EINVAL)?;
        }
        self.insert(first, whole, Some(mapping))
    }

    /// Whether there is room for `more` pieces besides those that loads will give back.
    fn room(&self, more: usize) -> Result {
        let kept = self.loads.len() * self.lender.extents().len();
        if self.loans.len() + kept + more > MOST {
            return Err(ENOSPC);
        }
        Ok(())
    }

    fn insert(&mut self, at: usize, range: Range<u64>, mapping: Option<L::Mapping>) -> Result {
        let loan = Loan { range, mapping };
        let inserted = self.loans.insert_within_capacity(at, loan);
        inserted.map_err(|_| ENOSPC)
    }

    fn extent(&self, index: usize) -> Range<u64> {
        self.lender
            .extents()
            .get(index)
            .cloned()
            .unwrap_or_default()
    }

    fn lines(&self, range: Range<u64>) -> Range<u64> {
        let rest = self.lender.line() - 1;
        // The region ends with a line, so this is not beyond its end.
        range.start & !rest..range.end.saturating_add(rest) & !rest
    }

    fn is_loading(&self, range: &Range<u64>) -> bool {
        self.loads
            .iter()
            .any(|load| !intersection(load, range).is_empty())
    }

    fn is_lent(&self, range: &Range<u64>) -> bool {
        self.loans
            .iter()
            .any(|loan| !intersection(&loan.range, range).is_empty())
    }
}

impl<M> Loan<M> {
    /// Makes processors see what of `range` lies here. What mapping fails with, if that has to be done again.
    fn refresh<L: Lender<Mapping = M>>(&mut self, lender: &L, range: &Range<u64>) -> Result {
        let part = intersection(&self.range, range);
        let begin = self.range.start;
        let mapping = match &mut self.mapping {
            Some(mapping) => mapping,
            none => none.insert(lender.map(self.range.clone())?),
        };
        lender.refresh(mapping, part.start - begin..part.end - begin);
        Ok(())
    }
}

fn intersection(one: &Range<u64>, other: &Range<u64>) -> Range<u64> {
    let start = one.start.max(other.start);
    start..one.end.min(other.end).max(start)
}
