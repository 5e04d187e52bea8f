// SPDX-License-Identifier: MIT

//! A copy of part of a source in memory of this process: direct I/O from there is what any program
//! can do.

use std::{fs::File, os::unix::fs::FileExt, time::Instant};

use nix::errno::Errno;
use resmem_abi::abi::SNAPSHOT_MAX;

use super::{Region, Source};
use crate::{
    advice::Doing,
    codec::format::machine::Machine,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    signals::Stop,
    size,
    span::Span,
    sys::snapshot,
    system::{Moment, System, Taken},
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
    fn of(source: &dyn Source) -> Result<Self> {
        let size = source.size();
        let file = snapshot::file_in_memory(size).map_err(|error| {
            Error::during(
                Doing::Snapshot,
                "no memory for a copy",
                source.name(),
                &error,
            )
        })?;
        Ok(Self {
            name: source.name().into(),
            base: source.base(),
            abi: source.abi(),
            file,
            size,
            machine: source.machine(),
            system: source.system(),
            incomplete: source.incomplete(),
            taken: None,
        })
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
        let mut held = Self::of(region)?;
        let (began, clock) = (Moment::now(), Instant::now());
        snapshot::fill(region.node(), &held.file, span, stop)
            .map_err(|error| refused(region.name(), errno_of(&error)))?;
        let micros = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
        held.taken = Some(Taken { began, micros });
        Ok(held)
    }

    /// `span` of any source, read piece by piece.
    pub fn copy(source: &dyn Source, span: Span) -> Result<Self> {
        let held = Self::of(source)?;
        let mut buffer = vec![0; BLOCK.min(span.length) as usize];
        let mut done = 0;
        while done < span.length {
            let bytes = &mut buffer[..(span.length - done).min(BLOCK) as usize];
            source.read_at(bytes, span.offset + done)?;
            held.file
                .write_all_at(bytes, span.offset + done)
                .map_err(|error| {
                    Error::during(
                        Doing::Snapshot,
                        "no memory for a copy",
                        source.name(),
                        &error,
                    )
                })?;
            done += bytes.len() as u64;
        }
        Ok(held)
    }
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
    fn what_stops_a_snapshot_is_reported() {
        assert_eq!(refused("a", Errno::ENOMEM).code, ExitCode::Engine);
        assert_eq!(
            refused("capture", Errno::EINTR).to_string(),
            "no snapshot: capture: EINTR (4): stopped by a signal"
        );
    }
}
