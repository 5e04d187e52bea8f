// SPDX-License-Identifier: MIT

//! Hunts for contradictions in a recording whose 32-bit words count: a word that is called whole and is not the one that
//! belongs there. What it is instead says which of the device's promises is broken.

use resdump_format::recording::summary::Summary;
use serde::Serialize;

use super::{ALL, Failed, Saved};

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 20;

/// What was found in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Contradictions {
    /// Words that were compared.
    pub words: u64,
    /// Words of a later lap: the device was farther than its position and lead say.
    pub overwritten: u64,
    /// Words of an earlier lap: what was before its position was not in memory yet.
    pub stale: u64,
    /// Others: the words do not count, or the position is wrong.
    pub other: u64,
    /// Offset in the stream of the first of them.
    pub first: Option<u64>,
    /// The least lead that explains what was found, in bytes.
    pub lead_least: u64,
    /// The least lag.
    pub lag_least: u64,
}

impl Contradictions {
    /// Words that are wrong.
    pub fn wrong(&self) -> u64 {
        self.overwritten + self.stale + self.other
    }
}

/// What a word is, by its distance from the one that belongs there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Right,
    Overwritten,
    Stale,
    Other,
}

impl Word {
    /// `lap` is the number of words of the ring.
    fn of(distance: i32, lap: u64) -> Self {
        let laps = u64::from(distance.unsigned_abs()).is_multiple_of(lap.max(1));
        match distance {
            0 => Self::Right,
            1.. if laps => Self::Overwritten,
            ..0 if laps => Self::Stale,
            _ => Self::Other,
        }
    }
}

impl Saved {
    /// Compares the words that the index of `run` calls whole. The first of them says where the device began to count.
    pub fn contradictions(
        &self,
        run: &Summary,
        big_endian: bool,
    ) -> Result<Contradictions, Failed> {
        let origin = run.origin.unwrap_or_default();
        let word = |bytes: &[u8; 4]| match big_endian {
            true => u32::from_be_bytes(*bytes),
            false => u32::from_le_bytes(*bytes),
        };
        let mut found = Contradictions {
            lead_least: origin.lead,
            lag_least: origin.lag,
            ..Contradictions::default()
        };
        let mut reader = self.reader();
        let mut buffer = vec![0; BUFFER];
        let mut base = None;
        // How many follow each other, and what they are.
        let mut streak = (Word::Right, 0);
        for piece in Self::pieces_of(run, &ALL) {
            if piece.suspect {
                continue;
            }
            streak.1 = 0;
            let mut at = piece.from;
            reader.read(&piece, &mut buffer, &mut |bytes| {
                let words = bytes.as_chunks::<4>().0;
                let index = |at: u64| (at / 4) as u32;
                let numbers = words.iter().enumerate();
                let base = *base.get_or_insert_with(|| {
                    majority(numbers.clone().map(|(number, bytes)| {
                        word(bytes).wrapping_sub(index(at).wrapping_add(number as u32))
                    }))
                });
                for (number, bytes) in numbers {
                    let place = at + 4 * number as u64;
                    let distance = word(bytes).wrapping_sub(index(place)).wrapping_sub(base);
                    let what = Word::of(distance.cast_signed(), origin.ring / 4);
                    streak = match streak {
                        (before, length) if before == what => (what, length + 4),
                        _ => (what, 4),
                    };
                    found.add(what, place, streak.1, (origin.lead, origin.lag));
                }
                at += bytes.len() as u64;
                Ok(())
            })?;
        }
        Ok(found)
    }
}

impl Contradictions {
    /// `streak` is the number of bytes up to here that are all such.
    fn add(&mut self, what: Word, place: u64, streak: u64, (lead, lag): (u64, u64)) {
        self.words += 1;
        match what {
            Word::Right => return,
            Word::Overwritten => {
                self.overwritten += 1;
                self.lead_least = self.lead_least.max(lead + streak);
            }
            Word::Stale => {
                self.stale += 1;
                self.lag_least = self.lag_least.max(lag + streak);
            }
            Word::Other => self.other += 1,
        }
        self.first.get_or_insert(place);
    }
}

/// The value that most have, if more than half have it.
fn majority(values: impl Iterator<Item = u32>) -> u32 {
    let (mut most, mut lead) = (0, 0u64);
    for value in values {
        match lead {
            0 => (most, lead) = (value, 1),
            _ if value == most => lead += 1,
            _ => lead -= 1,
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use resdump_format::recording::{
        index::{Origin, Record, State, Writer},
        layout::{index_name, segment_name},
        planner::Event,
    };

    use super::*;

    const RING: u64 = 64 << 10;
    const BYTES: u64 = 32 << 10;

    /// A recording whose device began to count at 1,000.
    fn recording(folder: &Path, change: impl Fn(&mut Vec<u32>)) -> Contradictions {
        let mut words: Vec<u32> = (0..BYTES as u32 / 4).map(|word| word + 1000).collect();
        change(&mut words);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        fs::write(folder.join(segment_name(0)), bytes).unwrap();
        let mut index = Writer::new(1, 4096);
        index.push(
            0,
            Record::Origin(Origin {
                ring: RING,
                lead: 512,
                lag: 64,
                segment: BYTES,
                block: 512,
                ..Origin::default()
            }),
        );
        let place = 0;
        for part in [
            Event::Data {
                from: 0,
                to: 4096,
                place,
            },
            Event::Suspect {
                from: 4096,
                to: 8192,
                place: 4096,
            },
            Event::Data {
                from: 8192,
                to: BYTES,
                place: 8192,
            },
        ] {
            index.push(0, Record::Part(part));
        }
        index.push(0, Record::End(State::default()));
        fs::write(folder.join(index_name(0)), index.take(0).1).unwrap();
        let saved = Saved::open(folder).unwrap();
        saved.contradictions(&saved.runs[0].1, true).unwrap()
    }

    #[test]
    fn a_word_of_another_lap_says_which_promise_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let lap = (RING / 4) as u32;
        // What is suspect may be anything.
        let suspect = |words: &mut Vec<u32>| words[1024..2048].fill(7);
        let right = recording(folder.path(), suspect);
        assert_eq!((right.wrong(), right.words), (0, (BYTES - 4096) / 4));
        assert_eq!((right.lead_least, right.lag_least), (512, 64));
        let early = recording(folder.path(), |words| {
            words[2048..2058].iter_mut().for_each(|word| *word += lap);
        });
        assert_eq!((early.overwritten, early.first), (10, Some(8192)));
        assert_eq!((early.lead_least, early.lag_least), (512 + 40, 64));
        let late = recording(folder.path(), |words| {
            for word in &mut words[3000..3003] {
                *word = word.wrapping_sub(lap);
            }
        });
        assert_eq!((late.stale, late.lag_least), (3, 64 + 12));
        let other = recording(folder.path(), |words| words[5000] += 1);
        assert_eq!((other.other, other.first), (1, Some(20_000)));
    }
}
