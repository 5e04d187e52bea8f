// SPDX-License-Identifier: MIT

//! What is converted.

use std::path::Path;

use nix::errno::Errno;

use crate::{
    codec::compression::Compression,
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
    /// Why it is not all, where only unpacking it has shown that.
    cut: Option<String>,
}

impl Input {
    pub(super) fn open(path: &Path, how: &How, show: bool, stop: &Stop) -> Result<Self> {
        let saved = Saved::open(path, how)?;
        let mut ranges = saved.ranges().to_vec();
        let mut cut = None;
        let is_known = saved.manifest().is_some() && saved.fault().is_none();
        if let Some(compression) = saved.compression().filter(|_| !is_known) {
            let (length, ended) = unpacked(&saved, compression, show, stop)?;
            if let Err(error) = ended {
                let advice = format!("{}; --incomplete takes what is there", error.advice);
                if !how.incomplete || length == 0 {
                    return Err(Error { advice, ..error });
                }
                log::warn!("{error}");
                cut = Some(format!("the source is incomplete: {error}"));
            } else if length == 0 {
                return Err(Error::new(
                    ExitCode::Incomplete,
                    "nothing in it",
                    saved.name(),
                    Errno::ENODATA,
                    "it has 0 bytes",
                ));
            }
            let said = saved.manifest().map_or(length, |it| it.bytes);
            ranges[0].length = ranges[0].length.max(said);
            ranges[0].stored = length.min(said);
        }
        Ok(Self { saved, ranges, cut })
    }

    /// Why a copy of it is not complete, if it is not.
    pub(super) fn incomplete(&self) -> Option<String> {
        self.saved.incomplete().or_else(|| self.cut.clone())
    }
}

/// How many bytes are in a compressed file that nothing says it of, which have to be memory as it was; whether
/// it ends as it should.
fn unpacked(
    saved: &Saved,
    compression: Compression,
    show: bool,
    stop: &Stop,
) -> Result<(u64, Result<()>)> {
    let mut head = Vec::new();
    let mut length = 0;
    let read = ReadBack::unpacked(saved, compression, stop)?
        .shown(show)
        .read(&mut |at, bytes| {
            if at == 0 {
                head.extend(&bytes[..bytes.len().min(HEAD)]);
            }
            length = at + bytes.len() as u64;
            Ok(true)
        });
    match &read {
        Err(error) if error.code != ExitCode::Incomplete => return read.map(|()| (0, Ok(()))),
        _ => {}
    }
    let name = match format::detect(&&head[..], length) {
        Ok(Found::Plain(contents)) if contents.format == format::Format::Raw => {
            return Ok((length, read));
        }
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
