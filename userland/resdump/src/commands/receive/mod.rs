// SPDX-License-Identifier: MIT

//! `resdump receive`: the other end of `resdump dump REGION tcp:HOST:PORT` and of `resdump send`.

use std::{fs::File, path::PathBuf};

use nix::errno::Errno;
use serde::Serialize;

use crate::{
    advice::Doing,
    codec::digest::Digest,
    codec::format::Format,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    journal::{Journal, PERIOD},
    manifest::{self, Manifest},
    output::{Kind, Manner, Output, Permit, Request},
};

mod serial;
mod tcp;

/// Arguments of `receive`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// tcp:[ADDRESS:]PORT (0: any), a serial device, or '-' for this terminal
    from: String,

    /// File to make, its manifest beside it
    file: PathBuf,

    /// Go on with what came over a serial device before
    #[arg(long)]
    resume: bool,

    /// Overwrite the file
    #[arg(long)]
    force: bool,

    /// No progress, no final line
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Serialize)]
struct Received<'a> {
    file: &'a str,
    region: String,
    length: u64,
    bytes: u64,
    complete: bool,
    digest: Option<Digest>,
}

impl Args {
    /// Whether standard output is the line.
    pub fn writes_to_standard_output(&self) -> bool {
        self.from == "-"
    }
}

/// Runs `receive`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    match args.from.strip_prefix("tcp:") {
        Some(place) => tcp::run(args, place, console),
        None => serial::run(args, console),
    }
}

/// Makes it known that `bytes` of what is described by `manifest` are in the file. Nothing else that
/// a stranger says of the file is believed.
fn begin(output: &Output, manifest: Manifest, bytes: u64) -> Result<Journal> {
    let manifest = Manifest {
        complete: false,
        bytes,
        resumed: bytes,
        format: Format::Raw,
        data_offset: 0,
        compression: None,
        stored: None,
        engine: "receive".into(),
        ..manifest
    };
    let path = manifest::beside(output.lasting_path());
    let record = manifest::claim(&path, &[output.identity()?], false)?;
    let journal = Journal::begin(record, manifest, PERIOD)?;
    output.begin();
    Ok(journal)
}

/// Makes what has come durable.
fn sync(file: &File, journal: &mut Journal, name: &str) -> Result<()> {
    journal
        .sync(|| file.sync_all())
        .map_err(|error| Error::during(Doing::Sync, "cannot sync", name, &error))
}

fn record(manifest: &mut Manifest, bytes: u64, digest: Option<Digest>, error: Option<&Error>) {
    manifest.complete = error.is_none();
    manifest.bytes = match error {
        Some(error) if error.code == ExitCode::Mismatch => 0,
        _ => bytes,
    };
    manifest.copied = bytes;
    manifest.digest = digest;
    manifest.error = error.map(ToString::to_string);
}

/// What has come, for a person or a program.
fn say(
    received: &Received<'_>,
    args: &Args,
    console: &Console,
    error: Option<Error>,
) -> Result<ExitCode> {
    if console.is_json() {
        console.object(received, error.as_ref())?;
    } else if !args.quiet {
        console.text(|out| {
            writeln!(
                out,
                "{} of {} bytes of {}",
                received.bytes, received.length, received.region
            )
        })?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| console.complain(&error)))
}

/// Opens the file that is made, or gone on with.
fn open(args: &Args, resume: bool) -> Result<Output> {
    let request = Request {
        path: &args.file,
        manner: Manner::Buffered,
        permit: Permit {
            force: args.force,
            resume,
            ..Permit::default()
        },
        inputs: &[],
    };
    let output = Output::open(&request, None)?;
    match output.kind() {
        Kind::File => Ok(output),
        _ => Err(Error::new(
            ExitCode::Target,
            "target is of the wrong type",
            args.file.display(),
            Errno::EINVAL,
            "give a file",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::compression::Compression, manifest::Origin};

    #[test]
    fn what_the_file_holds_is_not_the_senders_to_say() {
        let folder = tempfile::tempdir().unwrap();
        let args = Args {
            from: "-".into(),
            file: folder.path().join("a"),
            resume: false,
            force: false,
            quiet: true,
        };
        let origin = Origin {
            region: "capture".into(),
            base: None,
            offset: 0,
            length: 8192,
        };
        let sent = Manifest {
            complete: true,
            bytes: 8192,
            compression: Some(Compression::Lz4),
            ..Manifest::begin(origin, Format::Elf, 4096, 0)
        };
        begin(&open(&args, false).unwrap(), sent, 0).unwrap();
        let kept = Manifest::load(&manifest::beside(&args.file)).unwrap();
        let kept = kept.unwrap();
        assert_eq!((kept.complete, kept.bytes, kept.data_offset), (false, 0, 0));
        assert_eq!((kept.format, kept.compression), (Format::Raw, None));
    }
}
