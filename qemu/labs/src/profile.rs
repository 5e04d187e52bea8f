// SPDX-License-Identifier: MIT
//! Where the instructions of a command go: QEMU writes down each that the processor executes, and they are counted by
//! the function that they are in. Nothing is sampled; what the shell does to read and start the command is counted too.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::Stage;
use board::{Board, Image};
use host::command::output_of;
use host::paths::Paths;

/// Where the kernel's addresses begin on the boards that this runs on.
pub(crate) const KERNEL: u64 = 0xc000_0000;

/// Functions of the kernel whose calls are counted as well.
const CALLS: [&str; 8] = [
    "kernel_clone",
    "begin_new_exec",
    "system_call_exception",
    "do_page_fault",
    "copy_page",
    "submit_bio_noacct",
    "blkdev_issue_flush",
    "jbd2_journal_commit_transaction",
];

/// What is profiled.
pub struct Profile<'a> {
    /// The command, as it is typed.
    pub command: &'a str,
    /// How many functions are listed.
    pub top: usize,
    /// Bytes of the region, which goes to a disk that forgets, instead of the board's.
    pub region: Option<u64>,
    /// That region is a ring.
    pub ring: bool,
}

/// Names by address.
pub(crate) struct Symbols(BTreeMap<u64, String>);

impl Symbols {
    /// From lines with an address, a letter and a name.
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| {
                    let (address, rest) = line.trim().split_once(' ')?;
                    let (_, name) = rest.split_once(' ')?;
                    let address = u64::from_str_radix(address, 16).ok()?;
                    Some((address, name.trim().to_owned()))
                })
                .collect(),
        )
    }

    /// Where a function begins.
    pub(crate) fn of(&self, name: &str) -> Option<u64> {
        let found = self.0.iter().find(|(_, known)| *known == name);
        found.map(|(address, _)| *address)
    }

    /// The function that an address is in.
    fn at(&self, address: u64) -> Option<(u64, &str)> {
        let (start, name) = self.0.range(..=address).next_back()?;
        Some((*start, name))
    }
}

/// What the processor executed while commands ran, one address an instruction, the shell's own included.
pub(crate) struct Trace {
    file: PathBuf,
    /// The kernel's symbols: lines with an address, a letter and a name.
    kernel: String,
}

impl Trace {
    /// Runs the commands twice, and a third time that counts.
    pub(crate) fn of(
        commands: &str,
        (region, ring): (Option<u64>, bool),
        paths: &Paths,
        board: &Board,
        image: &Image,
    ) -> Result<Self> {
        let stage = Stage {
            icount: true,
            file_system: true,
            traced: true,
            ring,
            size: region,
            forgets: region.is_some(),
            ..Stage::new(paths, board, image)
        };
        let kernel = stage.run("profile", |guest, _| {
            guest.check("mount -t ext4 -o noatime /dev/vdb /mnt")?;
            let kernel = guest.check_within("cat /proc/kallsyms", 600)?;
            // What is typed costs a few thousand instructions a letter.
            guest.check(&format!("cat >/tmp/c <<'END'\n{commands}\nEND"))?;
            guest.check(". /tmp/c")?;
            guest.check(". /tmp/c")?;
            guest.monitor()?.trace(true)?;
            let said = guest.check_within(". /tmp/c", 600);
            guest.monitor()?.trace(false)?;
            said.map(|_| kernel)
        })?;
        Ok(Self {
            file: paths.out.join("profile/trace"),
            kernel,
        })
    }

    /// The address of each instruction.
    pub(crate) fn addresses(&self) -> Result<impl Iterator<Item = u64>> {
        let name = || self.file.display().to_string();
        Ok(addresses(BufReader::new(
            File::open(&self.file).with_context(name)?,
        )))
    }
}

