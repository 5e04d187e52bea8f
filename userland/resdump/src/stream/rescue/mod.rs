// SPDX-License-Identifier: MIT

//! A dump over a link that drops, repeats and corrupts: blocks with numbers and check sums. Either end
//! may be started again; it resumes where the receiver is.
//!
//! ```text
//! sender                                  receiver
//! H blocks: Header
//!                                         S first: Start
//! D number: block                         A wanted: Seen, after each block
//! P number: what have you?                A wanted: Seen, with that number
//! E blocks: Trailer
//!                                         A wanted, again and again while it checks and stores
//!                                         Z or X session: Verdict
//! B session
//! ```
//!
//! What was sent arrives in that order or not at all. So a block is lost, and only then, when one that was
//! sent after it has arrived, or the answer to a question that was asked after it. No clock says that a
//! block is lost: at 1200 baud it takes a minute. A clock only says when to ask.
//!
//! A sender of version 1 knows `H D E` and `A L Z`: it takes `L wanted` for the word to send again from
//! there, and `Z` for the end. It is served. A receiver of version 1 says `Z` whatever has become of the
//! dump; it is recognised by its answer to `H`, and nothing is sent to it.

use std::time::Duration;

use nix::errno::Errno;

use super::messages::{Header, Trailer, Verdict};
use crate::error::Result;

mod receiver;
mod sender;
#[cfg(test)]
mod tests;

pub use receiver::receive;
pub use sender::send;

/// Bytes of a block: half a second at 115200 baud when it cannot be compressed.
pub const BLOCK: u64 = 4096;

/// Most blocks on their way.
const WINDOW: u64 = 64;

/// How long to wait for the other end.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a question is asked.
    pub again: Duration,
    /// Until the other end is taken for dead.
    pub give_up: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            again: Duration::from_secs(2),
            give_up: Duration::from_secs(60),
        }
    }
}

/// The end, where there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Not a byte came.
    Silence,
    /// Bytes came, and no frame among them.
    NoFrames,
    /// The other end says the same again and again: it does not hear.
    Deaf,
    /// The other end was heard, and is silent now.
    Gone,
    /// The receiver is of version 1: it says nothing that can be relied on.
    Old,
    /// The line or the source failed, or a signal came.
    Failed(Errno),
}

/// What a receiver does with what comes.
pub trait Sink: Send {
    /// A sender says what comes, in `blocks` blocks. The number of the first that is wanted.
    fn begin(&mut self, header: Header, blocks: u64) -> Result<u64>;

    /// The next block.
    fn block(&mut self, payload: &[u8]) -> Result<()>;

    /// That was all, or `error` ended it: checks and stores, and says what is there.
    fn finish(&mut self, trailer: std::result::Result<&Trailer, End>) -> Verdict;
}

/// Why no more comes.
#[derive(Debug)]
pub enum End {
    /// The sink has failed.
    Error(crate::error::Error),
    /// The line.
    Broken(Broken),
}
