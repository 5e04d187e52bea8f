// SPDX-License-Identifier: MIT

//! What is converted.

use std::path::Path;

use nix::errno::Errno;

use crate::{
    codec::format::{self, Found, Range, Unreadable},
    error::{Error, Result},
    exit_codes::ExitCode,
    readback::ReadBack,
    signals::Stop,
    source::{How, Saved, Source},
};

/// Bytes of a compressed file in which its headers would be, if it had some.
const HEAD: usize = 4096;

/// A saved file, and which bytes of memory are in it.
pub(super) struct Input {
    pub(super) saved: Saved,
    pub(super) ranges: Vec<Range>,
}

impl Input {
    pub(super) fn open(path: &Path, how: &How, show: bool, stop: &Stop) -> Result<Self> {
        let saved = Saved::open(path, how)?;
        let mut ranges = saved.ranges().to_vec();
        if saved.compression().is_some() && saved.manifest().is_none() {
            let length = unpacked(&saved, show, stop)?;
            (ranges[0].length, ranges[0].stored) = (length, length);
        }
        Ok(Self { saved, ranges })
    }

    /// Whether its manifest's digest is of what is in its ranges.
    pub(super) fn is_whole(&self) -> bool {
        let manifest = self.saved.manifest();
        manifest.is_some_and(|it| it.bytes == it.origin.length) && self.saved.fault().is_none()
    }
}

/// How many bytes are in a compressed file that nothing says it of, which have to be memory as it was.
fn unpacked(saved: &Saved, show: bool, stop: &Stop) -> Result<u64> {
    let mut head = Vec::new();
    let mut length = 0;
    ReadBack::of(saved, stop)?
        .shown(show)
        .read(&mut |at, bytes| {
            if at == 0 {
                head.extend(&bytes[..bytes.len().min(HEAD)]);
            }
            length = at + bytes.len() as u64;
            Ok(true)
        })?;
    let name = match format::detect(&&head[..], length) {
        Ok(Found::Plain(contents)) if contents.format == format::Format::Raw => return Ok(length),
        Ok(Found::Plain(contents)) => contents.format.as_str(),
        Ok(Found::Packed(_)) => "compressed",
        Err(Unreadable::Foreign { name, .. }) => name,
        Err(_) => "damaged",
    };
    Err(Error::new(
        ExitCode::NoRegion,
        "file of another kind",
        saved.name(),
        Errno::ENOEXEC,
        format!("what is compressed in it is {name}: unpack it first, with zstd -d or lz4 -d"),
    ))
}
