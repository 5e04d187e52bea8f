// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What of a transfer is in flight and what has arrived: plain `core` code.
//!
//! Requests take turns in a ring of slots and are retired in the order of submission, so what has
//! been retired without an error is the contiguous prefix that is on the target, whatever happened
//! behind it.
//!
//! Included by the module, and by a test of the `kmod-tests` crate that tries every interleaving of
//! submitter, callbacks and a signal.
//!
//! No lock is taken here.

/// A request in flight: what it moves.
#[derive(Clone, Copy)]
pub(crate) struct Flight {
    /// Where it begins, in bytes from the begin of the transfer.
    pub(crate) offset: u64,
    pub(crate) length: u32,
    /// A processor copies the bytes.
    pub(crate) copied: bool,
}

/// A ring of slots, each of which holds one request at a time.
pub(crate) trait Requests {
    type Error;

    /// Starts a request of its own choice for what follows `offset` and ends before `end`, in a
    /// slot with nothing in flight. Returns where the next one begins; an error has started nothing.
    fn submit(&mut self, slot: usize, offset: u64, end: u64) -> Result<u64, Self::Error>;

    /// Waits for the request in a slot and returns what it was for, and bytes or an error. Nothing
    /// is in flight there then.
    ///
    /// With `interruptible`, a signal ends the wait with an error, and the request stays in flight.
    #[expect(clippy::type_complexity)]
    fn wait(
        &mut self,
        slot: usize,
        interruptible: bool,
    ) -> Result<(Flight, Result<usize, Self::Error>), Self::Error>;
}

/// How a transfer ended: the contiguous prefix that was moved, how much of it a processor copied,
/// and what stopped it short of the whole.
pub(crate) struct Outcome<E> {
    pub(crate) moved: u64,
    pub(crate) copied: u64,
    pub(crate) error: Option<E>,
}

impl<E> Outcome<E> {
    /// Submits from `moved` on, with at most `depth` requests in flight, until `end`, an error, a
    /// short result or a signal. When it returns nothing is in flight.
    pub(crate) fn pipeline(
        &mut self,
        requests: &mut impl Requests<Error = E>,
        depth: usize,
        end: u64,
    ) {
        let mut next = self.moved;
        let (mut submitted, mut retired) = (0, 0);
        let mut stop = false;

        loop {
            while !stop && next < end && submitted - retired < depth {
                match requests.submit(submitted % depth, next, end) {
                    Ok(after) => {
                        next = after;
                        submitted += 1;
                    }
                    Err(error) => {
                        self.error = Some(error);
                        stop = true;
                    }
                }
            }
            if submitted == retired {
                break;
            }
            match requests.wait(retired % depth, !stop) {
                // The request is still in flight: come back for it without listening to signals.
                Err(error) => {
                    self.error = Some(error);
                    stop = true;
                }
                Ok((flight, result)) => {
                    retired += 1;
                    stop |= !self.retire(flight, result);
                }
            }
        }
        // A signal that came when everything was on its way stopped nothing.
        if self.moved == end {
            self.error = None;
        }
    }

    /// Takes in the result of a request if it continues the prefix; `false` if the prefix ends here.
    fn retire(&mut self, flight: Flight, result: Result<usize, E>) -> bool {
        if flight.offset != self.moved {
            return false;
        }
        match result {
            Ok(bytes) => {
                self.moved += bytes as u64;
                if flight.copied {
                    self.copied += bytes as u64;
                }
                bytes == flight.length as usize
            }
            Err(error) => {
                self.error = Some(error);
                false
            }
        }
    }
}
