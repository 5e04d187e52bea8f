// SPDX-License-Identifier: MIT

//! What a console server that speaks telnet (RFC 854, RFC 2217) puts between the bytes of its line.

#![forbid(unsafe_code)]

use std::io::Write;

/// "Interpret as command".
const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
/// Begin and end of a subnegotiation.
const SB: u8 = 250;
const SE: u8 = 240;

/// Leaves commands out of what comes, and refuses every option: the server keeps its line's settings.
/// A server that does not speak telnet sends no byte of 255 between frames.
pub(super) struct Telnet<W> {
    state: State,
    data: Vec<u8>,
    /// Where refusals go to. A command may stand between any two bytes, so also within a frame.
    answers: W,
}

#[derive(Clone, Copy)]
enum State {
    Data,
    Command,
    /// After one of WILL, WONT, DO, DONT.
    Option(u8),
    /// Within a subnegotiation.
    Within,
    WithinCommand,
}

impl<W: Write> Telnet<W> {
    pub(super) fn new(answers: W) -> Self {
        Self {
            state: State::Data,
            data: Vec::new(),
            answers,
        }
    }

    /// The data in `bytes`, which follow those of the last call.
    pub(super) fn data(&mut self, bytes: &[u8]) -> &[u8] {
        self.data.clear();
        for &byte in bytes {
            self.state = self.take(byte);
        }
        &self.data
    }

    fn take(&mut self, byte: u8) -> State {
        match (self.state, byte) {
            (State::Data, IAC) => State::Command,
            (State::Command, WILL | WONT | DO | DONT) => State::Option(byte),
            (State::Command, SB) | (State::WithinCommand, IAC) => State::Within,
            (State::Within, IAC) => State::WithinCommand,
            (State::Within, _) => State::Within,
            (State::WithinCommand, SE) => State::Data,
            (State::WithinCommand, _) => State::Within,
            (State::Option(asked), option) => {
                let refusal = match asked {
                    WILL => Some(DONT),
                    DO => Some(WONT),
                    _ => None,
                };
                if let Some(refusal) = refusal {
                    // If it cannot be sent, the line is gone, and the next frame cannot either.
                    let _ = self.answers.write_all(&[IAC, refusal, option]);
                }
                State::Data
            }
            (State::Data, _) | (State::Command, IAC) => {
                self.data.push(byte);
                State::Data
            }
            (State::Command, _) => State::Data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_left_out_and_options_refused_however_they_are_cut() {
        let stream = [
            &b"ab"[..],
            &[IAC, WILL, 1, IAC, DO, 44],
            b"cd",
            &[IAC, SB, 44, 101, IAC, IAC, 0, IAC, SE],
            b"e",
            &[IAC, 241, IAC, WONT, 3, IAC, DONT, 3, IAC, IAC],
            b"f",
        ]
        .concat();
        for size in 1..stream.len() {
            let mut answers = Vec::new();
            let mut telnet = Telnet::new(&mut answers);
            let data: Vec<u8> = stream
                .chunks(size)
                .flat_map(|bytes| telnet.data(bytes).to_vec())
                .collect();
            assert_eq!(data, b"abcde\xfff", "in pieces of {size}");
            assert_eq!(answers, [IAC, DONT, 1, IAC, WONT, 44]);
        }
    }
}
