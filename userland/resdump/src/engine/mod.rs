// SPDX-License-Identifier: MIT

//! Ways to move bytes from a source to a target.

#![forbid(unsafe_code)]

use std::{fs::File, io};

use clap::ValueEnum;
use nix::errno::Errno;
use resmem::abi::{CHUNK_DEFAULT, CHUNK_MIN, DEPTH_DEFAULT};
use serde::Serialize;

use crate::{
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    output::Queue,
    signals::Stop,
    source::Source,
    span::Span,
};

mod auto;
mod cached;
mod devmem;
mod kernel;
mod mmap;
mod pipeline;
mod read;
mod registered;
mod sparse;
mod window;

pub use kernel::Kernel;
pub use sparse::Sparse;

/// The engines, as `--engine` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// The first that works here of kernel, mmap and read
    Auto,
    /// The module writes from the region's pages; nothing is copied
    Kernel,
    /// This program writes, from the region's pages or a mapping of them; nothing is copied
    Mmap,
    /// Read the region into a buffer and write from there: one copy
    Read,
    /// Map /dev/mem and write through the page cache: every byte is copied
    Devmem,
}

impl Name {
    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kernel => "kernel",
            Self::Mmap => "mmap",
            Self::Read => "read",
            Self::Devmem => "devmem",
        }
    }
}

/// How an engine divides its work.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes a request, within the limits of the ABI.
    pub chunk: u32,
    /// Requests in flight.
    pub depth: u32,
    /// Write from a mapping also where the region's pages can be registered with io_uring.
    pub mapped: bool,
}

/// Bytes of a chunk, as far as it can be chosen: a larger one costs little less, and what is in flight delays
/// the answer to a signal.
const CHUNK_CHOSEN: u64 = 16 << 20;

impl Settings {
    /// As a disk's queue likes it: a chunk of four of its requests, within 4 and 16 MiB; as many in flight as keep
    /// it busy (two where plates turn, else four), and no more than its requests.
    pub fn fit(queue: &Queue) -> Self {
        let request = queue.request();
        let chunk = (4 * request).clamp(CHUNK_DEFAULT.into(), CHUNK_CHOSEN);
        let chunk = chunk - chunk % u64::from(CHUNK_MIN);
        let most = queue.nr_requests / chunk.div_ceil(request).max(1);
        let busy = if queue.rotational { 2 } else { DEPTH_DEFAULT };
        Self {
            chunk: chunk as u32,
            depth: busy.min(u32::try_from(most).unwrap_or(busy)).max(1),
            mapped: false,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            chunk: CHUNK_DEFAULT,
            depth: DEPTH_DEFAULT,
            mapped: false,
        }
    }
}

/// A contiguous piece of a transfer.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// First byte in the source.
    pub offset: u64,
    /// Bytes; not zero.
    pub length: u64,
    /// Where the first byte goes to in the target.
    pub position: u64,
}

/// What has been moved, in bytes, and why it is not all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The contiguous prefix.
    pub bytes: u64,
    /// Those that went by DMA from the source's own pages.
    pub direct: u64,
    /// Those that the CPU copied.
    pub copied: u64,
    /// Those that were left out because they are zero.
    pub skipped: u64,
    /// What stopped it.
    pub error: Option<Errno>,
}

impl Moved {
    /// Nothing.
    fn failed(error: &io::Error) -> Self {
        Self {
            error: Some(errno_of(error)),
            ..Self::default()
        }
    }
}

/// Moves bytes.
pub trait Engine {
    /// Which one it is; never [`Name::Auto`].
    fn name(&self) -> Name;

    /// How it divides its work.
    fn settings(&self) -> Settings;

    /// Bytes that it likes to be given at a time.
    fn window(&self) -> u64;

    /// Whether the other end is to be opened with `O_DIRECT`.
    fn direct(&self) -> bool {
        true
    }

    /// Whether the CPU copies every byte.
    fn copies(&self) -> bool {
        false
    }

    /// Whether it can begin at any byte of the source; else where direct I/O can.
    fn any_address(&self) -> bool {
        self.copies()
    }

    /// What it is chosen for.
    fn merit(&self) -> &'static str {
        match self.name() {
            Name::Auto => "",
            Name::Kernel => "writes from the region's own pages",
            Name::Mmap => "direct I/O from a mapping",
            Name::Read | Name::Devmem => "copies every byte",
        }
    }

    /// Why it is this one.
    fn reason(&self) -> String {
        "asked for".into()
    }

    /// Moves `piece` to (from) `other`. May move less without an error, such as when `stop` says so.
    /// Nothing is in flight afterwards.
    fn transfer(&mut self, other: &File, piece: Piece, stop: &Stop) -> Moved;
}

/// The engines that can work on a region, for `list`. That the kernel forbids one of them shows when
/// it is used.
pub fn candidates(source: &dyn Source) -> Vec<Name> {
    let mut names = Vec::new();
    if let Some(region) = source.region() {
        names.push(Name::Kernel);
        if region.has_pages() {
            names.push(Name::Mmap);
        }
    }
    names.push(Name::Read);
    if devmem::exists() {
        names.push(Name::Devmem);
    }
    names
}

