// SPDX-License-Identifier: MIT

//! What a record says, and its bytes.

use crate::recording::{
    layout::Gaps,
    planner::{Account, Cause, Event},
};

/// 64-bit words of a record behind its header.
pub(super) const WORDS: usize = 12;

/// The kind, the detail and the words of a record.
pub(super) type Body = (u8, u16, [u64; WORDS]);

/// What a run of the recorder begins with. Sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Offset in the stream of the first byte.
    pub begin: u64,
    /// Position of the device less offset in the stream, modulo 2^64.
    pub shift: u64,
    /// Size of the ring.
    pub ring: u64,
    /// Declared lead of the device.
    pub lead: u64,
    /// Declared lag of the device.
    pub lag: u64,
    /// Declared greatest rate of the device in bytes a second, or 0.
    pub max_rate: u64,
    /// Size of a segment.
    pub segment: u64,
    /// Block of the disk.
    pub block: u64,
    /// Nanoseconds since 1970, or 0 where the clock was not set.
    pub realtime: u64,
    /// What becomes of lost bytes.
    pub gaps: Gaps,
    /// The position is a place in the ring alone: evidence is bounded by the greatest rate, not exact.
    pub bounded: bool,
}

/// Where a recording is. Bytes, unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Bytes that the device has put into memory.
    pub produced: u64,
    /// Proven whole.
    pub recorded: u64,
    /// Suspect.
    pub suspect: u64,
    /// Lost.
    pub gap: u64,
    /// Least headroom so far.
    pub headroom: Option<i64>,
    /// Most of the ring that was in use so far.
    pub occupied: u64,
    /// Greatest rate so far in bytes a second.
    pub peak: u64,
    /// Longest time that a write took so far, in nanoseconds.
    pub stall: u64,
    /// `gap` is the least that is missing.
    pub at_least: bool,
    /// It ended before bytes that are lost.
    pub cut: bool,
}

impl State {
    /// Of an account, of `produced` bytes.
    pub fn new(account: &Account, produced: u64, stall: u64) -> Self {
        Self {
            produced,
            recorded: account.recorded,
            suspect: account.suspect,
            gap: account.gap,
            headroom: account.headroom,
            occupied: account.occupied,
            peak: account.peak,
            stall,
            at_least: account.at_least,
            cut: account.cut,
        }
    }
}

/// A record of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Fills a block up.
    Fill,
    /// The first of a run.
    Origin(Origin),
    /// What was decided on a part of the stream.
    Part(Event),
    /// The device was at an offset of the stream when it was this time of the real-time clock, in nanoseconds.
    Time {
        /// Offset.
        offset: u64,
        /// Nanoseconds since 1970.
        realtime: u64,
    },
    /// A trigger came when the device was at an offset of the stream.
    Trigger {
        /// Offset.
        offset: u64,
    },
    /// A segment was begun: its number, and the offset of the stream that it begins with.
    Segment {
        /// Number.
        number: u64,
        /// Offset.
        from: u64,
    },
    /// Everything before this is on the medium.
    Checkpoint(State),
    /// The recording was ended, and nothing is missing behind this.
    End(State),
}

const FILL: u8 = 0;
const ORIGIN: u8 = 1;
const DATA: u8 = 2;
const GAP: u8 = 3;
const SUSPECT: u8 = 4;
const TIME: u8 = 5;
const TRIGGER: u8 = 6;
const SEGMENT: u8 = 7;
const CHECKPOINT: u8 = 8;
const END: u8 = 9;

const BOUNDED: u16 = 1 << 8;
const AT_LEAST: u16 = 1 << 0;
const CUT: u16 = 1 << 1;
const HEADROOM: u16 = 1 << 2;

impl Record {
    pub(super) fn body(&self) -> Body {
        match *self {
            Self::Fill => (FILL, 0, [0; WORDS]),
            Self::Origin(origin) => origin_body(&origin),
            Self::Part(Event::Data { from, to, place }) => (DATA, 0, words([from, to, place])),
            Self::Part(Event::Suspect { from, to, place }) => {
                (SUSPECT, 0, words([from, to, place]))
            }
            Self::Part(Event::Gap {
                from,
                to,
                place,
                cause,
            }) => (GAP, cause_code(cause), words([from, to, place])),
            Self::Time { offset, realtime } => (TIME, 0, words([offset, realtime])),
            Self::Trigger { offset } => (TRIGGER, 0, words([offset])),
            Self::Segment { number, from } => (SEGMENT, 0, words([number, from])),
            Self::Checkpoint(state) => state_body(CHECKPOINT, &state),
            Self::End(state) => state_body(END, &state),
        }
    }

