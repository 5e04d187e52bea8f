// SPDX-License-Identifier: MIT

//! Reads an index up to the first bad record.

use std::io::{self, Read};

use super::{
    CRC, RECORD,
    record::{Record, WORDS},
    write::{CHECKSUM, VERSION},
};

/// A record, and when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds of a monotonic clock.
    pub time: u64,
    /// What it says.
    pub record: Record,
}

/// The good records from the begin on, without those that fill blocks up.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    run: Option<u64>,
    sequence: u64,
    bad: bool,
    newer: Option<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads from `from`, which should be buffered.
    pub fn new(from: R) -> Self {
        Self {
            from,
            run: None,
            sequence: 0,
            bad: false,
            newer: None,
        }
    }

    /// Reads from `from`, which has record `number` of an index next: those before it are not looked at.
    pub fn from_record(number: u64, from: R) -> Self {
        Self {
            sequence: number,
            ..Self::new(from)
        }
    }

    /// Bytes of the good records, and of those that were not looked at.
    pub fn good(&self) -> u64 {
        self.sequence * RECORD as u64
    }

    /// Whether something came behind the good records that is none: the rest of a write that a power cut
    /// interrupted, or damage. Zeroes in the place of the first record are none: room that was never written to.
    pub fn has_tail(&self) -> bool {
        self.bad
    }

    /// The version of the records that follow the good ones, where it is later than those that are read here.
    pub fn newer(&self) -> Option<u8> {
        self.newer
    }

    /// The next record of any kind.
    fn record(&mut self) -> io::Result<Option<Entry>> {
        let mut bytes = [0; RECORD];
        let mut length = 0;
        while length < RECORD {
            match self.from.read(&mut bytes[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let entry = match length {
            RECORD => self.decode(&bytes),
            _ => None,
        };
        let is_unused = self.sequence == 0 && bytes == [0; RECORD];
        self.bad = entry.is_none() && length > 0 && !is_unused;
        self.sequence += u64::from(entry.is_some());
        Ok(entry)
    }

    fn decode(&mut self, bytes: &[u8; RECORD]) -> Option<Entry> {
        let (checksum, rest) = bytes.split_first_chunk::<CHECKSUM>()?;
        if u32::from_le_bytes(*checksum) != CRC.checksum(rest) {
            return None;
        }
        let (&[kind, version, low, high], rest) = rest.split_first_chunk()?;
        let (words, _) = rest.as_chunks::<8>();
        let mut words = words.iter().copied().map(u64::from_le_bytes);
        let (run, sequence, time) = (words.next()?, words.next()?, words.next()?);
        let mut body = [0; WORDS];
        for word in &mut body {
            *word = words.next()?;
        }
        if version > VERSION {
            self.newer = Some(version);
        }
        if version != VERSION || sequence != self.sequence || *self.run.get_or_insert(run) != run {
            return None;
        }
        let record = Record::from_body((kind, u16::from_le_bytes([low, high]), body))?;
        Some(Entry { time, record })
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.bad {
            match self.record() {
                Ok(Some(entry)) if entry.record == Record::Fill => {}
                Ok(Some(entry)) => return Some(Ok(entry)),
                Ok(None) => return None,
                Err(error) => {
                    self.bad = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