impl Profile<'_> {
    /// Runs the command and prints the table.
    pub fn run(&self, paths: &Paths, board: &Board, image: &Image) -> Result<()> {
        let program = image.file("resdump.symbols");
        let names = if program.exists() {
            let tool = format!("{}nm", board.conf.cross_compile);
            output_of(Command::new(tool).arg("-C").arg(program))?
        } else {
            eprintln!(
                "labs: this image's builder keeps no names of the dumper's functions: they are listed by page"
            );
            String::new()
        };
        let program = Symbols::parse(&names);
        let trace = Trace::of(self.command, (self.region, self.ring), paths, board, image)?;
        let mut counts = HashMap::new();
        for address in trace.addresses()? {
            *counts.entry(address).or_default() += 1;
        }
        print!(
            "{}",
            self.table(&counts, &Symbols::parse(&trace.kernel), &program)
        );
        Ok(())
    }

    fn table(&self, counts: &HashMap<u64, u64>, kernel: &Symbols, program: &Symbols) -> String {
        let all: u64 = counts.values().sum();
        let (in_kernel, table) = table(counts, kernel, program, self.top);
        format!(
            "{all} instructions, {in_kernel} of them in the kernel, the shell's own included\n{table}"
        )
    }
}

/// How many of the instructions are the kernel's; calls of some functions, and the `top` functions with the most
/// instructions, a line each.
pub(crate) fn table(
    counts: &HashMap<u64, u64>,
    kernel: &Symbols,
    program: &Symbols,
    top: usize,
) -> (u64, String) {
    let mut functions: HashMap<String, u64> = HashMap::new();
    let mut calls: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut all, mut in_kernel) = (0, 0);
    for (&address, &count) in counts {
        all += count;
        let (side, symbols) = match address >= KERNEL {
            true => ("kernel", kernel),
            false => ("program", program),
        };
        in_kernel += if side == "kernel" { count } else { 0 };
        let name = match symbols.at(address) {
            Some((start, name)) => {
                if start == address && CALLS.contains(&name) {
                    *calls.entry(name).or_default() += count;
                }
                format!("{side} {name}")
            }
            // Without symbols: the page.
            None => format!("{side} {:#x}", address & !0xfff),
        };
        *functions.entry(name).or_default() += count;
    }
    let mut functions: Vec<(String, u64)> = functions.into_iter().collect();
    functions.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
    let mut text = String::new();
    for (name, count) in calls {
        text += &format!("{count:>10} x {name}\n");
    }
    for (name, count) in functions.iter().take(top) {
        let share = 100.0 * *count as f64 / all as f64;
        text += &format!("{count:>10} {share:5.1} % {name}\n");
    }
    (in_kernel, text)
}

/// The addresses in lines of this form: `Trace 0: 0x7f… [00000000/c0000aa0/24000002/ff020201]`.
pub(crate) fn addresses(lines: impl BufRead) -> impl Iterator<Item = u64> {
    lines
        .split(b'\n')
        .map_while(Result::ok)
        .filter_map(|line| address(&line))
}

fn address(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("Trace ")?;
    let address = line.split_once('[')?.1.split('/').nth(1)?;
    u64::from_str_radix(address, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_trace_is_one_instruction() {
        let trace = "Trace 0: 0x7f07 [00000000/c0000aa0/24000002/ff020201] \n\
                     Stopped execution of TB chain before 0x7f07 [c0000aa0] \n\
                     Trace 0: 0x7f07 [00000000/c0000aa0/24000002/ff020201] \n\
                     Trace 0: 0x7f07 [00000000/10000158/24000002/ff020201] main\n";
        let all: Vec<u64> = addresses(trace.as_bytes()).collect();
        assert_eq!(all, [0xc000_0aa0, 0xc000_0aa0, 0x1000_0158]);
        let counts = [(0xc000_0aa0, 2), (0x1000_0158, 1)].into();
        let profile = Profile {
            command: "",
            top: 9,
            region: None,
            ring: false,
        };
        let kernel = Symbols::parse("c0000a00 T do_page_fault\nc0000b00 t next\n");
        let text = profile.table(&counts, &kernel, &Symbols::parse(""));
        assert!(text.starts_with("3 instructions, 2 of them"), "{text}");
        assert!(text.contains("66.7 % kernel do_page_fault") && text.contains("0x10000000"));
    }
}
