// SPDX-License-Identifier: MIT

//! `resdump convert`: saved files into one of another format, on the device or on a host of either
//! byte order.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::ValueEnum;
use nix::errno::Errno;
use serde::Serialize;

use super::input::InputArgs;
use crate::{
    advice::Doing,
    codec::digest::{Algorithm, Hasher},
    codec::format::{
        Format,
        machine::{Class, Endian},
    },
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest::{self, Manifest},
    output::{self, Identity, Kind, Manner, Output, Permit, Record, Request},
    progress::Progress,
    readback::{self, ReadBack},
    recorder, report,
    signals::Stop,
    size,
    source::{Saved, Source},
    text,
};

mod input;
mod pieces;
mod plan;
mod recorded;
#[cfg(feature = "sigmf")]
mod samples;

use input::Input;
use plan::Plan;

/// Arguments of `convert`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Saved files: raw, ELF core, LiME, or compressed, several into one ELF or LiME file; or a recording
    #[arg(required = true, num_args = 1.., value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// File to make
    output: PathBuf,

    /// Its format
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: To,

    /// Physical address of the first byte [default: as the input says]
    #[arg(long, value_name = "ADDRESS", value_parser = size::parse)]
    base: Option<u64>,

    /// Machine that it is from, as 'uname -m' says there [default: as the input says]
    #[arg(long, value_name = "MACHINE")]
    machine: Option<String>,

    /// Byte order of ELF headers [default: that of the machine]
    #[arg(long, value_enum, value_name = "ORDER")]
    endian: Option<Endian>,

    /// Width of ELF headers [default: that of the machine, or what addresses need]
    #[arg(long, value_enum, value_name = "BITS")]
    class: Option<Class>,

    /// Of a recording: offset in the stream of the first byte
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    offset: Option<u64>,

    /// Of a recording: how many bytes of the stream
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    length: Option<u64>,

    #[cfg(feature = "sigmf")]
    /// SigMF: what a sample is [default: ru8]
    #[arg(long, value_name = "TYPE")]
    datatype: Option<recorder::Datatype>,

    #[cfg(feature = "sigmf")]
    /// SigMF: samples a second
    #[arg(long, value_name = "HZ", value_parser = hertz)]
    sample_rate: Option<f64>,

    #[command(flatten)]
    input: InputArgs,

    /// Overwrite the output
    #[arg(long)]
    force: bool,

    /// No progress, no final line
    #[arg(short, long)]
    quiet: bool,
}

#[cfg(feature = "sigmf")]
fn hertz(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(rate) if f64::is_finite(rate) && rate > 0.0 => Ok(rate),
        _ => Err("expected a number above 0".into()),
    }
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum To {
    /// Exactly the bytes
    Raw,
    /// ELF core: physical addresses, and a note that says what it is
    Elf,
    /// LiME, as Volatility and AVML read it: little-endian
    Lime,
    #[cfg(feature = "sigmf")]
    /// SigMF, of a recording: OUTPUT.sigmf-data and OUTPUT.sigmf-meta
    Sigmf,
    #[cfg(feature = "plot")]
    /// A picture of a recording: rate, use of the ring and loss over time
    Svg,
}

impl Args {
    /// The format of a file of memory. SigMF and a picture are none, and were refused.
    fn format(&self) -> Format {
        match self.to {
            To::Raw => Format::Raw,
            #[cfg(feature = "sigmf")]
            To::Sigmf => Format::Raw,
            #[cfg(feature = "plot")]
            To::Svg => Format::Raw,
            To::Elf => Format::Elf,
            To::Lime => Format::Lime,
        }
    }

    /// Whether standard output is the target.
    pub fn writes_to_standard_output(&self) -> bool {
        output::is_standard_output(&self.output)
    }
}

#[derive(Serialize)]
struct Converted<'a> {
    input: &'a str,
    output: &'a str,
    from: Format,
    to: Format,
    base: Option<u64>,
    bytes: u64,
    ranges: usize,
    complete: bool,
    /// Whether the output is in memory: nothing there is ever durable.
    in_memory: bool,
}

