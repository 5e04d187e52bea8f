// SPDX-License-Identifier: MIT

//! What goes where in the output: headers, and the ranges of the inputs.

use nix::errno::Errno;
use object::Endianness;

use super::{super::dump::lime_header, Args, Input, manifest_of, usage};
use crate::{
    codec::format::{
        Format, Range,
        elf::{self, Core, Segment},
        lime,
        machine::{Class, Machine},
    },
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest::{Manifest, Part as Told},
    source::Source,
    text,
};

/// A range of an input, and what comes before it in the output.
pub(super) struct Part {
    pub(super) input: usize,
    /// Where it is in the input.
    pub(super) range: Range,
    pub(super) before: Vec<u8>,
    /// Where it is in the output.
    pub(super) at: u64,
}

/// All of the output.
pub(super) struct Plan {
    pub(super) parts: Vec<Part>,
    pub(super) manifest: Manifest,
}

impl Plan {
    pub(super) fn new(args: &Args, inputs: &[Input]) -> Result<Self> {
        let mut parts = parts(args, inputs)?;
        let mut manifest = manifest_of(args, inputs);
        let machine = machine(args, inputs)?;
        if let Some(machine) = machine {
            manifest.system.machine = machine.name().unwrap_or_default().into();
            manifest.system.byte_order = match machine.endian {
                Endianness::Big => "big".into(),
                Endianness::Little => "little".into(),
            };
        }
        describe(args, inputs, &parts, &mut manifest);
        match args.format() {
            Format::Raw => lay_out(&mut parts, 0, 0, 1),
            Format::Lime => {
                lay_out(&mut parts, lime::HEADER, lime::HEADER, 1);
                for part in &mut parts {
                    part.before = lime_header(part.range.base.unwrap_or(0), part.range.stored)?;
                }
            }
            Format::Elf => {
                let machine = machine.ok_or_else(unknown_machine)?;
                elf_header(args, machine, &mut parts, &mut manifest)?;
            }
        }
        tell(&parts, &mut manifest);
        Ok(Self { parts, manifest })
    }

    /// Bytes of the output.
    pub(super) fn length(&self) -> u64 {
        let end = |part: &Part| part.at.saturating_add(part.range.stored);
        self.parts.last().map_or(0, end)
    }
}

/// All ranges of all inputs; those of several in the order of their addresses.
fn parts(args: &Args, inputs: &[Input]) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = inputs
        .iter()
        .enumerate()
        .flat_map(|(input, it)| it.ranges.iter().map(move |range| (input, *range)))
        .map(|(input, range)| Part {
            input,
            range,
            before: Vec::new(),
            at: 0,
        })
        .collect();
    if let Some(base) = args.base {
        let [part] = &mut parts[..] else {
            return Err(usage(
                "--base",
                "there are several ranges, each with its address",
            ));
        };
        part.range.base = Some(base);
        part.range.virt = None;
    }
    for part in &parts {
        let range = &part.range;
        let last = range
            .base
            .unwrap_or(0)
            .checked_add(range.length.saturating_sub(1));
        if last.is_none() {
            return Err(Error::new(
                ExitCode::Range,
                "no such range",
                format_args!("--base {:#x}", range.base.unwrap_or(0)),
                Errno::EOVERFLOW,
                format!("{} bytes from there on leave 64 bits", range.length),
            ));
        }
        if range.base.is_none() && (args.format() != Format::Raw || inputs.len() > 1) {
            return Err(Error::new(
                ExitCode::Usage,
                "no physical address",
                "--base",
                Errno::EINVAL,
                match args.inputs.len() {
                    1 if parts.len() > 1 => {
                        "the input does not tell where its ranges were, and one is for one range: only \
                         --to raw takes it"
                            .into()
                    }
                    1 => "the input does not tell: give --base ADDRESS".into(),
                    _ => format!(
                        "{} does not tell: convert it alone first, with --base",
                        inputs[part.input].saved.name()
                    ),
                },
            ));
        }
    }
    if inputs.len() > 1 {
        parts.sort_by_key(|part| part.range.base);
        check_overlap(&parts, inputs)?;
    }
    Ok(parts)
}

fn check_overlap(parts: &[Part], inputs: &[Input]) -> Result<()> {
    let overlap = parts.windows(2).find(|pair| {
        let (one, next) = (&pair[0].range, &pair[1].range);
        let after = next.base.unwrap_or(0) - one.base.unwrap_or(0);
        after < one.length
    });
    match overlap {
        None => Ok(()),
        Some(pair) => Err(Error::new(
            ExitCode::Range,
            "ranges overlap",
            inputs[pair[1].input].saved.name(),
            Errno::EEXIST,
            format!(
                "{:#x} is in {} as well: leave one of them out",
                pair[1].range.base.unwrap_or(0),
                inputs[pair[0].input].saved.name()
            ),
        )),
    }
}

