// SPDX-License-Identifier: MIT

//! `resdump receive`: the other end of `resdump dump REGION tcp:HOST:PORT`.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Write},
    net::TcpListener,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use nix::errno::Errno;
use serde::Serialize;

use crate::{
    digest::{Algorithm, Digest, Hasher},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    journal::Journal,
    manifest::{self, Manifest},
    output::Output,
    progress::Progress,
    stream::wire,
};

/// Arguments of `receive`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to wait: tcp:PORT or tcp:ADDRESS:PORT; port 0 takes any
    from: String,

    /// File to make, its manifest beside it
    file: PathBuf,

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

/// Runs `receive`.
pub fn run(args: &Args, output: &Output) -> Result<ExitCode> {
    let name = args.file.display().to_string();
    let mut connection = BufReader::new(accept(args)?);
    let header = wire::read_header(&mut connection).map_err(|error| {
        Error::new(
            ExitCode::Io,
            "not a stream of resdump",
            &args.from,
            errno_of(&error),
            "send with 'resdump dump REGION tcp:HOST:PORT'",
        )
    })?;
    let mut file = create(args)?;
    let mut manifest = header.manifest;
    let (region, length) = (manifest.origin.region.clone(), manifest.origin.length);
    // Nothing that a stranger says is believed.
    (manifest.complete, manifest.bytes, manifest.data_offset) = (false, 0, 0);
    let mut journal = Journal::begin(&manifest::beside(&args.file), manifest)?;

    let mut progress = Progress::new(length, !args.quiet && !output.is_json());
    let mut sum = Sum::new(header.digest);
    let taken = take(&mut connection, header.compression, |block| {
        file.write_all(block)?;
        sum.update(block);
        progress.at(sum.bytes);
        journal.at(sum.bytes, &file);
        Ok(())
    });
    drop(progress);
    let bytes = sum.bytes;
    let result = taken
        .map_err(|error| incomplete(&name, bytes, length, errno_of(&error)))
        .and_then(|trailer| sum.check(&name, length, &trailer).map(|()| trailer.digest));
    file.sync_all()
        .map_err(|error| Error::io("cannot sync", &name, &error))?;
    let (digest, error) = match result {
        Ok(digest) => (digest, None),
        Err(error) => (None, Some(error)),
    };
    journal.finish(|manifest| finish(manifest, bytes, digest.clone(), error.as_ref()))?;

    let received = Received {
        file: &name,
        region,
        length,
        bytes,
        complete: error.is_none(),
        digest,
    };
    if output.is_json() {
        output.object(&received, error.as_ref())?;
    } else if !args.quiet {
        output.text(|out| writeln!(out, "{bytes} of {length} bytes of {}", received.region))?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| output.complain(&error)))
}

fn finish(manifest: &mut Manifest, bytes: u64, digest: Option<Digest>, error: Option<&Error>) {
    manifest.complete = error.is_none();
    manifest.bytes = bytes;
    manifest.copied = bytes;
    manifest.engine = "receive".into();
    manifest.digest = digest;
    manifest.error = error.map(ToString::to_string);
}

/// Waits for somebody who sends.
fn accept(args: &Args) -> Result<impl Read> {
    let failed = |error: io::Error| Error::io("cannot listen", &args.from, &error);
    let place = args.from.strip_prefix("tcp:").ok_or_else(|| {
        Error::new(
            ExitCode::Usage,
            "no such place",
            &args.from,
            Errno::EINVAL,
            "give tcp:PORT or tcp:ADDRESS:PORT",
        )
    })?;
    let place = if place.contains(':') {
        place.to_string()
    } else {
        format!("0.0.0.0:{place}")
    };
    let listener = TcpListener::bind(place).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    // Whoever waits for this line can connect.
    let _ = writeln!(io::stderr().lock(), "resdump: listening on {address}");
    let (connection, peer) = listener.accept().map_err(failed)?;
    log::info!("connection from {peer}");
    Ok(connection)
}

fn create(args: &Args) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .create_new(!args.force)
        .truncate(args.force)
        .mode(0o600)
        .open(&args.file)
        .map_err(|error| match errno_of(&error) {
            Errno::EEXIST => Error::new(
                ExitCode::Target,
                "target exists",
                args.file.display(),
                Errno::EEXIST,
                "--force overwrites it",
            ),
            errno => Error::system("cannot open target", args.file.display(), errno),
        })
}

/// Gives each block to `store`, and returns what the sender says at the end.
fn take(
    from: &mut dyn Read,
    compression: Option<crate::stream::pack::Compression>,
    mut store: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<wire::Trailer> {
    while let Some(block) = wire::read_block(from, compression)? {
        store(&block)?;
    }
    wire::read_trailer(from)
}

/// What has come.
struct Sum {
    bytes: u64,
    hasher: Option<Hasher>,
}

impl Sum {
    fn new(algorithm: Option<Algorithm>) -> Self {
        Self {
            bytes: 0,
            hasher: algorithm.map(Hasher::new),
        }
    }

    fn update(&mut self, block: &[u8]) {
        self.bytes += block.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(block);
        }
    }

    /// Holds what has come against what was sent.
    fn check(self, name: &str, length: u64, trailer: &wire::Trailer) -> Result<()> {
        if self.bytes != length || trailer.bytes != length || trailer.error.is_some() {
            return Err(incomplete(name, self.bytes, length, Errno::ENODATA));
        }
        let found = self.hasher.map(Hasher::finish);
        if found == trailer.digest {
            return Ok(());
        }
        Err(Error::new(
            ExitCode::Mismatch,
            "dump differs",
            name,
            Errno::EBADMSG,
            "its digest is not the sender's; the region may have changed while it was sent",
        ))
    }
}

fn incomplete(name: &str, bytes: u64, length: u64, errno: Errno) -> Error {
    Error::new(
        ExitCode::Incomplete,
        "stream ended early",
        name,
        errno,
        format!("{bytes} of {length} bytes have come: send again"),
    )
}
