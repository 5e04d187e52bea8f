// SPDX-License-Identifier: MIT

//! Unpacks a compressed file from its start to its end: frames of any size, one after the other,
//! with no more in memory than a frame's window.

use std::io::{self, BufRead, Chain, Cursor, Read};

use lz4_flex::frame::FrameDecoder as Lz4;

use super::{
    compression::{Compression, invalid},
    zstd::Frame,
};

/// Bytes of the shortest header of a frame of lz4's.
const LZ4_HEADER: usize = 7;

type Lz4Input<R> = Watched<Chain<Cursor<Vec<u8>>, R>>;

/// Remembers whether its end was reached: the decoder of lz4 takes it for the end of a frame.
struct Watched<R> {
    inner: R,
    ended: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

/// A compressed file.
pub struct Unpacker<R: BufRead> {
    compression: Compression,
    state: State<R>,
}

enum State<R: BufRead> {
    /// Before a frame, or at the end.
    Between(R),
    InZstd(Box<Frame<R>>),
    InLz4(Box<Lz4<Lz4Input<R>>>),
    /// After an error.
    Lost,
}

impl<R: BufRead> Unpacker<R> {
    /// Of what `from` gives.
    pub fn new(from: R, compression: Compression) -> Self {
        Self {
            compression,
            state: State::Between(from),
        }
    }

    /// Fills `buffer`; less only at the end. `InvalidData` for what is not a frame, or is damaged or
    /// cut.
    pub fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.some(&mut buffer[done..])? {
                0 => break,
                read => done += read,
            }
        }
        Ok(done)
    }

    /// At least one byte, but at the end of all frames.
    fn some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Lost) {
                State::Lost => return Err(io::ErrorKind::InvalidData.into()),
                State::Between(mut from) => {
                    if from.fill_buf()?.is_empty() {
                        self.state = State::Between(from);
                        return Ok(0);
                    }
                    self.state = begin(from, self.compression)?;
                }
                State::InZstd(mut frame) => match frame.read(buffer).map_err(invalid)? {
                    0 => {
                        self.state = State::Between(frame.finish().map_err(invalid)?);
                    }
                    read => {
                        self.state = State::InZstd(frame);
                        return Ok(read);
                    }
                },
                State::InLz4(mut frame) => match frame.read(buffer).map_err(invalid)? {
                    0 => {
                        let from = frame.into_inner();
                        if from.ended {
                            return Err(io::ErrorKind::InvalidData.into());
                        }
                        self.state = State::Between(from.inner.into_inner().1);
                    }
                    read => {
                        self.state = State::InLz4(frame);
                        return Ok(read);
                    }
                },
            }
        }
    }
}

fn begin<R: BufRead>(mut from: R, compression: Compression) -> io::Result<State<R>> {
    Ok(match compression {
        Compression::Zstd => State::InZstd(Box::new(Frame::new(from).map_err(invalid)?)),
        Compression::Lz4 => {
            // The decoder takes a header that was cut for the end.
            let mut head = vec![0; LZ4_HEADER];
            from.read_exact(&mut head).map_err(invalid)?;
            let inner = Cursor::new(head).chain(from);
            let ended = false;
            State::InLz4(Box::new(Lz4::new(Watched { inner, ended })))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Compression; 2] = [Compression::Zstd, Compression::Lz4];

    fn unpack(packed: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
        let mut from = Unpacker::new(packed, compression);
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 10_000];
        loop {
            match from.fill(&mut buffer)? {
                0 => return Ok(bytes),
                read => bytes.extend(&buffer[..read]),
            }
        }
    }

    #[test]
    fn frames_of_any_size_follow_each_other_to_the_end() {
        for compression in BOTH {
            let blocks = [vec![1; 6 << 20], vec![], vec![2; 5], vec![3; 10_000]];
            let packed: Vec<u8> = blocks
                .iter()
                .flat_map(|block| compression.pack(block).unwrap())
                .collect();
            assert!(unpack(&packed, compression).unwrap() == blocks.concat());
        }
    }

    #[test]
    fn a_file_that_was_cut_anywhere_but_between_frames_is_an_error() {
        for compression in BOTH {
            let noise: Vec<u8> = (0..300u32).map(|n| (n * n / 7) as u8).collect();
            let frame = compression.pack(&noise).unwrap();
            let packed = [frame.clone(), frame.clone()].concat();
            for cut in 1..packed.len() {
                let unpacked = unpack(&packed[..cut], compression);
                assert_eq!(unpacked.is_ok(), cut == frame.len(), "{cut}");
            }
            let behind = [packed, b"trailing".to_vec()].concat();
            assert!(unpack(&behind, compression).is_err());
        }
    }
}
