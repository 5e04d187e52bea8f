// SPDX-License-Identifier: MIT

//! The file that is going to be received: looked at before anything comes, changed when it is known what
//! comes.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::{
    advice::Doing,
    codec::digest::{Algorithm, Hasher},
    codec::format::Format,
    error::{Error, Result},
    exit_codes::ExitCode,
    journal::{Journal, PERIOD},
    manifest::{self, Manifest, Origin},
    output::{Kind, Manner, Output, Permit, Record, Request},
    readback::ReadBack,
    signals::Stop,
    size,
    span::Span,
    stream::messages::{Check, Header},
    sys, text,
};

use super::store::Store;

/// Bytes before the end of what is there already that the sender compares.
const CHECKED: u64 = 4 << 20;

const ELSEWHERE: &str = "give another --manifest, or overwrite it by --manifest with --force";

/// What a person allowed.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    pub(super) force: bool,
    pub(super) resume: bool,
    pub(super) manifest: Option<PathBuf>,
    pub(super) max_size: Option<u64>,
}

/// A target that can be written to, as far as that can be known before something comes. What opening it
/// has made goes away with it.
pub(super) struct Prepared {
    path: PathBuf,
    output: Output,
    /// Where the manifest goes to, if there is to be one.
    record: Option<Record>,
    policy: Policy,
    /// Of an interrupted transfer.
    before: Option<Manifest>,
}

impl Prepared {
    /// Looks at `path`: whether it may be overwritten, is a file or a device, can be written to, is not
    /// in use, and can have a manifest.
    pub(super) fn open(path: &Path, policy: &Policy) -> Result<Self> {
        let request = Request {
            path,
            manner: Manner::Buffered,
            permit: Permit {
                force: policy.force,
                resume: policy.resume,
                ..Permit::default()
            },
            inputs: &[],
        };
        let output = Output::open(&request, None)?;
        let named = match (&policy.manifest, output.kind()) {
            (Some(path), _) => Some(path.clone()),
            (None, Kind::File) => Some(manifest::beside(output.lasting_path())),
            (None, Kind::Block | Kind::Stream) => None,
        };
        let before = match &named {
            Some(named) if policy.resume => manifest::load(named)?,
            _ => None,
        };
        match &before {
            Some(before) => expect_there(path, &output, before)?,
            None if policy.resume && !policy.force && !output.is_empty() => {
                return Err(Error::new(
                    ExitCode::Target,
                    "target exists",
                    text::name(path),
                    Errno::EEXIST,
                    "it has no manifest, so nothing says what it holds: --force overwrites it",
                ));
            }
            None => {}
        }
        let force = policy.force && policy.manifest.is_some();
        if let (Some(path), false) = (&policy.manifest, force) {
            manifest::expect_own(path, &output, ELSEWHERE)?;
        }
        let identity = output.identity()?;
        let record = named
            .map(|named| manifest::claim(&named, &[identity], force, ELSEWHERE))
            .transpose()?;
        Ok(Self {
            path: path.into(),
            output,
            record,
            policy: policy.clone(),
            before,
        })
    }

    /// Makes it known that what is described by `header` is going to be in the file. Nothing is changed
    /// before it is known that it may be.
    pub(super) fn begin(mut self, header: &Header, stop: &Stop) -> Result<Store> {
        let origin = header.manifest.origin.clone();
        self.expect_possible(&origin)?;
        let bytes = match &self.before {
            Some(before) if before.origin != origin => {
                return Err(Error::new(
                    ExitCode::Mismatch,
                    "not the same dump",
                    text::name(&self.path),
                    Errno::ESTALE,
                    "another region or range is sent: receive it into another file, or with --force",
                ));
            }
            Some(before) => before.bytes.min(origin.length),
            None => 0,
        };
        let mut hasher = header.digest.map(Hasher::new);
        let check = self.read_back(bytes, hasher.as_mut(), stop)?;
        room(&self.output, &self.path, origin.length)?;
        let journal = self
            .record
            .take()
            .map(|record| Journal::begin(record, described(&header.manifest, bytes), PERIOD))
            .transpose()?;
        // Not before: what was there may be a complete dump, and is said to be one.
        match self.change(bytes, journal.as_ref()) {
            Ok(()) => {}
            Err(error) => {
                if let Some(journal) = journal.filter(|_| self.output.is_new()) {
                    journal.abandon();
                }
                return Err(error);
            }
        }
        Ok(Store::new(&self.path, self.output, journal, origin, bytes).with(check, hasher))
    }

    fn change(&mut self, bytes: u64, journal: Option<&Journal>) -> Result<()> {
        manifest::forget(&self.output, |stale| {
            journal.is_some_and(|journal| journal.is_at(stale))
        })?;
        self.output.begin();
        self.output.truncate(bytes)
    }

