// SPDX-License-Identifier: MIT

//! Each way from memory to a target, tried with a few bytes.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
};

use memmap2::MmapMut;
use nix::errno::Errno;
use resmem::Mapping;

use super::Finding;
use crate::{
    advice::{self, Doing},
    engine::{self, Name, Piece, Settings},
    error::{Error, Result, errno_of},
    output::{Manner, Output, Permit, Queue, Request},
    signals::{self, Stop},
    source::{Region, Source},
    span::Span,
    text, transfer,
};

/// Bytes of a trial: a multiple of every alignment in use.
const BYTES: u64 = 64 << 10;

/// Tries the target, and each engine from `source` to it. Also tells which engine `auto` would take.
///
/// `place` is a folder, in which there is a scratch file meanwhile; or a new or an empty file, which is
/// that afterwards; or with `force` another file or a device, whose first bytes are put back.
pub fn findings(
    place: &Path,
    force: bool,
    source: Option<&dyn Source>,
) -> (Vec<Finding>, Option<Name>) {
    let name = format!("target {}", text::name(place));
    // What is on the target is put back first; it takes a moment only.
    let _held = signals::hold();
    let (target, before) = match open(place, force, source) {
        Ok(opened) => opened,
        Err(error) => return (vec![Finding::failed(name, &error)], None),
    };
    let mut auto = None;
    let mut findings = vec![describe(name, &target)];
    if let Some(queue) = Queue::of(place) {
        let check = format!("requests to {}", queue.disk);
        findings.push(Finding::good(check, queue.describe()));
    }
    findings.push(control_write(&target));
    if let Some(source) = source {
        findings.push(dev_mem_direct(source, &target).unneeded());
        for engine in [Name::Kernel, Name::Mmap, Name::Read, Name::Devmem] {
            let finding = engine_finding(engine, source, &target);
            findings.push(match engine {
                Name::Devmem => finding.unneeded(),
                _ => {
                    auto = auto.or(finding.ok.then_some(engine));
                    finding
                }
            });
        }
    }
    if let Err(error) = before.put_back(&target) {
        findings.push(Finding::failed("target as it was", &error));
    }
    (findings, auto)
}

fn open(place: &Path, force: bool, source: Option<&dyn Source>) -> Result<(Output, Before)> {
    if place.is_dir() {
        return Ok((Output::scratch(place)?, Before::default()));
    }
    let request = Request {
        path: place,
        manner: Manner::Direct,
        permit: Permit {
            force,
            ..Permit::default()
        },
        inputs: &source.map_or_else(Vec::new, Source::identities),
    };
    let target = Output::open(&request, None)?;
    target.take_part(0, BYTES)?;
    let before = Before::of(&target)?;
    Ok((target, before))
}

/// What was in the target.
#[derive(Default)]
struct Before {
    bytes: Vec<u8>,
    length: u64,
}

impl Before {
    fn of(target: &Output) -> Result<Self> {
        if target.is_new() {
            return Ok(Self::default());
        }
        let path = target.path();
        let read = File::open(path).and_then(|file| {
            let mut bytes = Vec::new();
            (&file).take(BYTES).read_to_end(&mut bytes)?;
            Ok((bytes, file.metadata()?.len()))
        });
        let (bytes, length) = read
            .map_err(|error| Error::during(Doing::Read, "cannot read", text::name(path), &error))?;
        Ok(Self { bytes, length })
    }

    /// Puts it back, durable. What opening has made goes away by itself.
    fn put_back(self, target: &Output) -> Result<()> {
        target.truncate(self.length)?;
        if self.bytes.is_empty() {
            return Ok(());
        }
        let path = target.path();
        let file = target.buffered()?;
        file.write_all_at(&self.bytes, 0)
            .and_then(|()| file.sync_all())
            .map_err(|error| Error::during(Doing::Write, "cannot write", text::name(path), &error))
    }
}

