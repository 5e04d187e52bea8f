// SPDX-License-Identifier: MIT

//! A copy of part of a source in memory of this process: direct I/O from there is what any program
//! can do.

use std::{fs::File, io, os::unix::fs::FileExt, time::Instant};

use nix::{
    errno::Errno,
    sys::memfd::{MFdFlags, memfd_create},
};
use resmem::abi::SNAPSHOT_MAX;

use super::{Region, Source};
use crate::{
    advice::Doing,
    codec::format::machine::Machine,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    signals::Stop,
    size,
    span::Span,
    system::{self, System, Taken},
};

/// Bytes copied at a time.
const BLOCK: u64 = 1 << 20;

/// A source of which one span is held in memory; what is outside reads as zero.
#[derive(Debug)]
pub struct Held {
    name: String,
    base: Option<u64>,
    abi: u32,
    file: File,
    size: u64,
    machine: Option<Machine>,
    system: System,
    incomplete: Option<String>,
    taken: Option<Taken>,
}

impl Held {
    fn of(source: &dyn Source, file: File) -> Self {
        Self {
            name: source.name().into(),
            base: source.base(),
            abi: source.abi(),
            file,
            size: source.size(),
            machine: source.machine(),
            system: source.system(),
            incomplete: source.incomplete(),
            taken: None,
        }
    }

    /// `span` of a live region, copied by the module at once.
    pub fn snapshot(region: &Region, span: Span, stop: &Stop) -> Result<Self> {
        if span.length > SNAPSHOT_MAX {
            return Err(Error::new(
                ExitCode::Range,
                "too much for a snapshot",
                format_args!("--length {:#x}", span.length),
                Errno::EFBIG,
                format!("give at most {}, or use dump", size::display(SNAPSHOT_MAX)),
            ));
        }
        let (began, clock) = (system::now(), Instant::now());
        let file = region
            .device()
            .snapshot(span.range(), || stop.requested())
            .map_err(|error| refused(region.name(), errno_of(&error)))?;
        let micros = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Self {
            taken: Some(Taken { began, micros }),
            ..Self::of(region, file)
        })
    }

    /// `span` of any source, read piece by piece.
    pub fn copy(source: &dyn Source, span: Span) -> Result<Self> {
        let no_memory = |error: io::Error| {
            Error::during(
                Doing::Snapshot,
                "no memory for a copy",
                source.name(),
                &error,
            )
        };
        let file = file_in_memory(source.size()).map_err(no_memory)?;
        let mut buffer = vec![0; BLOCK.min(span.length) as usize];
        let mut done = 0;
        while done < span.length {
            let bytes = &mut buffer[..(span.length - done).min(BLOCK) as usize];
            source.read_at(bytes, span.offset + done)?;
            file.write_all_at(bytes, span.offset + done)
                .map_err(no_memory)?;
            done += bytes.len() as u64;
        }
        Ok(Self::of(source, file))
    }
}

/// A file of `size` bytes in memory, without a name. What is not written to takes no memory.
pub fn file_in_memory(size: u64) -> io::Result<File> {
    let file = File::from(memfd_create(c"resdump", MFdFlags::MFD_CLOEXEC)?);
    file.set_len(size)?;
    Ok(file)
}

fn refused(label: &str, errno: Errno) -> Error {
    Error::during(Doing::Snapshot, "no snapshot", label, errno)
}

impl Source for Held {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn file(&self) -> &File {
        &self.file
    }

    fn base(&self) -> Option<u64> {
        self.base
    }

    fn abi(&self) -> u32 {
        self.abi
    }

    fn machine(&self) -> Option<Machine> {
        self.machine
    }

    fn system(&self) -> System {
        self.system.clone()
    }

    fn incomplete(&self) -> Option<String> {
        self.incomplete.clone()
    }

    fn taken(&self) -> Option<Taken> {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{How, Saved};

    #[test]
    fn a_copy_has_the_bytes_where_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("saved");
        let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n / 11) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let source = Saved::open(&path, &How::default()).unwrap();
        let span = Span {
            offset: 4097,
            length: 2_500_000,
        };
        let held = Held::copy(&source, span).unwrap();
        assert_eq!(held.size(), source.size());
        let mut found = vec![0; 2_500_000];
        held.read_at(&mut found, 4097).unwrap();
        assert!(found == bytes[4097..][..2_500_000]);
    }

    #[test]
    fn a_file_in_memory_is_as_long_as_asked_for_and_zero() {
        let file = file_in_memory(5 << 30).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 5 << 30);
        let mut bytes = [1; 16];
        file.read_exact_at(&mut bytes, (5 << 30) - 16).unwrap();
        assert_eq!(bytes, [0; 16]);
    }

    #[test]
    fn what_stops_a_snapshot_is_reported() {
        assert_eq!(refused("a", Errno::ENOMEM).code, ExitCode::Engine);
        assert_eq!(
            refused("capture", Errno::EINTR).to_string(),
            "no snapshot: capture: EINTR (4): stopped by a signal"
        );
    }
}
