// SPDX-License-Identifier: MIT

//! The loop that feeds an engine: windows, signals, and what to make of a short result.

#![forbid(unsafe_code)]

use std::{
    fs::File,
    time::{Duration, Instant},
};

use nix::errno::Errno;

use crate::{
    engine::{Engine, Moved, Piece},
    signals::Stop,
};

/// Moves `all` with `engine`, in pieces of the engine's window. Returns the contiguous prefix that
/// was moved and what stopped it, `EINTR` after a signal; `progress` gets the bytes moved so far.
pub fn run(
    engine: &mut dyn Engine,
    other: &File,
    all: Piece,
    stop: &Stop,
    progress: &mut dyn FnMut(u64),
) -> Moved {
    // Grows until a window takes half a second: the speed of the target is not known yet.
    let mut window = in_flight(engine);
    let mut total = Moved::default();
    while total.bytes < all.length && total.error.is_none() {
        if stop.requested() {
            total.error = Some(Errno::EINTR);
            break;
        }
        let piece = Piece {
            offset: all.offset + total.bytes,
            length: (all.length - total.bytes).min(window),
            position: all.position + total.bytes,
        };
        let began = Instant::now();
        let moved = engine.transfer(other, piece, stop);
        log::debug!(
            "{:#x} bytes from {:#x} to {:#x}: {moved:?}",
            piece.length,
            piece.offset,
            piece.position
        );
        total.bytes += moved.bytes;
        total.direct += moved.direct;
        total.copied += moved.copied;
        total.skipped += moved.skipped;
        total.error = match moved.error {
            // A signal that is not for us, such as being stopped and continued.
            Some(Errno::EINTR) => None,
            None if moved.bytes == 0 && !stop.requested() => Some(Errno::EIO),
            error => error,
        };
        progress(total.bytes);
        window = next_window(window, began.elapsed(), engine);
    }
    total
}