    /// Fails for what no machine can have sent, and for what is not wanted.
    fn expect_possible(&self, origin: &Origin) -> Result<()> {
        let ends = origin.offset.checked_add(origin.length);
        let is_possible = ends.is_some_and(|end| {
            i64::try_from(origin.length).is_ok()
                && origin
                    .base
                    .is_none_or(|base| base.checked_add(end).is_some())
        });
        if !is_possible {
            return Err(Error::new(
                ExitCode::Io,
                "not a dump",
                text::name(&self.path),
                Errno::EPROTO,
                "the sender's range is beyond all memory: send again",
            ));
        }
        match self.policy.max_size {
            Some(most) if origin.length > most => Err(Error::new(
                ExitCode::NoSpace,
                "too large",
                text::name(&self.path),
                Errno::EFBIG,
                format!(
                    "{} are sent, --max-size allows {most}",
                    size::display(origin.length)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Reads what is there already: for the digest of all, and for the sender to compare.
    fn read_back(
        &self,
        bytes: u64,
        mut hasher: Option<&mut Hasher>,
        stop: &Stop,
    ) -> Result<Option<Check>> {
        if bytes == 0 {
            return Ok(None);
        }
        let checked = bytes.min(CHECKED);
        // Without a digest of all only the end is read.
        let offset = match hasher {
            Some(_) => 0,
            None => bytes - checked,
        };
        let data = Span {
            offset,
            length: bytes - offset,
        };
        let mut end = Hasher::new(Algorithm::Crc32c);
        ReadBack::open(&self.path, data, stop)?.read(&mut |at, block| {
            if let Some(hasher) = &mut hasher {
                hasher.update(block);
            }
            let before = (bytes - checked).saturating_sub(offset + at);
            let skipped = before.min(block.len() as u64) as usize;
            end.update(&block[skipped..]);
            Ok(true)
        })?;
        Ok(Some(Check {
            length: checked,
            digest: end.finish(),
        }))
    }
}

/// Fails unless what a manifest promises can be there.
fn expect_there(path: &Path, target: &Output, before: &Manifest) -> Result<()> {
    let wrong = |advice: String| {
        Err(Error::new(
            ExitCode::Mismatch,
            "cannot resume",
            text::name(path),
            Errno::ESTALE,
            advice,
        ))
    };
    if (before.format, before.compression, before.data_offset) != (Format::Raw, None, 0) {
        return wrong("it is no dump that was received: --force overwrites it".into());
    }
    let length = match target.kind() {
        Kind::File => target.file().metadata().map_or(0, |it| it.len()),
        Kind::Block | Kind::Stream => sys::block::size(target.file()).unwrap_or(0),
    };
    if length < before.bytes {
        return wrong(format!(
            "it has {length} bytes, and its manifest says {}: start again with --force",
            before.bytes
        ));
    }
    Ok(())
}

/// Makes sure of room for `length` bytes; what is in the file stays.
fn room(target: &Output, path: &Path, length: u64) -> Result<()> {
    let too_small = |available: u64| {
        Error::new(
            ExitCode::NoSpace,
            "target too small",
            text::name(path),
            Errno::ENOSPC,
            format!(
                "needs {}, has {available} bytes left: make room, or receive into another file system",
                size::display(length)
            ),
        )
    };
    if target.kind() == Kind::Block {
        let size = sys::block::size(target.file()).map_err(|errno| {
            Error::during(
                Doing::OpenTarget,
                "cannot inspect target",
                text::name(path),
                errno,
            )
        })?;
        return match size < length {
            true => Err(too_small(size)),
            false => Ok(()),
        };
    }
    if length == 0 {
        return Ok(());
    }
    match sys::file::reserve(target.file(), 0, length) {
        Ok(()) => Ok(()),
        Err(Errno::ENOSPC | Errno::EDQUOT) => {
            let available = sys::file::available(target.file()).unwrap_or(0);
            // What was reserved before there was no more.
            let kept = target.file().metadata().map_or(0, |it| it.len());
            target.truncate(kept)?;
            Err(too_small(available))
        }
        Err(errno) => {
            log::info!("{}: no room reserved: {errno}", text::name(path));
            Ok(())
        }
    }
}

/// What is kept of what a sender says. What the file holds, and how it came there, is not its to say.
fn described(sent: &Manifest, bytes: u64) -> Manifest {
    Manifest {
        system: sent.system.clone(),
        started: sent.started,
        snapshot: sent.snapshot,
        tool: sent.tool.clone(),
        bytes,
        resumed: bytes,
        engine: "receive".into(),
        ..manifest::begin(sent.origin.clone(), Format::Raw, 0, sent.abi)
    }
}
