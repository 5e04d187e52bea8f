// SPDX-License-Identifier: MIT

//! `resdump convert`: a saved file into another format, on the device or on a host of either byte
//! order.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use nix::errno::Errno;
use object::{Endianness, elf as numbers};
use serde::Serialize;

use crate::{
    codec::digest::Hasher,
    codec::format::{Contents, Format, elf, lime},
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest::{self, Manifest},
    output::{Identity, Kind, Manner, Output, Permit, Request},
    readback::{self, ReadBack},
    signals::Stop,
    size,
    source::{Saved, Source},
    span::Span,
};

/// A byte order, as `--endian` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Endian {
    /// Most significant byte first
    Big,
    /// Least significant byte first
    Little,
}

/// Arguments of `convert`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Saved file, raw, ELF or LiME
    input: PathBuf,

    /// File to make
    output: PathBuf,

    /// Its format
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Format,

    /// Physical address of the first byte [default: as the input says]
    #[arg(long, value_name = "ADDRESS", value_parser = size::parse)]
    base: Option<u64>,

    /// Byte order of ELF headers [default: that of the machine it is from]
    #[arg(long, value_enum, value_name = "ORDER")]
    endian: Option<Endian>,

    /// Overwrite the output
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Converted<'a> {
    input: &'a str,
    output: &'a str,
    from: Format,
    to: Format,
    base: Option<u64>,
    bytes: u64,
}

/// Runs `convert`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let manifest = Manifest::load(&manifest::beside(&args.input))?;
    let stop = Stop::on_signals()?;
    let input = Input::open(&args.input, manifest.as_ref(), &stop)?;
    let (bytes, from) = (input.contents.bytes, input.contents.format);
    let base = args.base.or(input.contents.base);
    let header = match args.to {
        Format::Raw => Vec::new(),
        Format::Elf => elf::header(&image(args, &input, manifest.as_ref(), needed(base)?)),
        Format::Lime => lime_header(args, bytes, needed(base)?)?,
    };
    let request = Request {
        path: &args.output,
        manner: Manner::Whole,
        permit: Permit {
            force: args.force,
            ..Permit::default()
        },
        inputs: &input.identities,
    };
    let output = Output::open(&request, Some(&stop))?;
    output.expect_room(header.len() as u64 + bytes)?;
    write(args, input, &header, &output, manifest.as_ref())?;
    if output.kind() == Kind::File {
        // One that speaks of what was there before.
        for stale in [output.path(), output.real_path()] {
            manifest::remove(&manifest::beside(stale))?;
        }
    }
    output.commit()?;
    let converted = Converted {
        input: &args.input.to_string_lossy(),
        output: &args.output.to_string_lossy(),
        from,
        to: args.to,
        base,
        bytes,
    };
    if console.is_json() {
        console.object(&converted, None)?;
    } else {
        console.text(|out| writeln!(out, "{} bytes", converted.bytes))?;
    }
    Ok(ExitCode::Ok)
}

/// What is converted.
struct Input {
    contents: Contents,
    /// The first bytes of the file, where it has headers.
    head: Vec<u8>,
    reader: ReadBack,
    /// What must not be written to meanwhile.
    identities: Vec<Identity>,
}

impl Input {
    fn open(path: &Path, manifest: Option<&Manifest>, stop: &Stop) -> Result<Self> {
        if let Some(manifest) = manifest.filter(|manifest| manifest.compression.is_some()) {
            manifest.expect_some(path)?;
            return Ok(Self {
                contents: Contents {
                    format: manifest.format,
                    data_offset: 0,
                    bytes: manifest.bytes,
                    base: manifest.origin.start(),
                },
                head: Vec::new(),
                reader: ReadBack::of(path, manifest, stop)?,
                identities: [
                    Identity::named(path),
                    Identity::named(&manifest::beside(path)),
                ]
                .into_iter()
                .flatten()
                .collect(),
            });
        }
        let saved = Saved::open(path)?;
        let mut contents = saved.contents().clone();
        if let Some(manifest) = manifest {
            // A file that is shorter is found when it is read.
            contents.bytes = manifest.bytes;
        }
        let data = Span {
            offset: contents.data_offset,
            length: contents.bytes,
        };
        Ok(Self {
            contents,
            head: saved.head().to_vec(),
            identities: saved.identities(),
            reader: ReadBack::open(path, data, stop)?,
        })
    }
}

