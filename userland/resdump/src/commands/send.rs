// SPDX-License-Identifier: MIT

//! `resdump send`: a region over the console itself, when there is no disk and no network.

use std::path::PathBuf;

use nix::errno::Errno;

use crate::{
    advice::{self, Doing},
    codec::compression::Compression,
    codec::digest::Algorithm,
    console::Console,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    signals::Stop,
    size,
    source::{self, digest},
    span::Span,
    stream::{
        link::Line,
        rescue::{self, BLOCK, Patience},
        wire::{Header, Trailer},
    },
};

/// Arguments of `send`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Label, node below /dev/resmem, or a saved file
    region: String,

    /// Serial device [default: this terminal]
    #[arg(long, value_name = "PATH")]
    line: Option<PathBuf>,

    /// First byte, from the start of the region: 4096, 0x1000, 4K
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    offset: u64,

    /// Number of bytes [default: to the end of the region]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    /// How to compress
    #[arg(long, value_enum, value_name = "METHOD", default_value = "zstd")]
    compress: Compression,
}

impl Args {
    /// Whether standard output is the line.
    pub fn writes_to_standard_output(&self) -> bool {
        self.line.is_none()
    }
}

/// Runs `send`. It says nothing while the line is in use.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let console = console.aside();
    let source = source::open(&args.region)?;
    let source = &*source;
    let span = Span::new(args.offset, args.length, source.size())?;
    let stop = Stop::on_signals()?;
    let name = args.line.as_ref().map_or_else(
        || "standard input and output".into(),
        |path| path.display().to_string(),
    );
    let line = match &args.line {
        Some(path) => Line::open(path),
        None => Line::standard(),
    };
    let mut line =
        line.map_err(|error| Error::during(Doing::OpenLine, "cannot open", &name, &error))?;

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
            let digest = digest::of(source, span, Algorithm::Crc32c, &|| stop.requested());
            Ok(Trailer {
                bytes: span.length,
                digest: digest.map_err(|error| error.errno)?,
                error: None,
            })
        },
        Patience::default(),
        &stop,
    );
    drop(line);
    let error = sent.err().map(|error| incomplete(&name, errno_of(&error)));
    if console.is_json() {
        console.object(&serde_json::json!({"bytes": span.length}), error.as_ref())?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| console.complain(&error)))
}

fn incomplete(name: &str, errno: Errno) -> Error {
    let (code, reason) = advice::of(errno, Doing::Serial);
    Error::new(
        code,
        "cannot send",
        name,
        errno,
        format!("{reason}; send again to go on where the receiver is"),
    )
}
