// SPDX-License-Identifier: MIT

//! Keeps several requests in flight, and knows how long the contiguous prefix is.

use std::{collections::VecDeque, io};

use nix::errno::Errno;

use super::{Moved, Piece};
use crate::{error::errno_of, signals::Stop};

/// What requests are given to.
pub(super) trait Queue {
    /// Whether another request fits.
    fn has_room(&self) -> bool;

    /// Begins the request `piece`, and names it.
    fn begin(&mut self, piece: Piece) -> io::Result<usize>;

    /// Waits for the end of any request: its name, and the bytes that it moved. An error is not
    /// about a request, which stay in flight.
    fn wait(&mut self) -> io::Result<(usize, io::Result<u32>)>;
}

struct Request {
    name: usize,
    length: u64,
    /// Its result, once it has ended.
    result: Option<io::Result<u32>>,
}

/// What has been retired, in the order of the requests.
#[derive(Default)]
struct Prefix {
    bytes: u64,
    error: Option<Errno>,
    /// A request was short or failed: what comes after it is not contiguous.
    ended: bool,
}

impl Prefix {
    fn retire(&mut self, length: u64, result: io::Result<u32>) {
        if self.ended {
            return;
        }
        match result {
            Ok(bytes) => {
                self.bytes += u64::from(bytes);
                self.ended = u64::from(bytes) < length;
            }
            Err(error) => {
                self.error = Some(errno_of(&error));
                self.ended = true;
            }
        }
    }
}

/// Moves `piece` in requests of `chunk` bytes. Ends with the first request that fails or is short,
/// or when `stop` says so, and returns when nothing is in flight: the contiguous prefix, and what
/// stopped it, if that was an error.
pub(super) fn run(queue: &mut dyn Queue, piece: Piece, chunk: u32, stop: &Stop) -> Moved {
    let mut requests: VecDeque<Request> = VecDeque::new();
    let mut prefix = Prefix::default();
    let mut asked = 0;
    let mut refused = None;
    loop {
        while asked < piece.length
            && refused.is_none()
            && !prefix.ended
            && !stop.requested()
            && queue.has_room()
        {
            let length = (piece.length - asked).min(chunk.into());
            match queue.begin(Piece {
                offset: piece.offset + asked,
                length,
                position: piece.position + asked,
            }) {
                Ok(name) => {
                    requests.push_back(Request {
                        name,
                        length,
                        result: None,
                    });
                    asked += length;
                }
                Err(error) => refused = Some(errno_of(&error)),
            }
        }
        if requests.is_empty() {
            break;
        }
        match queue.wait() {
            Ok((name, result)) => {
                let ended = requests
                    .iter_mut()
                    .find(|request| request.name == name && request.result.is_none());
                if let Some(request) = ended {
                    request.result = Some(result);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                refused = Some(errno_of(&error));
                break;
            }
        }
        while let Some(request) = requests.pop_front_if(|request| request.result.is_some()) {
            if let Some(result) = request.result {
                prefix.retire(request.length, result);
            }
        }
    }
    Moved {
        bytes: prefix.bytes,
        // What was refused comes after the prefix.
        error: prefix.error.or(refused.filter(|_| !prefix.ended)),
        ..Moved::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: u32 = 65536;

    /// Up to four requests in flight; the youngest ends first. `results` is by request.
    struct Backwards {
        results: Vec<io::Result<u32>>,
        flying: Vec<usize>,
        begun: usize,
        stop: Stop,
    }

    impl Queue for Backwards {
        fn has_room(&self) -> bool {
            self.flying.len() < 4
        }

        fn begin(&mut self, piece: Piece) -> io::Result<usize> {
            assert_eq!(piece.offset, self.begun as u64 * u64::from(CHUNK));
            self.flying.push(self.begun);
            self.begun += 1;
            Ok(self.begun - 1)
        }

        fn wait(&mut self) -> io::Result<(usize, io::Result<u32>)> {
            let name = self.flying.pop().unwrap();
            let result = std::mem::replace(&mut self.results[name], Ok(0));
            if matches!(&result, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
                self.stop.request();
                self.results[name] = Ok(CHUNK);
                self.flying.push(name);
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok((name, result))
        }
    }

    fn play(results: Vec<io::Result<u32>>) -> (Moved, usize) {
        let piece = Piece {
            offset: 0,
            length: results.len() as u64 * u64::from(CHUNK),
            position: 0,
        };
        let stop = Stop::default();
        let mut queue = Backwards {
            results,
            flying: Vec::new(),
            begun: 0,
            stop: stop.clone(),
        };
        let moved = run(&mut queue, piece, CHUNK, &stop);
        assert!(queue.flying.is_empty(), "something is still in flight");
        (moved, queue.begun)
    }

    fn bytes(moved: Moved) -> (u64, Option<Errno>) {
        (moved.bytes, moved.error)
    }

    #[test]
    fn everything_arrives_in_any_order() {
        let (moved, begun) = play((0..9).map(|_| Ok(CHUNK)).collect());
        assert_eq!((bytes(moved), begun), ((9 * 65536, None), 9));
    }

    #[test]
    fn the_prefix_ends_at_the_oldest_failure() {
        let fail = |errno: Errno| Err(io::Error::from(errno));
        let (moved, _) = play(vec![
            Ok(CHUNK),
            Ok(CHUNK),
            fail(Errno::EIO),
            fail(Errno::ENOSPC),
            Ok(CHUNK),
        ]);
        assert_eq!(bytes(moved), (2 * 65536, Some(Errno::EIO)));
    }

    #[test]
    fn a_short_request_ends_it_without_an_error() {
        let (moved, begun) = play(vec![Ok(CHUNK), Ok(512), Ok(CHUNK), Ok(CHUNK), Ok(CHUNK)]);
        assert_eq!((bytes(moved), begun), ((65536 + 512, None), 5));
    }

    #[test]
    fn a_signal_stops_submission_and_waits_for_what_is_in_flight() {
        let mut results: Vec<_> = (0..9).map(|_| Ok(CHUNK)).collect();
        results[3] = Err(io::ErrorKind::Interrupted.into());
        let (moved, begun) = play(results);
        assert_eq!((bytes(moved), begun), ((4 * 65536, None), 4));
    }
}