/// Runs `convert`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    run_until(args, console, &Stop::on_signals()?)
}

/// Runs `convert`, until `stop`.
pub fn run_until(args: &Args, console: &Console, stop: &Stop) -> Result<ExitCode> {
    if args.inputs.len() > 1 && args.input.manifest.is_some() {
        return Err(usage(
            "--manifest",
            "it is of one file: leave it out, for FILE.json of each",
        ));
    }
    if let [one] = &args.inputs[..]
        && recorder::Saved::is_one(one)
    {
        return recorded::run(args, one, console, stop);
    }
    refuse_options_of_recordings(args)?;
    if args.class.is_some() && args.to != To::Elf {
        return Err(usage(
            "--class",
            "only ELF headers have a width: leave it out",
        ));
    }
    let show = !args.quiet && !console.is_json();
    let inputs: Vec<Input> = args
        .inputs
        .iter()
        .map(|path| Input::open(path, &args.input.how(), show, stop))
        .collect::<Result<_>>()?;
    let mut plan = Plan::new(args, &inputs)?;
    let taken: Vec<Identity> = inputs
        .iter()
        .flat_map(|input| input.saved.identities())
        .collect();
    let request = Request {
        path: &args.output,
        manner: Manner::Whole,
        permit: Permit {
            force: args.force,
            ..Permit::default()
        },
        inputs: &taken,
    };
    let output = Output::open(&request, Some(stop))?;
    let is_in_memory = output.is_in_memory();
    let record = claim(&plan, &output, taken)?;
    output.expect_room(plan.length())?;
    if let [_, _, ..] = &inputs[..] {
        // Their ranges are not written in the order that the digests have.
        for input in &inputs {
            if let Some(digest) = input.saved.digest() {
                ReadBack::of(&input.saved, stop)?.expect_digest(digest)?;
            }
        }
    }
    write(&inputs, &mut plan, &output, show, stop)?;
    inputs
        .iter()
        .try_for_each(|input| input.saved.check_unchanged())?;
    finish(&mut plan.manifest, output, record)?;
    let manifest = &plan.manifest;
    let converted = Converted {
        input: &text::name(&args.inputs[0]),
        output: &text::name(&args.output),
        from: inputs[0].saved.format(),
        to: args.format(),
        base: plan.parts[0].range.base,
        bytes: manifest.bytes,
        ranges: plan.parts.len(),
        complete: manifest.complete,
        in_memory: is_in_memory,
    };
    if console.is_json() {
        console.object(&converted, None)?;
    } else if !args.quiet {
        console.text(|out| {
            if !manifest.complete {
                write!(out, "INCOMPLETE, of {} bytes: ", manifest.origin.length)?;
            }
            write!(out, "{} bytes", manifest.bytes)?;
            if plan.parts.len() > 1 {
                write!(out, ", {} ranges", plan.parts.len())?;
            }
            writeln!(out, "{}", report::in_memory(is_in_memory))
        })?;
    }
    Ok(ExitCode::Ok)
}

