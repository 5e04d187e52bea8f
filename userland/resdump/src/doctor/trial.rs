// SPDX-License-Identifier: MIT

//! Each way from memory to a target, tried with a few bytes.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process,
};

use memmap2::MmapMut;
use nix::errno::Errno;

use super::Finding;
use crate::{
    engine::{self, Name, Piece, Settings},
    error::{Result, errno_of},
    output::{Permit, Target},
    signals::Stop,
    source::{Region, Source},
    span::Span,
    sys::mapping::Mapping,
};

/// Bytes of a trial: a multiple of every alignment in use.
const BYTES: u64 = 64 << 10;

/// The target of the trials: a scratch file in a folder, or what a person named.
pub struct Scratch {
    path: PathBuf,
    /// What a person called it.
    name: String,
    made: bool,
    force: bool,
}

impl Scratch {
    /// In `place` if that is a folder, else `place` itself: a new file, or with `force` a device,
    /// whose first bytes are lost.
    pub fn new(place: &Path, force: bool) -> Self {
        let made = place.is_dir();
        let path = if made {
            place.join(format!(".resdump-doctor-{}", process::id()))
        } else {
            place.into()
        };
        Self {
            path,
            name: place.display().to_string(),
            made,
            force,
        }
    }

    fn open(&self, direct: bool) -> Result<Target> {
        let permit = Permit {
            force: self.force || self.made,
            ..Permit::default()
        };
        Target::open(&self.path, direct, permit)
    }
}

/// Tries the target, and each engine from `source` to it. Also tells which engine `auto` would take.
pub fn findings(scratch: &Scratch, source: Option<&dyn Source>) -> (Vec<Finding>, Option<Name>) {
    let mut findings = Vec::new();
    let mut auto = None;
    let name = format!("target {}", scratch.name);
    match scratch.open(true) {
        Ok(target) => {
            findings.push(describe(name, &target));
            findings.push(control_write(&target));
            if let Some(source) = source {
                findings.push(dev_mem_direct(source, &target));
                for engine in [Name::Kernel, Name::Mmap, Name::Read, Name::Devmem] {
                    let finding = engine_finding(engine, source, scratch);
                    if finding.ok && engine != Name::Devmem {
                        auto = auto.or(Some(engine));
                    }
                    findings.push(finding);
                }
            }
            target.abandon();
        }
        Err(error) => findings.push(Finding::failed(name, &error)),
    }
    (findings, auto)
}

fn describe(name: String, target: &Target) -> Finding {
    let alignment = target.alignment();
    if target.copies() {
        return Finding::bad(
            name,
            Errno::EOPNOTSUPP,
            "it is in memory (tmpfs, ramfs): it takes O_DIRECT, and copies all the same",
        );
    }
    Finding::good(
        name,
        format!(
            "direct I/O in multiples of {} from memory in multiples of {}",
            alignment.offset, alignment.memory
        ),
    )
}

/// What must work where direct I/O works at all.
fn control_write(target: &Target) -> Finding {
    const CHECK: &str = "control write";
    let written =
        MmapMut::map_anon(BYTES as usize).and_then(|buffer| target.file().write_at(&buffer, 0));
    match written {
        Ok(bytes) => Finding::good(
            CHECK,
            format!("{bytes} bytes by direct I/O from a page-aligned buffer"),
        ),
        Err(error) => Finding::bad(
            CHECK,
            errno_of(&error),
            "direct I/O from a page-aligned buffer fails: no engine can do better",
        ),
    }
}

/// What people try first.
fn dev_mem_direct(source: &dyn Source, target: &Target) -> Finding {
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
    let why = match errno {
        Errno::EFAULT => {
            "its mappings hold bare page frames (VM_PFNMAP), which direct I/O cannot pin; \
             those of /dev/resmem can be pinned"
        }
        Errno::EPERM => {
            "STRICT_DEVMEM or lockdown keeps memory out of it; /dev/resmem is not affected"
        }
        Errno::EACCES => "run as root",
        Errno::ENOENT | Errno::ENXIO => "this kernel has no /dev/mem (CONFIG_DEVMEM)",
        _ => "see the kernel log",
    };
    Finding::bad(check, errno, why)
}

fn engine_finding(name: Name, source: &dyn Source, scratch: &Scratch) -> Finding {
    let check = format!("engine {}", name.as_str());
    match try_engine(name, source, scratch) {
        Ok((moved, None)) => Finding::good(check, moved),
        Ok((_, Some(errno))) => Finding::bad(check, errno, why(errno)),
        Err(error) => Finding::failed(check, &error),
    }
}

fn try_engine(
    name: Name,
    source: &dyn Source,
    scratch: &Scratch,
) -> Result<(String, Option<Errno>)> {
    let length = source.size().min(BYTES);
    let span = Span::new(0, Some(length), source.size())?;
    let mut engine = engine::open(name, source, span, Settings::default(), false)?;
    // Not the one that is open: another engine may want another mode.
    let target = scratch.open(engine.direct())?;
    let align = u64::from(target.alignment().offset);
    let piece = Piece {
        offset: 0,
        length: length - length % align,
        position: 0,
    };
    if piece.length == 0 {
        return Ok(("less than a block: nothing to try with".into(), None));
    }
    let moved = engine.transfer(target.file(), piece, &Stop::default());
    let short = (moved.bytes < piece.length).then_some(Errno::EIO);
    let said = format!("{} bytes direct, {} copied", moved.direct, moved.copied);
    Ok((said, moved.error.or(short)))
}

/// In plain words.
fn why(errno: Errno) -> &'static str {
    match errno {
        Errno::EFAULT => "the memory cannot be pinned: no page structures",
        Errno::EINVAL => "an alignment is not met",
        Errno::EOPNOTSUPP => "the target has no direct I/O",
        Errno::ENOTTY => "the module is older than this program",
        Errno::ENOSPC => "the target is full",
        _ => "see the kernel log",
    }
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
        let (findings, auto) = findings(&Scratch::new(folder.path(), false), None);
        assert_eq!(auto, None);
        assert!(findings.iter().any(|one| one.check == "control write"));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
