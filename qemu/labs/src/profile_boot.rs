// SPDX-License-Identifier: MIT
//! What the time from power-on to the shell's prompt goes to: every instruction that the processor executes is counted,
//! by function, of the kernel's start and of what programs do after it.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use crate::bench::Baseline;
use crate::profile::{KERNEL, Symbols, addresses, table};
use board::{Board, Image};
use host::command::output_of;
use host::paths::Paths;
use machine::disk::Disk;
use machine::{Boot, Machine};

/// What the kernel calls once for each program.
const PROGRAM: &str = "begin_new_exec";
/// Seconds that a start may take whose every instruction is written down.
const LIMIT: u64 = 900;
/// Bytes of the disk.
const DISK: u64 = 128 << 20;
/// Where the root file system is, as the baseline names it.
const ROOTS: [(&str, Boot); 2] = [("memory", Boot::Memory), ("disk", Boot::Disk)];

/// How often each instruction was executed before the first program, and from there on.
type Counts = [HashMap<u64, u64>; 2];

/// Starts the image twice from each root: for the names of the kernel's functions, which grows the data partition of the
/// disk as a first start does, and to count. Fails when a start costs more than the board's baseline allows.
pub fn run(paths: &Paths, board: &Board, image: &Image, top: usize) -> Result<()> {
    let baseline = Baseline::load(board)?;
    let mut counted = Vec::new();
    for (root, boot) in ROOTS {
        counted.push((root, start(paths, board, image, (root, boot), top)?));
    }
    for (root, all) in counted {
        baseline
            .iter()
            .try_for_each(|most| most.check_boot(root, all))?;
    }
    Ok(())
}

/// Prints where the instructions of a start go, and returns how many there are.
fn start(
    paths: &Paths,
    board: &Board,
    image: &Image,
    (root, boot): (&str, Boot),
    top: usize,
) -> Result<u64> {
    let folder = paths.fresh_out(&format!("profile-boot/{root}"))?;
    let mut machine = Machine::new(board, image, &folder);
    machine.boot = boot;
    let file = folder.join("disk.img");
    machine.disks = vec![match boot {
        Boot::Memory => Disk::empty(&file, DISK)?,
        _ => Disk::image(&file, &image.file("sdcard.img"), DISK)?,
    }];
    let kernel = Symbols::parse(&names(&machine)?);
    let program = kernel
        .of(PROGRAM)
        .with_context(|| format!("the kernel has no {PROGRAM}"))?;
    let counts = counts(machine, program)?;
    ensure!(
        counts.iter().all(|part| !part.is_empty()),
        "the trace has no {PROGRAM}: what comes before the first program cannot be told"
    );
    print!("root in {root}: {}", text(&counts, &kernel, top));
    Ok(counts.iter().flat_map(HashMap::values).sum())
}

fn names(machine: &Machine<'_>) -> Result<String> {
    let mut guest = machine.start()?;
    guest.wait_for_shell()?;
    let names = guest.check_within("cat /proc/kallsyms", 600)?;
    guest.power_off()?;
    Ok(names)
}

fn counts(mut machine: Machine<'_>, program: u64) -> Result<Counts> {
    machine.icount = true;
    (machine.traced, machine.monitor, machine.paused) = (true, true, true);
    // Some GB, which need not be on a disk.
    let pipe = machine.folder.join("trace");
    output_of(Command::new("mkfifo").arg(&pipe))?;
    let reader = thread::spawn(move || count(&pipe, program));
    let mut guest = machine.start()?;
    guest.monitor()?.trace(true)?;
    let shell = guest.wait_for_shell_within(LIMIT);
    guest.monitor()?.trace(false)?;
    shell?;
    guest.power_off()?;
    reader
        .join()
        .map_err(|_| anyhow!("the reader of the trace has panicked"))?
}

fn count(pipe: &Path, program: u64) -> Result<Counts> {
    let trace = File::open(pipe).with_context(|| pipe.display().to_string())?;
    Ok(split(addresses(BufReader::new(trace)), program))
}

/// Counts addresses, up to the first that is `program`, and from there on.
fn split(executed: impl Iterator<Item = u64>, program: u64) -> Counts {
    let mut counts = Counts::default();
    let mut part = 0;
    for address in executed {
        if address == program {
            part = 1;
        }
        *counts[part].entry(address).or_default() += 1;
    }
    counts
}

fn text(counts: &Counts, kernel: &Symbols, top: usize) -> String {
    let none = Symbols::parse("");
    let of = |part: usize| counts[part].values().sum::<u64>();
    let programs: u64 = {
        let own = counts[1].iter().filter(|(address, _)| **address < KERNEL);
        own.map(|(_, count)| count).sum()
    };
    let mut text = format!(
        "{} instructions from power-on to the prompt: {} before the first program, {} by the kernel after that, \
         {programs} by programs\n",
        of(0) + of(1),
        of(0),
        of(1) - programs
    );
    for (part, what) in [(0, "before the first program"), (1, "from there on")] {
        text += &format!("\n{what}:\n{}", table(&counts[part], kernel, &none, top).1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_program_parts_the_counts() {
        let kernel = Symbols::parse("c0000100 T start_kernel\nc0000200 T begin_new_exec\n");
        let program = kernel.of(PROGRAM).unwrap();
        let executed = [
            0xc000_0100,
            0xc000_0104,
            program,
            0x1000_0000,
            0xc000_0104,
            program,
        ];
        let counts = split(executed.into_iter(), program);
        assert_eq!(counts[0].values().sum::<u64>(), 2);
        let text = text(&counts, &kernel, 9);
        assert!(
            text.starts_with(
                "6 instructions from power-on to the prompt: 2 before the first program, 3 by the kernel after that, \
                 1 by programs\n"
            ),
            "{text}"
        );
        assert!(text.contains("2 x begin_new_exec"), "{text}");
    }
}
