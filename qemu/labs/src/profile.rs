// SPDX-License-Identifier: MIT
//! Where the instructions of a command go: QEMU writes down each that the processor executes, and they are counted by
//! the function that they are in. Nothing is sampled; what the shell does to read and start the command is counted too.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::Stage;
use board::{Board, Image};
use host::command::output_of;
use host::paths::Paths;

/// Where the kernel's addresses begin on the boards that this runs on.
const KERNEL: u64 = 0xc000_0000;

/// Functions of the kernel whose calls are counted as well.
const CALLS: [&str; 6] = [
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
}

/// Names by address.
struct Symbols(BTreeMap<u64, String>);

impl Symbols {
    /// From lines with an address, a letter and a name.
    fn parse(text: &str) -> Self {
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

    /// The function that an address is in.
    fn at(&self, address: u64) -> Option<(u64, &str)> {
        let (start, name) = self.0.range(..=address).next_back()?;
        Some((*start, name))
    }
}

impl Profile<'_> {
    /// Runs the command twice, and a third time that counts; prints the table.
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
        let stage = Stage {
            icount: true,
            file_system: true,
            traced: true,
            ..Stage::new(paths, board, image)
        };
        let kernel = stage.run("profile", |guest, _| {
            guest.check("mount -t ext4 -o noatime /dev/vdb /mnt")?;
            let kernel = guest.check_within("cat /proc/kallsyms", 600)?;
            // What is typed costs a few thousand instructions a letter.
            guest.check(&format!("cat >/tmp/c <<'END'\n{}\nEND", self.command))?;
            guest.check(". /tmp/c")?;
            guest.check(". /tmp/c")?;
            guest.monitor()?.trace(true)?;
            let said = guest.check_within(". /tmp/c", 600);
            guest.monitor()?.trace(false)?;
            said.map(|_| Symbols::parse(&kernel))
        })?;
        let trace = paths.out.join("profile/trace");
        let file = File::open(&trace).with_context(|| trace.display().to_string())?;
        let counts = count(BufReader::new(file))?;
        print!("{}", self.table(&counts, &kernel, &program));
        Ok(())
    }

    fn table(&self, counts: &HashMap<u64, u64>, kernel: &Symbols, program: &Symbols) -> String {
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
        let mut text = format!(
            "{all} instructions, {in_kernel} of them in the kernel, the shell's own included\n"
        );
        for (name, count) in calls {
            text += &format!("{count:>10} x {name}\n");
        }
        for (name, count) in functions.iter().take(self.top) {
            let share = 100.0 * *count as f64 / all as f64;
            text += &format!("{count:>10} {share:5.1} % {name}\n");
        }
        text
    }
}

/// How often each address was executed: `Trace 0: 0x7f… [00000000/c0000aa0/24000002/ff020201]`.
fn count(mut lines: impl BufRead) -> Result<HashMap<u64, u64>> {
    let mut counts = HashMap::new();
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        if let Some(address) = address(&line) {
            *counts.entry(address).or_default() += 1;
        }
        line.clear();
    }
    Ok(counts)
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
        let counts = count(trace.as_bytes()).unwrap();
        assert_eq!(counts, [(0xc000_0aa0, 2), (0x1000_0158, 1)].into());
        let profile = Profile {
            command: "",
            top: 9,
        };
        let kernel = Symbols::parse("c0000a00 T do_page_fault\nc0000b00 t next\n");
        let text = profile.table(&counts, &kernel, &Symbols::parse(""));
        assert!(text.starts_with("3 instructions, 2 of them"), "{text}");
        assert!(text.contains("66.7 % kernel do_page_fault") && text.contains("0x10000000"));
    }
}