    /// `None` for what no writer of this version writes.
    pub(super) fn from_body((kind, detail, words): Body) -> Option<Self> {
        let [one, two, three, ..] = words;
        let ordered = one <= two;
        Some(match kind {
            FILL => Self::Fill,
            ORIGIN => Self::Origin(origin(detail, &words)?),
            DATA if ordered => Self::Part(Event::Data {
                from: one,
                to: two,
                place: three,
            }),
            SUSPECT if ordered => Self::Part(Event::Suspect {
                from: one,
                to: two,
                place: three,
            }),
            GAP if ordered => Self::Part(Event::Gap {
                from: one,
                to: two,
                place: three,
                cause: cause(detail)?,
            }),
            TIME => Self::Time {
                offset: one,
                realtime: two,
            },
            TRIGGER => Self::Trigger { offset: one },
            SEGMENT => Self::Segment {
                number: one,
                from: two,
            },
            CHECKPOINT => Self::Checkpoint(state(detail, &words)),
            END => Self::End(state(detail, &words)),
            _ => return None,
        })
    }
}

fn words<const N: usize>(given: [u64; N]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    words[..N].copy_from_slice(&given);
    words
}

fn origin_body(origin: &Origin) -> Body {
    let gaps = match origin.gaps {
        Gaps::Hole => 0,
        Gaps::Skip => 1,
        Gaps::Stop => 2,
    };
    let bounded = if origin.bounded { BOUNDED } else { 0 };
    let words = words([
        origin.begin,
        origin.shift,
        origin.ring,
        origin.lead,
        origin.lag,
        origin.max_rate,
        origin.segment,
        origin.block,
        origin.realtime,
    ]);
    (ORIGIN, gaps | bounded, words)
}

fn origin(detail: u16, words: &[u64; WORDS]) -> Option<Origin> {
    let gaps = match detail & 0xff {
        0 => Gaps::Hole,
        1 => Gaps::Skip,
        2 => Gaps::Stop,
        _ => return None,
    };
    let &[
        begin,
        shift,
        ring,
        lead,
        lag,
        max_rate,
        segment,
        block,
        realtime,
        ..,
    ] = words;
    Some(Origin {
        begin,
        shift,
        ring,
        lead,
        lag,
        max_rate,
        segment,
        block,
        realtime,
        gaps,
        bounded: detail & BOUNDED != 0,
    })
}

fn state_body(kind: u8, state: &State) -> Body {
    let flag = |is: bool, flag: u16| if is { flag } else { 0 };
    let detail = flag(state.at_least, AT_LEAST)
        | flag(state.cut, CUT)
        | flag(state.headroom.is_some(), HEADROOM);
    let words = words([
        state.produced,
        state.recorded,
        state.suspect,
        state.gap,
        state.headroom.unwrap_or(0).cast_unsigned(),
        state.occupied,
        state.peak,
        state.stall,
    ]);
    (kind, detail, words)
}

fn state(detail: u16, words: &[u64; WORDS]) -> State {
    let &[
        produced,
        recorded,
        suspect,
        gap,
        headroom,
        occupied,
        peak,
        stall,
        ..,
    ] = words;
    State {
        produced,
        recorded,
        suspect,
        gap,
        headroom: (detail & HEADROOM != 0).then_some(headroom.cast_signed()),
        occupied,
        peak,
        stall,
        at_least: detail & AT_LEAST != 0,
        cut: detail & CUT != 0,
    }
}

fn cause_code(cause: Cause) -> u16 {
    match cause {
        Cause::Overrun => 0,
        Cause::Unknown => 1,
        Cause::Write => 2,
        Cause::Discarded => 3,
    }
}

fn cause(code: u16) -> Option<Cause> {
    match code {
        0 => Some(Cause::Overrun),
        1 => Some(Cause::Unknown),
        2 => Some(Cause::Write),
        3 => Some(Cause::Discarded),
        _ => None,
    }
}
