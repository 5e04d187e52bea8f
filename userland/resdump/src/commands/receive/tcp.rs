// SPDX-License-Identifier: MIT

//! The other end of `resdump dump REGION tcp:HOST:PORT`.

use std::{
    io::{self, BufReader, Read, Write},
    net::TcpListener,
};

use nix::errno::Errno;

use super::{Args, Received, begin, record, say, sync};
use crate::{
    advice::{self, Doing},
    codec::digest::{Algorithm, Hasher},
    console::{self, Console},
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    progress::Progress,
    stream::wire,
};

/// Runs it, waiting at `place`.
pub(super) fn run(args: &Args, place: &str, console: &Console) -> Result<ExitCode> {
    let name = args.file.display().to_string();
    let mut connection = BufReader::new(accept(args, place)?);
    let header = wire::read_header(&mut connection).map_err(|error| {
        Error::new(
            ExitCode::Io,
            "not a stream of resdump",
            &args.from,
            errno_of(&error),
            "send with 'resdump dump REGION tcp:HOST:PORT'",
        )
    })?;
    let mut output = super::open(args, false)?;
    let origin = &header.manifest.origin;
    let (region, length) = (origin.region.clone(), origin.length);
    let mut journal = begin(&output, header.manifest, 0)?;
    // Not before: what was there may be a complete dump, and is said to be one.
    output.truncate(0)?;
    output.keep();
    let mut file = output.file();

    let mut progress = Progress::new(length, !args.quiet && !console.is_json());
    let mut sum = Sum::new(header.digest);
    let taken = take(&mut connection, header.compression, |block| {
        file.write_all(block)?;
        sum.update(block);
        progress.at(sum.bytes);
        journal.at(|| file.sync_data().map(|()| sum.bytes));
        Ok(())
    });
    drop(progress);
    let bytes = sum.bytes;
    let result = taken
        .map_err(|error| incomplete(&name, bytes, length, errno_of(&error)))
        .and_then(|trailer| sum.check(&name, length, &trailer).map(|()| trailer.digest));
    sync(file, &mut journal, &name)?;
    let (digest, error) = match result {
        Ok(digest) => (digest, None),
        Err(error) => (None, Some(error)),
    };
    journal.finish(|manifest| record(manifest, bytes, digest.clone(), error.as_ref()))?;

    let received = Received {
        file: &name,
        region,
        length,
        bytes,
        complete: error.is_none(),
        digest,
    };
    say(&received, args, console, error)
}

/// Waits for somebody who sends.
fn accept(args: &Args, place: &str) -> Result<impl Read> {
    let failed = |error: io::Error| {
        let errno = error.raw_os_error().map(Errno::from_raw);
        Error::during(
            Doing::Listen,
            "cannot listen",
            &args.from,
            errno.unwrap_or(Errno::EADDRNOTAVAIL),
        )
    };
    let place = if place.contains(':') {
        place.to_string()
    } else {
        format!("0.0.0.0:{place}")
    };
    let listener = TcpListener::bind(place).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    // Whoever waits for this line can connect.
    console::say(format_args!("listening on {address}"));
    let (connection, peer) = listener.accept().map_err(failed)?;
    log::info!("connection from {peer}");
    Ok(connection)
}

/// Gives each block to `store`, and returns what the sender says at the end.
fn take(
    from: &mut dyn Read,
    compression: Option<crate::codec::compression::Compression>,
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
    let (code, reason) = advice::of(errno, Doing::Receive);
    Error::new(
        code,
        "stream ended early",
        name,
        errno,
        format!("{reason}; {bytes} of {length} bytes have come: send again"),
    )
}
