// SPDX-License-Identifier: MIT

//! `resdump send`: a region over the console itself, when there is no disk and no network.

use std::{ffi::OsString, time::Duration};

use nix::errno::Errno;
use serde::Serialize;

use crate::{
    codec::compression::Compression,
    codec::digest::{Algorithm, Digest},
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    signals::Stop,
    size,
    source::{self, digest},
    span::Span,
    stream::{
        link::{self, Line},
        messages::{Header, Trailer, Verdict},
        rescue::{self, BLOCK, Broken, Patience},
    },
    text,
};

/// Arguments of `send`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Label, node below /dev/resmem, or a saved file
    region: OsString,

    /// Serial device, or tcp://HOST:PORT: a console server [default: this terminal]
    #[arg(long, value_name = "PATH")]
    line: Option<OsString>,

    /// First byte, from the start of the region: 4096, 0x1000, 4K
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    offset: u64,

    /// Number of bytes [default: to the end of the region]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    /// How to compress
    #[arg(long, value_enum, value_name = "METHOD", default_value = "zstd")]
    compress: Compression,

    /// Longest wait for a receiver that says nothing
    #[arg(long, value_name = "SECONDS", default_value = "60",
          value_parser = clap::value_parser!(u64).range(3..=1_000_000))]
    timeout: u64,
}

impl Args {
    /// Whether standard output is the line.
    pub fn writes_to_standard_output(&self) -> bool {
        self.line.is_none()
    }
}

/// The result, for a program.
#[derive(Serialize)]
struct Sent<'a> {
    region: &'a str,
    offset: u64,
    length: u64,
    /// Those that the receiver has stored, as it says.
    bytes: u64,
    complete: bool,
    /// Whether they are in memory there, as it says: not durable.
    in_memory: bool,
    digest: Option<Digest>,
}

/// Runs `send`. It says nothing while the line is in use.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let console = console.aside();
    let source = source::open(&args.region)?;
    let source = &*source;
    let span = Span::new(args.offset, args.length, source.size())?;
    let stop = Stop::on_signals()?;
    digest::expect(source, &|| stop.requested())?;
    let silence = Duration::from_secs(args.timeout);
    let (name, mut line) = match &args.line {
        Some(line) => (text::name(line), Line::named(line, silence)?),
        None => (link::STANDARD.into(), Line::standard()?),
    };

    let mut digest = None;
    let sent = rescue::send(
        &mut line,
        &Header::of(source, span, Some(args.compress), Some(Algorithm::Crc32c)),
        span.length.div_ceil(BLOCK),
        &mut |number| {
            let offset = number * BLOCK;
            let mut bytes = vec![0; BLOCK.min(span.length - offset) as usize];
            source
                .read_at(&mut bytes, span.offset + offset)
                .map_err(|error| error.errno)?;
            args.compress.pack(&bytes)
        },
        &mut || {
            digest = digest::of(source, span, Algorithm::Crc32c, &|| stop.requested())
                .map_err(|error| error.errno)?;
            Ok(Trailer {
                bytes: span.length,
                digest: digest.clone(),
                error: None,
            })
        },
        Patience {
            give_up: silence,
            ..Patience::default()
        },
        &stop,
    );
    // The terminal is as it was before something is said there.
    drop(line);
    let (bytes, error) = judge(&name, span.length, &sent);
    if console.is_json() {
        let sent = Sent {
            region: source.name(),
            offset: span.offset,
            length: span.length,
            bytes,
            complete: error.is_none(),
            in_memory: matches!(&sent, Ok(verdict) if verdict.in_memory),
            digest: digest.filter(|_| error.is_none()),
        };
        console.object(&sent, error.as_ref())?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| console.complain(&error)))
}

/// What the receiver has, and what is wrong.
fn judge(
    name: &str,
    length: u64,
    sent: &std::result::Result<Verdict, Broken>,
) -> (u64, Option<Error>) {
    match sent {
        Ok(verdict) => (verdict.bytes.min(length), verdict.judge(name, length).err()),
        Err(broken) => (0, Some(incomplete(name, *broken))),
    }
}

fn incomplete(name: &str, broken: Broken) -> Error {
    let again = "send again to resume where the receiver is";
    let (code, errno, advice) = match broken {
        Broken::Silence => (
            ExitCode::Io,
            Errno::ETIMEDOUT,
            format!("no answer: start 'resdump receive' on the host; {again}"),
        ),
        Broken::NoFrames => (
            ExitCode::Io,
            Errno::EILSEQ,
            format!(
                "bytes come, but no answer of 'resdump receive': start it on the host, and check that \
                 both ends have the same speed and parity; {again}"
            ),
        ),
        Broken::Gone | Broken::Deaf => (
            ExitCode::Io,
            Errno::ETIMEDOUT,
            format!("the receiver is gone; {again}"),
        ),
        Broken::Old => (
            ExitCode::Io,
            Errno::EPROTONOSUPPORT,
            "the receiver is an older resdump, which acknowledges nothing: use one of this version or \
             newer"
                .into(),
        ),
        Broken::Failed(Errno::EINTR) => (
            ExitCode::Interrupted,
            Errno::EINTR,
            format!("stopped by a signal; {again}"),
        ),
        Broken::Failed(errno) => (ExitCode::Io, errno, format!("the line is gone; {again}")),
    };
    Error::new(code, "cannot send", name, errno, advice)
}