/// Moves what still fits of `all` to a target that has been too full for a request: by ever smaller
/// ones, down to `block` bytes. Returns as [`run`] does, with `full`, why the target is full, where not all
/// has gone.
pub fn squeeze(
    engine: &mut dyn Engine,
    other: &File,
    all: Piece,
    block: u64,
    full: Errno,
    stop: &Stop,
) -> Moved {
    let mut total = Moved::default();
    let mut length = u64::from(engine.settings().chunk).min(all.length);
    length -= length % block;
    while length > 0 && total.bytes < all.length {
        if stop.requested() {
            total.error = Some(Errno::EINTR);
            return total;
        }
        let piece = Piece {
            offset: all.offset + total.bytes,
            length: length.min(all.length - total.bytes),
            position: all.position + total.bytes,
        };
        let moved = engine.transfer(other, piece, stop);
        total.bytes += moved.bytes;
        total.direct += moved.direct;
        total.copied += moved.copied;
        total.skipped += moved.skipped;
        match moved.error {
            None if moved.bytes > 0 => {}
            None | Some(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => {
                length /= 2;
                length -= length % block;
            }
            Some(Errno::EINTR) => {}
            error => {
                total.error = error;
                return total;
            }
        }
    }
    total.error = (total.bytes < all.length).then_some(full);
    total
}

/// Takes less at a time from a slow target, so that progress is notified about once a second.
fn next_window(window: u64, took: Duration, engine: &dyn Engine) -> u64 {
    let chunk = u64::from(engine.settings().chunk);
    let most = engine.window();
    let next = if took > Duration::from_secs(2) {
        window / 2
    } else if took < Duration::from_millis(500) {
        window.saturating_mul(2)
    } else {
        window
    };
    (next - next % chunk).max(chunk).min(most)
}

/// What the engine keeps in flight: less at a time would leave it half idle.
fn in_flight(engine: &dyn Engine) -> u64 {
    let settings = engine.settings();
    (u64::from(settings.chunk) * u64::from(settings.depth)).min(engine.window())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Name, Settings};

    const GIB: u64 = 1 << 30;

    /// Answers from a list, and keeps what it was asked.
    struct Script {
        answers: Vec<Moved>,
        asked: Vec<(u64, u64, u64)>,
    }

    impl Engine for Script {
        fn name(&self) -> Name {
            Name::Kernel
        }

        fn settings(&self) -> Settings {
            Settings {
                chunk: 1 << 30,
                depth: 4,
                mapped: false,
            }
        }

        fn window(&self) -> u64 {
            4 * GIB
        }

        fn transfer(&mut self, _other: &File, piece: Piece, _stop: &Stop) -> Moved {
            self.asked
                .push((piece.offset, piece.length, piece.position));
            self.answers.remove(0)
        }
    }

    fn moved(bytes: u64, error: Option<Errno>) -> Moved {
        Moved {
            bytes,
            direct: bytes,
            error,
            ..Moved::default()
        }
    }

    fn play(answers: &[Moved], length: u64, stop: &Stop) -> (Moved, Vec<(u64, u64, u64)>) {
        let mut script = Script {
            answers: answers.to_vec(),
            asked: Vec::new(),
        };
        let null = File::open("/dev/null").unwrap();
        let all = Piece {
            offset: 4096,
            length,
            position: 512,
        };
        let total = run(&mut script, &null, all, stop, &mut |_| {});
        (total, script.asked)
    }

    #[test]
    fn windows_follow_each_other_beyond_4_gib() {
        let answers = [moved(4 * GIB, None), moved(GIB, None)];
        let (total, asked) = play(&answers, 5 * GIB, &Stop::default());
        assert_eq!(total, moved(5 * GIB, None));
        assert_eq!(
            asked,
            [(4096, 4 * GIB, 512), (4 * GIB + 4096, GIB, 4 * GIB + 512)]
        );
    }

    #[test]
    fn a_slow_target_is_given_less_at_a_time() {
        let script = Script {
            answers: Vec::new(),
            asked: Vec::new(),
        };
        let next = |window, seconds| next_window(window, Duration::from_secs(seconds), &script);
        assert_eq!(next(4 * GIB, 3), 2 * GIB);
        assert_eq!(next(2 * GIB, 1), 2 * GIB);
        assert_eq!(next(2 * GIB, 0), 4 * GIB);
        assert_eq!(next(4 * GIB, 0), 4 * GIB);
        assert_eq!(next(GIB, 3), GIB, "a request is not divided");
    }

    #[test]
    fn an_error_ends_it_with_the_prefix() {
        let answers = [moved(GIB, None), moved(8192, Some(Errno::ENOSPC))];
        let (total, asked) = play(&answers, 2 * GIB, &Stop::default());
        assert_eq!(total, moved(GIB + 8192, Some(Errno::ENOSPC)));
        assert_eq!(asked[1], (GIB + 4096, GIB, GIB + 512));
    }

    /// A target of so many bytes, which takes all of a request or nothing.
    struct Full(u64);

    impl Engine for Full {
        fn name(&self) -> Name {
            Name::Read
        }

        fn settings(&self) -> Settings {
            Settings {
                chunk: 1 << 20,
                depth: 1,
                mapped: false,
            }
        }

        fn window(&self) -> u64 {
            1 << 20
        }

        fn transfer(&mut self, _other: &File, piece: Piece, _stop: &Stop) -> Moved {
            match piece.position + piece.length <= self.0 {
                true => moved(piece.length, None),
                false => moved(0, Some(Errno::ENOSPC)),
            }
        }
    }

    #[test]
    fn what_fits_is_written_whatever_a_request_is() {
        let null = File::open("/dev/null").unwrap();
        for room in [0, 511, 512, 4096, (1 << 20) - 1, (1 << 20) + 4608, 3 << 20] {
            let all = Piece {
                offset: 0,
                length: 2 << 20,
                position: 0,
            };
            let mut full = Full(room);
            let stop = Stop::default();
            let total = squeeze(&mut full, &null, all, 512, Errno::ENOSPC, &stop);
            let fits = (room - room % 512).min(all.length);
            assert_eq!(total.bytes, fits, "{room}");
            let error = (fits < all.length).then_some(Errno::ENOSPC);
            assert_eq!(total.error, error, "{room}");
        }
    }

    #[test]
    fn a_foreign_signal_does_not_end_it() {
        let answers = [
            moved(8192, Some(Errno::EINTR)),
            moved(0, Some(Errno::EINTR)),
            moved(GIB - 8192, None),
        ];
        let (total, _) = play(&answers, GIB, &Stop::default());
        assert_eq!(total, moved(GIB, None));
    }

    #[test]
    fn a_request_to_stop_does() {
        let stop = Stop::default();
        stop.request();
        let (total, asked) = play(&[], GIB, &stop);
        assert_eq!(total, moved(0, Some(Errno::EINTR)));
        assert!(asked.is_empty());
    }

    #[test]
    fn no_progress_without_an_error_is_an_error() {
        let (total, _) = play(&[moved(0, None)], GIB, &Stop::default());
        assert_eq!(total.error, Some(Errno::EIO));
    }
}