fn refuse_options_of_recordings(args: &Args) -> Result<()> {
    let given = [
        #[cfg(feature = "sigmf")]
        ("--to sigmf", args.to == To::Sigmf),
        #[cfg(feature = "plot")]
        ("--to svg", args.to == To::Svg),
        ("--offset", args.offset.is_some()),
        ("--length", args.length.is_some()),
        #[cfg(feature = "sigmf")]
        ("--datatype", args.datatype.is_some()),
        #[cfg(feature = "sigmf")]
        ("--sample-rate", args.sample_rate.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(usage(option, "it is for one recording alone")),
        None => Ok(()),
    }
}

fn usage(subject: &str, advice: impl Into<String>) -> Error {
    let what = "arguments do not fit";
    Error::new(ExitCode::Usage, what, subject, Errno::EINVAL, advice)
}

/// Takes the place of the manifest, where there is to be one.
fn claim(plan: &Plan, output: &Output, mut taken: Vec<Identity>) -> Result<Option<Record>> {
    if output.kind() != Kind::File {
        return match plan.manifest.complete {
            true => Ok(None),
            false => Err(usage(
                "--incomplete",
                "nothing would say of the output that it is incomplete: give a file",
            )),
        };
    }
    taken.push(output.identity()?);
    let beside = manifest::beside(output.lasting_path());
    manifest::claim(
        &beside,
        &taken,
        false,
        "give another OUTPUT, or move it away",
    )
    .map(Some)
}

/// Gives the output its name and its manifest: at no time has it one that speaks of something else.
fn finish(manifest: &mut Manifest, output: Output, record: Option<Record>) -> Result<()> {
    let Some(mut record) = record else {
        return output.commit();
    };
    let mut begun = Manifest {
        complete: false,
        bytes: 0,
        error: Some("begun".into()),
        ..manifest.clone()
    };
    manifest::store(&mut begun, &mut record, false)?;
    manifest::forget(&output, |stale| record.is_at(stale))?;
    manifest.durable = Some(!output.is_in_memory());
    output.commit()?;
    manifest::store(manifest, &mut record, true)
}

/// Headers and bytes; the digest is checked if the input's manifest has one.
fn write(
    inputs: &[Input],
    plan: &mut Plan,
    output: &Output,
    show: bool,
    stop: &Stop,
) -> Result<()> {
    let failed = |error: io::Error| {
        Error::during(
            Doing::Write,
            "cannot write",
            text::name(output.path()),
            &error,
        )
    };
    let mut out = BufWriter::new(output.file());
    let expected = plan.manifest.digest.clone();
    let mut hasher = expected
        .as_ref()
        .map(|digest| Hasher::new(digest.algorithm));
    let mut headers = Hasher::new(Algorithm::Crc32c);
    let mut progress = Progress::new(plan.length(), show);
    for part in &plan.parts {
        out.write_all(&part.before).map_err(failed)?;
        headers.update(&part.before);
        let saved: &Saved = &inputs[part.input].saved;
        ReadBack::part(saved, &[part.range], stop)?.read(&mut |at, bytes| {
            progress.at(part.at + at);
            if let Some(hasher) = &mut hasher {
                hasher.update(bytes);
            }
            out.write_all(bytes).map_err(failed).map(|()| true)
        })?;
    }
    if let (Some(hasher), Some(expected)) = (hasher, expected) {
        let found = hasher.finish();
        if found != expected {
            return Err(readback::differs(inputs[0].saved.path(), &found, &expected));
        }
    }
    if plan.manifest.format != Format::Raw {
        plan.manifest.headers = Some(headers.finish());
    }
    out.flush().map_err(failed)
}

/// The manifest of a copy: what is known of its input, if there is one only.
fn manifest_of(args: &Args, inputs: &[Input]) -> Manifest {
    let names: Vec<&str> = inputs.iter().map(|input| input.saved.name()).collect();
    let first = &inputs[0].saved;
    let mut manifest = match (first.manifest(), inputs.len()) {
        (Some(manifest), 1) => manifest.clone(),
        _ => {
            let origin = manifest::Origin {
                region: names.join(", "),
                base: None,
                offset: 0,
                length: 0,
            };
            Manifest {
                system: first.system(),
                ..manifest::begin(origin, args.format(), 0, 0)
            }
        }
    };
    manifest.format = args.format();
    (manifest.compression, manifest.stored) = (None, None);
    (manifest.skipped, manifest.resumed, manifest.direct) = (0, 0, 0);
    (manifest.engine, manifest.engine_reason) = ("convert".into(), names.join(", "));
    (manifest.seek, manifest.headers, manifest.verified) = (Some(0), None, false);
    manifest
}