/// Makes the engine `name` ready to move `span` of `source`. Fails with [`ExitCode::Engine`] where
/// it cannot work, and with [`ExitCode::Strict`] where it would copy although `strict` forbids that;
/// nothing has been written then.
pub fn open<'a>(
    name: Name,
    source: &'a dyn Source,
    span: Span,
    settings: Settings,
    strict: bool,
) -> Result<Box<dyn Engine + 'a>> {
    let engine = match name {
        Name::Auto => automatic(source, span, settings, strict)?,
        name => open_one(name, source, span, settings, strict)?,
    };
    if strict && engine.copies() {
        return Err(would_copy(
            engine.name().as_str(),
            "this engine copies every byte: use the engine kernel",
        ));
    }
    log::info!("engine {} ({})", engine.name().as_str(), engine.reason());
    Ok(engine)
}

/// As [`open`], for a target without direct I/O, `why` says for what reason: every byte is copied. Fails
/// with [`ExitCode::Target`] where `name` can do nothing else.
pub fn open_cached<'a>(
    name: Name,
    source: &'a dyn Source,
    span: Span,
    settings: Settings,
    why: &'static str,
) -> Result<Box<dyn Engine + 'a>> {
    let engine = match name {
        Name::Kernel => {
            return Err(Error::new(
                ExitCode::Target,
                "target has no direct I/O",
                name.as_str(),
                Errno::EOPNOTSUPP,
                format!("{why}: give a target on a disk, or take another engine"),
            ));
        }
        Name::Auto => {
            let open = move |name| open_one(name, source, span, settings, false);
            Box::new(auto::Auto::new(&[Name::Mmap, Name::Read], Box::new(open))?)
        }
        name => open_one(name, source, span, settings, false)?,
    };
    let engine = Box::new(cached::Cached::new(engine, why));
    log::info!("engine {} ({})", engine.name().as_str(), engine.reason());
    Ok(engine)
}

/// Why a transfer that must not copy is not begun, or did not come up to it.
pub fn would_copy(subject: &str, advice: &str) -> Error {
    Error::new(
        ExitCode::Strict,
        "cannot be done without a copy",
        subject,
        Errno::EOPNOTSUPP,
        advice,
    )
}

fn automatic<'a>(
    source: &'a dyn Source,
    span: Span,
    settings: Settings,
    strict: bool,
) -> Result<Box<dyn Engine + 'a>> {
    let mut names = vec![Name::Mmap];
    if source.region().is_some() {
        names.insert(0, Name::Kernel);
    }
    if !strict {
        names.push(Name::Read);
    }
    let open = move |name| open_one(name, source, span, settings, strict);
    Ok(Box::new(auto::Auto::new(&names, Box::new(open))?))
}

fn open_one<'a>(
    name: Name,
    source: &'a dyn Source,
    span: Span,
    settings: Settings,
    strict: bool,
) -> Result<Box<dyn Engine + 'a>> {
    Ok(match name {
        Name::Auto | Name::Kernel => match source.region() {
            Some(region) => Box::new(Kernel::dump(region.device(), settings, strict)),
            None => {
                return Err(unavailable(
                    name,
                    Errno::ENOTTY,
                    format!(
                        "{} is a file, not a live region: use the engine mmap",
                        source.name()
                    ),
                ));
            }
        },
        Name::Mmap => Box::new(mmap::Mmap::new(source, span, settings)?),
        Name::Read => Box::new(read::Read::new(source, settings)?),
        Name::Devmem => Box::new(devmem::Devmem::new(source, span, settings)?),
    })
}

fn unavailable(name: Name, errno: Errno, advice: impl Into<String>) -> Error {
    Error::new(
        ExitCode::Engine,
        "engine not available",
        name.as_str(),
        errno,
        advice,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_and_depth_follow_the_limits_of_the_queue() {
        let fit = |sectors, hardware, segments, size, requests, rotational| {
            let queue = Queue {
                disk: "disk".into(),
                max_sectors_kb: sectors,
                max_hw_sectors_kb: hardware,
                max_segments: segments,
                max_segment_size: size,
                nr_requests: requests,
                rotational,
            };
            let settings = Settings::fit(&queue);
            (settings.chunk >> 10, settings.depth)
        };
        // virtio as it is and tuned; AHCI; NVMe; an SD card; USB; one request at a time.
        assert_eq!(
            fit(4096, u32::MAX.into(), 254, u32::MAX.into(), 256, true),
            (16384, 2)
        );
        assert_eq!(
            fit(65_536, u32::MAX.into(), 254, u32::MAX.into(), 256, false),
            (16384, 4)
        );
        assert_eq!(fit(1280, 32_767, 168, 65_536, 64, true), (5120, 2));
        assert_eq!(fit(512, 512, 127, u32::MAX.into(), 1023, false), (4096, 4));
        assert_eq!(fit(512, 512, 128, 65_536, 64, false), (4096, 4));
        assert_eq!(fit(120, 120, 2048, u32::MAX.into(), 64, true), (4096, 1));
        assert_eq!(fit(1024, 1024, 1, 65_536, 1, false), (4096, 1));
    }
}