fn describe(name: String, target: &Output) -> Finding {
    let alignment = target.alignment();
    if target.is_direct() && target.is_in_memory() {
        return Finding::good(name, "direct I/O, but it is in memory: not durable");
    }
    match target.why_copied() {
        None => Finding::good(
            name,
            format!(
                "direct I/O in multiples of {} from memory in multiples of {}",
                alignment.offset, alignment.memory
            ),
        ),
        Some(_) if target.is_in_memory() => Finding::bad(
            name,
            Errno::EOPNOTSUPP,
            "it is in memory (tmpfs, ramfs): every byte is copied, and nothing is durable",
        ),
        Some(why) => Finding::bad(
            name,
            Errno::EOPNOTSUPP,
            format!("{why}: every byte is copied"),
        ),
    }
}

/// What must work where direct I/O works at all.
fn control_write(target: &Output) -> Finding {
    const CHECK: &str = "control write";
    let written =
        MmapMut::map_anon(BYTES as usize).and_then(|buffer| target.file().write_all_at(&buffer, 0));
    match written {
        Ok(()) => Finding::good(
            CHECK,
            match target.is_direct() {
                true => format!("{BYTES} bytes by direct I/O from a page-aligned buffer"),
                false => format!("{BYTES} bytes through the page cache"),
            },
        ),
        Err(error) => Finding::bad(
            CHECK,
            errno_of(&error),
            "direct I/O from a page-aligned buffer fails: no engine can do better",
        ),
    }
}

/// What people try first.
fn dev_mem_direct(source: &dyn Source, target: &Output) -> Finding {
    const CHECK: &str = "direct I/O from /dev/mem";
    let Some(base) = source.region().map(Region::base) else {
        return Finding::bad(CHECK, Errno::ENXIO, "a file is not in memory");
    };
    let written = File::open("/dev/mem")
        .and_then(|memory| Mapping::new(&memory, base, BYTES as usize))
        .and_then(|mapping| mapping.write_at(base, target.alignment().offset, target.file(), 0));
    match written {
        Ok(bytes) => Finding::good(CHECK, format!("{bytes} bytes")),
        Err(error) => dev_mem_refused(CHECK, &error),
    }
}

fn dev_mem_refused(check: &str, error: &io::Error) -> Finding {
    let errno = errno_of(error);
    let (_, why) = advice::of(errno, Doing::DevMem);
    Finding::bad(check, errno, why)
}

fn engine_finding(name: Name, source: &dyn Source, target: &Output) -> Finding {
    let check = format!("engine {}", name.as_str());
    match try_engine(name, source, target) {
        Ok((moved, None)) => Finding::good(check, moved),
        Ok((_, Some(errno))) => Finding::bad(check, errno, advice::of(errno, Doing::Transfer).1),
        Err(error) => Finding::failed(check, &error),
    }
}

fn try_engine(name: Name, source: &dyn Source, target: &Output) -> Result<(String, Option<Errno>)> {
    let length = source.size().min(BYTES);
    let span = Span::new(0, Some(length), source.size())?;
    let settings = Settings::default();
    let mut engine = match target.why_copied() {
        None => engine::open(name, source, span, settings, false)?,
        Some(why) => engine::open_cached(name, source, span, settings, why)?,
    };
    let buffered;
    let file = match engine.direct() {
        true => target.file(),
        false => {
            buffered = target.buffered()?;
            &buffered
        }
    };
    let align = u64::from(target.alignment().offset);
    let piece = Piece {
        offset: 0,
        length: length - length % align,
        position: 0,
    };
    if piece.length == 0 {
        return Ok(("less than a block: nothing to try with".into(), None));
    }
    let moved = transfer::run(&mut *engine, file, piece, &Stop::default(), &mut |_| {});
    let said = format!("{} bytes direct, {} copied", moved.direct, moved.copied);
    Ok((said, moved.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mapping_of_dev_mem_cannot_do_is_explained() {
        let finding = dev_mem_refused("x", &Errno::EFAULT.into());
        assert_eq!(finding.errno.as_deref(), Some("EFAULT"));
        assert!(finding.detail.contains("VM_PFNMAP"));
        assert!(
            dev_mem_refused("x", &Errno::EPERM.into())
                .detail
                .contains("STRICT_DEVMEM")
        );
    }

    #[test]
    fn a_scratch_file_is_made_in_a_folder_and_goes_away() {
        let folder = tempfile::TempDir::new_in(".").unwrap();
        let (findings, auto) = findings(folder.path(), false, None);
        assert_eq!(auto, None);
        assert!(findings.iter().any(|one| one.check == "control write"));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
