// SPDX-License-Identifier: MIT

//! Unpacks a compressed file from its start to its end: frames of any size, one after the other,
//! with no more in memory than a frame's window.

use std::{
    cell::Cell,
    io::{self, BufRead, Chain, Cursor, Read},
    rc::Rc,
};

use lz4_flex::frame::FrameDecoder as Lz4;

use super::{
    compression::{Compression, invalid},
    zstd::Frame,
};

/// Bytes of the shortest header of a frame of lz4's.
const LZ4_HEADER: usize = 7;

/// Notes whether its end was reached: what wants more then was cut.
struct Watched<R> {
    inner: R,
    ended: Rc<Cell<bool>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.ended.set(read == 0 && !buffer.is_empty());
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Watched<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        self.ended.set(bytes.is_empty());
        Ok(bytes)
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

/// A compressed file.
pub struct Unpacker<R: BufRead> {
    compression: Compression,
    state: State<R>,
    ended: Rc<Cell<bool>>,
    /// What comes after the bytes that were unpacked before it.
    failed: Option<io::Error>,
}

/// The packed bytes from the first on: those that the magic was read from, then the rest.
type Whole<R> = Chain<Cursor<Vec<u8>>, Watched<R>>;

enum State<R: BufRead> {
    /// Before a frame, or at the end.
    Between(Watched<R>),
    InZstd(Box<Frame<Watched<R>>>),
    InLz4(Box<Lz4<Whole<R>>>),
    /// After an error.
    Lost,
}

impl<R: BufRead> Unpacker<R> {
    /// Of what `from` gives.
    pub fn new(from: R, compression: Compression) -> Self {
        let ended = Rc::new(Cell::new(false));
        Self {
            compression,
            state: State::Between(Watched {
                inner: from,
                ended: Rc::clone(&ended),
            }),
            ended,
            failed: None,
        }
    }

    /// Fills `buffer`; less only at the end, or before an error. `UnexpectedEof` for what ends within a frame,
    /// `InvalidData` for what is not a frame, or is damaged.
    pub fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut done = 0;
        while done < buffer.len() {
            match self.some(&mut buffer[done..]).map_err(|it| self.why(it)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if done == 0 => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(done)
    }

    fn why(&self, error: io::Error) -> io::Error {
        match invalid(error) {
            error if error.kind() == io::ErrorKind::InvalidData && self.ended.get() => {
                io::ErrorKind::UnexpectedEof.into()
            }
            error => error,
        }
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
                State::InZstd(mut frame) => match frame.read(buffer)? {
                    0 => {
                        self.state = State::Between(frame.finish()?);
                    }
                    read => {
                        self.state = State::InZstd(frame);
                        return Ok(read);
                    }
                },
                State::InLz4(mut frame) => match frame.read(buffer)? {
                    0 => {
                        // The decoder takes the end of the file for the end of a frame.
                        if self.ended.get() {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        self.state = State::Between(frame.into_inner().into_inner().1);
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

fn begin<R: BufRead>(mut from: Watched<R>, compression: Compression) -> io::Result<State<R>> {
    Ok(match compression {
        Compression::Zstd => State::InZstd(Box::new(Frame::new(from)?)),
        Compression::Lz4 => {
            // The decoder takes a header that was cut for the end.
            let mut head = vec![0; LZ4_HEADER];
            from.read_exact(&mut head)?;
            State::InLz4(Box::new(Lz4::new(Cursor::new(head).chain(from))))
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
    fn what_is_before_a_cut_is_unpacked() {
        for compression in BOTH {
            let frame = compression.pack(&[7; 5000]).unwrap();
            let packed = [&frame[..], &frame, &frame[..frame.len() / 2]].concat();
            let mut from = Unpacker::new(&packed[..], compression);
            let mut buffer = vec![0; 1 << 20];
            let read = from.fill(&mut buffer).unwrap();
            assert!(read >= 10_000 && buffer[..read].iter().all(|byte| *byte == 7));
            let kind = from.fill(&mut buffer).unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::UnexpectedEof, "{compression}");
        }
    }

    #[test]
    fn a_cut_file_and_a_damaged_one_are_different_errors() {
        for compression in BOTH {
            let noise: Vec<u8> = (0..300u32).map(|n| (n * n / 7) as u8).collect();
            let frame = compression.pack(&noise).unwrap();
            let packed = [frame.clone(), frame.clone()].concat();
            for cut in 1..packed.len() {
                match unpack(&packed[..cut], compression) {
                    Ok(_) => assert_eq!(cut, frame.len(), "{compression}"),
                    Err(error) => {
                        assert_ne!(cut, frame.len());
                        let kind = error.kind();
                        assert_eq!(kind, io::ErrorKind::UnexpectedEof, "{compression} {cut}");
                    }
                }
            }
            let behind = [packed.clone(), b"trailing, and more of it".to_vec()].concat();
            let mut damaged = packed;
            damaged[frame.len() + 60] ^= 0x55;
            for other in [behind, damaged] {
                let error = unpack(&other, compression).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{compression}");
            }
        }
    }
}
