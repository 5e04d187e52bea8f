// SPDX-License-Identifier: MIT

//! A line of text that survives a console: `#D12:…base64…:0123abcd`, with a CRC-32C of what is
//! between `#` and the last colon. Whatever else is on a console, such as kernel messages, is not a
//! frame; a frame that was damaged is none either.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use crc::{CRC_32_ISCSI, Crc, Table};

static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From the sender: what comes, as JSON.
    Hello,
    /// From the sender: block `number`.
    Data,
    /// From the sender: that was all, `number` blocks, as JSON.
    End,
    /// From the sender: what of all that is there?, question `number`.
    Poll,
    /// From the sender of session `number`: the last word was heard.
    Bye,
    /// From the receiver: send from block `number` on, as JSON.
    Start,
    /// From the receiver: all blocks before `number` are there, and what [`Seen`] says.
    Ack,
    /// From the receiver, to a sender of version 1: as [`Kind::Ack`], and what came after was lost.
    Lost,
    /// From the receiver: what is it that comes?
    Who,
    /// From the receiver: everything has been checked and stored, as JSON. `number` is the session's, to a
    /// sender of version 1 that of blocks.
    Done,
    /// From the receiver to session `number`: it failed, as JSON.
    Fail,
}

/// All kinds, with their letters. Version 1 knows `HDEALZ`, and passes over others.
pub const LETTERS: [(Kind, char); 11] = [
    (Kind::Hello, 'H'),
    (Kind::Data, 'D'),
    (Kind::End, 'E'),
    (Kind::Poll, 'P'),
    (Kind::Bye, 'B'),
    (Kind::Start, 'S'),
    (Kind::Ack, 'A'),
    (Kind::Lost, 'L'),
    (Kind::Who, 'W'),
    (Kind::Done, 'Z'),
    (Kind::Fail, 'X'),
];

/// What an [`Kind::Ack`] carries, in version 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The last question that came.
    pub poll: u32,
    /// Blocks that came before those that they follow: bit 0 is the one after the one that is wanted.
    pub later: u64,
}

impl Seen {
    /// As it is carried.
    pub fn encode(self) -> Vec<u8> {
        [&self.poll.to_be_bytes()[..], &self.later.to_be_bytes()].concat()
    }

    /// Nothing, where there is none.
    pub fn decode(payload: &[u8]) -> Self {
        let (Some(poll), Some(later)) = (payload.first_chunk(), payload.last_chunk()) else {
            return Self::default();
        };
        match payload.len() {
            12 => Self {
                poll: u32::from_be_bytes(*poll),
                later: u64::from_be_bytes(*later),
            },
            _ => Self::default(),
        }
    }
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// Of a block.
    pub number: u64,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// One that carries nothing.
    pub fn bare(kind: Kind, number: u64) -> Self {
        Self {
            kind,
            number,
            payload: Vec::new(),
        }
    }

    /// The line, with its end.
    pub fn encode(&self) -> String {
        let letter = LETTERS
            .iter()
            .find(|(kind, _)| *kind == self.kind)
            .map_or('?', |(_, letter)| *letter);
        let body = format!("{letter}{:x}:{}", self.number, BASE64.encode(&self.payload));
        format!("#{body}:{:08x}\n", CRC.checksum(body.as_bytes()))
    }

    /// The frame at the end of a line; `None` when there is none, or it was damaged.
    pub fn decode(line: &[u8]) -> Option<Self> {
        let start = line.iter().rposition(|&byte| byte == b'#')? + 1;
        let text = str::from_utf8(&line[start..]).ok()?.trim_end();
        let (body, sum) = text.rsplit_once(':')?;
        if u32::from_str_radix(sum, 16).ok()? != CRC.checksum(body.as_bytes()) {
            return None;
        }
        let (head, payload) = body.split_once(':')?;
        let mut letters = head.chars();
        let letter = letters.next()?;
        let (kind, _) = LETTERS.iter().find(|(_, known)| *known == letter)?;
        Some(Self {
            kind: *kind,
            number: u64::from_str_radix(letters.as_str(), 16).ok()?,
            payload: BASE64.decode(payload).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Frame {
        Frame {
            kind: Kind::Data,
            number: 0x12,
            payload: (0..=255).collect(),
        }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        for (kind, _) in LETTERS {
            for frame in [Frame { kind, ..data() }, Frame::bare(kind, u64::MAX)] {
                assert_eq!(Frame::decode(frame.encode().as_bytes()), Some(frame));
            }
        }
    }

    #[test]
    fn what_was_seen_is_carried() {
        for (poll, later) in [(0, 0), (7, 1), (u32::MAX, 1 << 63)] {
            let seen = Seen { poll, later };
            assert_eq!(Seen::decode(&seen.encode()), seen);
        }
        // As version 1 has it, or nothing that was meant.
        assert_eq!(Seen::decode(&[]), Seen::default());
        assert_eq!(Seen::decode(&[1; 13]), Seen::default());
    }

    #[test]
    fn what_a_console_adds_does_no_harm() {
        let line = data().encode().replace('\n', "\r\n");
        let line = format!("[   12.345678] random: #1 crng init done {line}");
        assert_eq!(Frame::decode(line.as_bytes()), Some(data()));
        assert_eq!(Frame::decode(b"~ # ls -l\r\n"), None);
        assert_eq!(Frame::decode(b""), None);
    }

    #[test]
    fn any_damaged_byte_is_noticed() {
        let line = data().encode().into_bytes();
        // The end of the line is not part of it.
        for at in 0..line.len() - 1 {
            let mut changed = line.clone();
            changed[at] ^= 4;
            assert_eq!(Frame::decode(&changed), None, "byte {at} changed");
            let mut shorter = line.clone();
            shorter.remove(at);
            assert_eq!(Frame::decode(&shorter), None, "byte {at} lost");
        }
    }
}