fn needed(base: Option<u64>) -> Result<u64> {
    base.ok_or_else(|| {
        Error::new(
            ExitCode::Usage,
            "no physical address",
            "--base",
            Errno::EINVAL,
            "the input does not tell: give --base ADDRESS",
        )
    })
}

fn lime_header(args: &Args, length: u64, base: u64) -> Result<Vec<u8>> {
    if length == 0 || base.checked_add(length - 1).is_none() {
        return Err(Error::new(
            ExitCode::Range,
            "no such range",
            args.input.display(),
            Errno::ERANGE,
            "LiME has no range that is empty or leaves 64 bits",
        ));
    }
    Ok(lime::header(lime::Range { base, length }))
}

/// What the input, or its manifest, says of the machine that it is from.
fn image(args: &Args, input: &Input, manifest: Option<&Manifest>, base: u64) -> elf::Image {
    let bytes = input.contents.bytes;
    // A header at the begin of the file may be another dump's.
    let own =
        elf::parse(&input.head).filter(|image| image.data_offset == input.contents.data_offset);
    let mut image = own.unwrap_or_else(|| {
        let system = manifest.map(|manifest| &manifest.system);
        elf::Image {
            endian: match system.map(|system| system.byte_order.as_str()) {
                Some("big") => Endianness::Big,
                Some(_) => Endianness::Little,
                None => elf::native_endian(),
            },
            machine: match system.map(|system| system.machine.as_str()) {
                Some("ppc") => numbers::EM_PPC,
                Some("ppc64" | "ppc64le") => numbers::EM_PPC64,
                Some("x86_64") => numbers::EM_X86_64,
                Some("aarch64") => numbers::EM_AARCH64,
                Some(_) => numbers::EM_NONE,
                None => elf::native_machine(),
            },
            base,
            length: bytes,
            stored: 0,
            data_offset: 0,
            note: manifest.map_or_else(|| b"{}".to_vec(), Manifest::note),
        }
    });
    match args.endian {
        Some(Endian::Big) => image.endian = Endianness::Big,
        Some(Endian::Little) => image.endian = Endianness::Little,
        None => {}
    }
    elf::Image {
        base,
        stored: bytes,
        length: image.length.max(bytes),
        data_offset: elf::DATA_OFFSET,
        ..image
    }
}

/// Headers and bytes; the digest is checked if the manifest has one.
fn write(
    args: &Args,
    mut input: Input,
    header: &[u8],
    output: &Output,
    manifest: Option<&Manifest>,
) -> Result<()> {
    let failed = |error: io::Error| Error::io("cannot write", args.output.display(), &error);
    let mut out = BufWriter::new(output.file());
    out.write_all(header).map_err(failed)?;

    let whole = manifest.filter(|manifest| manifest.bytes == manifest.origin.length);
    let digest = whole.and_then(|manifest| manifest.digest.as_ref());
    let mut hasher = digest.map(|digest| Hasher::new(digest.algorithm));
    input.reader.read(&mut |_, bytes| {
        if let Some(hasher) = &mut hasher {
            hasher.update(bytes);
        }
        out.write_all(bytes).map_err(failed).map(|()| true)
    })?;
    let found = hasher.map(Hasher::finish);
    if let (Some(found), Some(expected)) = (found, digest)
        && found != *expected
    {
        return Err(readback::differs(&args.input, &found, expected));
    }
    out.flush().map_err(failed)
}
