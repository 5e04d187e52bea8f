// SPDX-License-Identifier: MIT

//! Which bytes of two sources are the same bytes of memory.

use super::Extent;

/// Where in memory the bytes of a source are, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its ranges.
    pub extents: Vec<Extent>,
    /// Where its first byte is in the region that it is of, if it is of one region.
    pub within: Option<u64>,
    /// Whether it may go on behind its end: a disk does.
    pub is_disk: bool,
}

/// A run of bytes that two sources have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// First byte in the one.
    pub mine: u64,
    /// First byte in the other.
    pub other: u64,
    /// Bytes.
    pub length: u64,
    /// Physical address of the first byte, if it is known.
    pub base: Option<u64>,
}

impl Place {
    /// Bytes of all ranges.
    pub fn length(&self) -> u64 {
        self.extents.iter().map(|extent| extent.length).sum()
    }

    fn has_addresses(&self) -> bool {
        self.extents.iter().all(|extent| extent.base.is_some())
    }

    /// As one run, whatever the addresses are; its first byte at `start`.
    fn flat(&self, start: u64) -> Vec<(u64, Extent)> {
        let base = |extent: &Extent| start.saturating_add(extent.offset);
        self.extents
            .iter()
            .map(|extent| (base(extent), *extent))
            .collect()
    }

    /// The runs that it has in common with `other`, in the order of its own offsets; empty if there
    /// are none. An error says why nothing is known of that.
    pub fn common(&self, other: &Self) -> Result<Vec<Pair>, String> {
        let known = |place: &Self| -> Vec<(u64, Extent)> {
            let base = |extent: &Extent| Some((extent.base?, *extent));
            place.extents.iter().filter_map(base).collect()
        };
        if self.has_addresses() && other.has_addresses() {
            return Ok(meet(&known(self), &known(other)));
        }
        if let (Some(mine), Some(its)) = (self.within, other.within) {
            return Ok(meet(&self.flat(mine), &other.flat(its)));
        }
        let (mine, its) = (self.length(), other.length());
        if mine == its {
            return Ok(meet(&self.flat(0), &other.flat(0)));
        }
        // The one without any information is a whole region, if it is large enough for that.
        match (self.within, other.within) {
            (None, None) if self.is_disk || other.is_disk => {
                Ok(meet(&self.flat(0), &other.flat(0)))
            }
            (Some(start), None) if start.saturating_add(mine) <= its || other.is_disk => {
                let from = if other.is_disk { 0 } else { start };
                Ok(meet(&self.flat(from), &other.flat(0)))
            }
            (None, Some(start)) if start.saturating_add(its) <= mine || self.is_disk => {
                let from = if self.is_disk { 0 } else { start };
                Ok(meet(&self.flat(0), &other.flat(from)))
            }
            _ => Err(format!(
                "it has {mine} bytes, the other has {its}, and nothing says which of them are the same"
            )),
        }
    }
}

/// The runs in which both have an address in common; each is a list of first addresses and runs.
fn meet(mine: &[(u64, Extent)], other: &[(u64, Extent)]) -> Vec<Pair> {
    let mut others = other.to_vec();
    others.sort_by_key(|(start, _)| *start);
    let mut pairs = Vec::new();
    for (start, extent) in mine {
        let last = start.saturating_add(extent.length - 1);
        // Ranges may overlap, so all of them are looked at that begin before the end of this one.
        for (from, its) in others.iter().take_while(|(from, _)| *from <= last) {
            let low = *start.max(from);
            let high = last.min(from.saturating_add(its.length - 1));
            if low > high {
                continue;
            }
            pairs.push(Pair {
                mine: extent.offset + (low - start),
                other: its.offset + (low - from),
                length: high - low + 1,
                base: extent.base.map(|base| base + (low - start)),
            });
        }
    }
    pairs.sort_by_key(|pair| pair.mine);
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(runs: &[(Option<u64>, u64)], within: Option<u64>) -> Place {
        let mut offset = 0;
        let extents = runs
            .iter()
            .map(|(base, length)| {
                let extent = Extent {
                    offset,
                    length: *length,
                    base: *base,
                };
                offset += length;
                extent
            })
            .collect();
        Place {
            extents,
            within,
            is_disk: false,
        }
    }

    fn found(mine: &Place, other: &Place) -> Vec<(u64, u64, u64)> {
        let pairs = mine.common(other).unwrap();
        pairs
            .iter()
            .map(|pair| (pair.mine, pair.other, pair.length))
            .collect()
    }

    #[test]
    fn ranges_meet_by_address_in_either_direction() {
        let all = place(&[(Some(0x1000), 0x4000)], Some(0));
        let part = place(&[(Some(0x2000), 0x1000)], Some(0x1000));
        assert_eq!(found(&part, &all), [(0, 0x1000, 0x1000)]);
        assert_eq!(found(&all, &part), [(0x1000, 0, 0x1000)]);
        let two = place(&[(Some(0x4000), 0x1000), (Some(0x800), 0x1000)], None);
        assert_eq!(found(&two, &all), [(0, 0x3000, 0x1000), (0x1800, 0, 0x800)]);
        let far = place(&[(Some(u64::MAX), 1)], None);
        assert_eq!(found(&far, &all), []);
        assert_eq!(found(&far, &far), [(0, 0, 1)]);
    }

    #[test]
    fn without_addresses_they_meet_by_their_place_in_the_region() {
        let all = place(&[(None, 0x4000)], Some(0));
        let part = place(&[(None, 0x1000)], Some(0x1000));
        let bare = place(&[(None, 0x4000)], None);
        let copy = place(&[(None, 0x1000)], None);
        let known = place(&[(Some(0x9000), 0x1000)], Some(0x1000));
        for whole in [&all, &bare] {
            assert_eq!(found(&part, whole), [(0, 0x1000, 0x1000)]);
            assert_eq!(found(whole, &part), [(0x1000, 0, 0x1000)]);
            assert_eq!(found(&known, whole), [(0, 0x1000, 0x1000)]);
        }
        assert_eq!(found(&part, &copy), [(0, 0, 0x1000)]);
        let short = place(&[(None, 0x800)], None);
        assert!(part.common(&short).is_err());
        assert!(bare.common(&copy).is_err());
    }

    #[test]
    fn a_disk_goes_on_behind_its_end() {
        let disk = Place {
            is_disk: true,
            ..place(&[(None, 0x10000)], None)
        };
        let part = place(&[(None, 0x1000)], Some(0x1000));
        let bare = place(&[(None, 0x1000)], None);
        for dump in [&part, &bare] {
            assert_eq!(found(&disk, dump), [(0, 0, 0x1000)]);
            assert_eq!(found(dump, &disk), [(0, 0, 0x1000)]);
        }
    }
}