/// The machine that the inputs are from, or that the arguments say.
fn machine(args: &Args, inputs: &[Input]) -> Result<Option<Machine>> {
    let endian = args.endian.map(Endianness::from);
    let known = inputs[0].saved.machine();
    if let Some(name) = &args.machine {
        let endian = endian
            .or(known.map(|known| known.endian))
            .filter(|_| endian.is_some());
        return Machine::named(name, endian).map(Some).ok_or_else(|| {
            usage(
                &format!("--machine {name}"),
                match Machine::named(name, Some(Endianness::Big)) {
                    Some(_) => "it has two byte orders: give --endian".into(),
                    None => format!("give one of {}", Machine::names()),
                },
            )
        });
    }
    let differs = inputs.iter().find(|input| input.saved.machine() != known);
    if let (Some(differs), Format::Elf) = (differs, args.format()) {
        return Err(usage(
            differs.saved.name(),
            "it is from another machine: give --machine, or convert it alone",
        ));
    }
    Ok(known.map(|known| Machine {
        endian: endian.unwrap_or(known.endian),
        ..known
    }))
}

fn unknown_machine() -> Error {
    Error::new(
        ExitCode::Usage,
        "unknown machine",
        "--machine",
        Errno::EINVAL,
        "the input does not tell whose memory it is: give --machine, such as ppc or x86_64",
    )
}

/// What of the manifest follows from inputs and arguments.
fn describe(args: &Args, inputs: &[Input], parts: &[Part], manifest: &mut Manifest) {
    let stored = parts.iter().map(|part| part.range.stored).sum();
    let promised = match parts {
        [part] => part.range.length.max(inputs[0].saved.promised()),
        _ => stored,
    };
    manifest.bytes = stored;
    manifest.copied = stored;
    manifest.origin.length = promised;
    if args.base.is_some() || manifest.origin.start() != parts[0].range.base {
        (manifest.origin.base, manifest.origin.offset) = (parts[0].range.base, 0);
    }
    let fault = inputs.iter().find_map(Input::incomplete);
    manifest.complete = fault.is_none();
    manifest.error = fault;
    if inputs.len() > 1 || inputs[0].saved.digest().is_none() {
        manifest.digest = None;
    }
}

/// Puts one range after the other, the first at `first`, `between` bytes before each other, each at a
/// multiple of `align`.
fn lay_out(parts: &mut [Part], first: u64, between: u64, align: u64) {
    let mut at = first;
    for part in parts {
        part.at = at;
        at = (at + part.range.stored).next_multiple_of(align) + between;
    }
}

fn elf_header(
    args: &Args,
    mut machine: Machine,
    parts: &mut [Part],
    manifest: &mut Manifest,
) -> Result<()> {
    machine.class = args.class.unwrap_or(machine.class);
    // The note says how many ranges there are, not yet where.
    let all = parts.iter().map(|part| told(part, u64::MAX)).collect();
    manifest.set_ranges(all);
    let note = manifest.note();
    let wide = Machine {
        class: Class::Bits64,
        ..machine
    };
    lay_out(
        parts,
        elf::header_bytes(wide, parts.len(), note.len()),
        0,
        elf::DATA_OFFSET,
    );
    tell(parts, manifest);
    let mut core = Core {
        machine,
        segments: parts.iter().map(segment).collect(),
        note: manifest.note(),
    };
    if args.class.is_none() && core.fits_32().is_err() {
        core.machine.class = Class::Bits64;
    }
    parts[0].before = core.header().map_err(|error| {
        Error::new(
            ExitCode::Range,
            "no room in ELF headers",
            text::name(&args.output),
            Errno::EOVERFLOW,
            error.to_string(),
        )
    })?;
    for index in 1..parts.len() {
        let end = parts[index - 1].at + parts[index - 1].range.stored;
        parts[index].before = vec![0; (parts[index].at - end) as usize];
    }
    Ok(())
}

fn segment(part: &Part) -> Segment {
    let physical = part.range.base.unwrap_or(0);
    Segment {
        physical,
        virt: part.range.virt.unwrap_or(physical),
        at: part.at,
        length: part.range.length,
        stored: part.range.stored,
    }
}

/// What of a range is missing is not said, where there are several.
fn told(part: &Part, at: u64) -> Told {
    Told {
        region: None,
        base: part.range.base,
        length: part.range.stored,
        data_offset: at,
    }
}

/// Says in the manifest where the ranges are.
fn tell(parts: &[Part], manifest: &mut Manifest) {
    manifest.data_offset = parts[0].at;
    manifest.set_ranges(parts.iter().map(|part| told(part, part.at)).collect());
}
