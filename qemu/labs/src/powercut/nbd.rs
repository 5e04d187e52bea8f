// SPDX-License-Identifier: MIT
//! The server's side of the NBD protocol: fixed newstyle handshake, simple replies, and the three
//! commands that QEMU then sends. Trimming, zeroing and forced unit access are not offered, so that
//! all of them arrive as writes and flushes.

use std::io::{self, ErrorKind, Read, Write};

const MAGIC: u64 = 0x4e42_444d_4147_4943;
const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;

const FIXED_NEWSTYLE: u16 = 1;
const NO_ZEROES: u16 = 2;

const OPTION_ABORT: u32 = 2;
const OPTION_INFO: u32 = 6;
const OPTION_GO: u32 = 7;

const REPLY_ACK: u32 = 1;
const REPLY_INFO: u32 = 3;
const REPLY_UNSUPPORTED: u32 = (1 << 31) | 1;

/// The export has flags, and may be flushed.
const EXPORT_FLAGS: u16 = 1 | (1 << 2);

/// Bytes of a request, at most: what the protocol lets a client assume.
const PAYLOAD_MAX: u32 = 32 << 20;
/// Bytes of an option, at most.
const OPTION_MAX: u32 = 4096;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Bytes from the disk.
    Read {
        /// Where they begin.
        offset: u64,
        /// How many.
        length: u32,
    },
    /// Bytes to the disk.
    Write {
        /// Where they go to.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// What has been answered is to be durable.
    Flush,
}

/// A command, and what the client knows it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Goes back with the answer.
    pub handle: u64,
    /// What is wanted.
    pub command: Command,
}

/// Offers a disk of `size` bytes, whatever name is asked for. `false` when the client leaves.
pub fn handshake(stream: &mut (impl Read + Write), size: u64) -> io::Result<bool> {
    let mut greeting = Vec::new();
    greeting.extend(MAGIC.to_be_bytes());
    greeting.extend(OPTION_MAGIC.to_be_bytes());
    greeting.extend((FIXED_NEWSTYLE | NO_ZEROES).to_be_bytes());
    stream.write_all(&greeting)?;
    let _client_flags = u32::from_be_bytes(array(stream)?);
    loop {
        if u64::from_be_bytes(array(stream)?) != OPTION_MAGIC {
            return Err(invalid("not an option"));
        }
        let option = u32::from_be_bytes(array(stream)?);
        let length = u32::from_be_bytes(array(stream)?);
        if length > OPTION_MAX {
            return Err(invalid("an option that is too long"));
        }
        stream.read_exact(&mut vec![0; length as usize])?;
        match option {
            OPTION_GO | OPTION_INFO => {
                let mut information = vec![0, 0];
                information.extend(size.to_be_bytes());
                information.extend(EXPORT_FLAGS.to_be_bytes());
                answer_option(stream, option, REPLY_INFO, &information)?;
                answer_option(stream, option, REPLY_ACK, &[])?;
                if option == OPTION_GO {
                    return Ok(true);
                }
            }
            OPTION_ABORT => {
                answer_option(stream, option, REPLY_ACK, &[])?;
                return Ok(false);
            }
            _ => answer_option(stream, option, REPLY_UNSUPPORTED, &[])?,
        }
    }
}

fn answer_option(out: &mut impl Write, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    let mut bytes = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
    for word in [option, kind, data.len() as u32] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(data);
    out.write_all(&bytes)
}

/// The next request, or `None` when the client has gone.
pub fn read_request(stream: &mut impl Read) -> io::Result<Option<Request>> {
    let magic = match array(stream) {
        Ok(bytes) => u32::from_be_bytes(bytes),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let flags = u16::from_be_bytes(array(stream)?);
    let kind = u16::from_be_bytes(array(stream)?);
    let handle = u64::from_be_bytes(array(stream)?);
    let offset = u64::from_be_bytes(array(stream)?);
    let length = u32::from_be_bytes(array(stream)?);
    if magic != REQUEST_MAGIC || flags != 0 || length > PAYLOAD_MAX {
        return Err(invalid("not a request"));
    }
    let command = match kind {
        0 => Command::Read { offset, length },
        1 => {
            let mut data = vec![0; length as usize];
            stream.read_exact(&mut data)?;
            Command::Write { offset, data }
        }
        2 => return Ok(None),
        3 => Command::Flush,
        _ => return Err(invalid("a command that was not offered")),
    };
    Ok(Some(Request { handle, command }))
}

/// Says that a request has been carried out; `data` is what was read.
pub fn reply(out: &mut impl Write, handle: u64, data: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(16 + data.len());
    bytes.extend(REPLY_MAGIC.to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(handle.to_be_bytes());
    bytes.extend(data);
    out.write_all(&bytes)
}

fn array<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("NBD client: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client sends, and what it is answered.
    struct Client {
        says: io::Cursor<Vec<u8>>,
        sent: Vec<u8>,
    }

    impl Read for Client {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Client {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.sent.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn option(number: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = OPTION_MAGIC.to_be_bytes().to_vec();
        bytes.extend(number.to_be_bytes());
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(data);
        bytes
    }

    fn negotiate(options: &[Vec<u8>]) -> (io::Result<bool>, Vec<u8>) {
        let mut says = vec![0, 0, 0, 3];
        says.extend(options.concat());
        let mut client = Client {
            says: io::Cursor::new(says),
            sent: Vec::new(),
        };
        (handshake(&mut client, 0x1234), client.sent)
    }

    #[test]
    fn a_client_learns_the_size_and_that_flushes_count() {
        let (done, sent) = negotiate(&[option(8, &[]), option(OPTION_GO, &[0; 6])]);
        assert!(done.unwrap());
        // Greeting, refusal of structured replies, then the export and an acknowledgement.
        let export = &sent[18 + 20 + 20..][..12];
        assert_eq!(export, [0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 5]);
        assert_eq!(sent[18 + 12..][..4], REPLY_UNSUPPORTED.to_be_bytes());
        assert_eq!(sent.len(), 18 + 20 + 32 + 20);
    }

    #[test]
    fn a_client_may_leave_and_nonsense_is_refused() {
        assert!(!negotiate(&[option(OPTION_ABORT, &[])]).0.unwrap());
        assert!(negotiate(&[vec![7; 16]]).0.is_err());
    }

    fn request(kind: u16, offset: u64, length: u32) -> Vec<u8> {
        let mut bytes = REQUEST_MAGIC.to_be_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(9_u64.to_be_bytes());
        bytes.extend(offset.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes
    }

    #[test]
    fn requests_are_read_one_after_the_other() {
        let says = [
            request(1, 512, 3),
            b"abc".to_vec(),
            request(3, 0, 0),
            request(0, 1024, 7),
        ];
        let mut says = io::Cursor::new(says.concat());
        let mut next = || read_request(&mut says).unwrap().map(|it| it.command);
        let data = b"abc".to_vec();
        assert_eq!(next(), Some(Command::Write { offset: 512, data }));
        assert_eq!(next(), Some(Command::Flush));
        let read = Command::Read {
            offset: 1024,
            length: 7,
        };
        assert_eq!(next(), Some(read));
        assert_eq!(next(), None);
        let trim = &mut io::Cursor::new(request(4, 0, 512));
        assert!(read_request(trim).is_err(), "it was not offered");
    }
}
