// SPDX-License-Identifier: MIT
//! In which order functions lie in the dumper: those that ordinary commands execute come first, in the order in which
//! they do. A page fault maps 64 KiB around the address, and all of these pages have to be unmapped again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::profile::{KERNEL, Trace};
use board::{Board, Image};
use host::command::output_of;
use host::paths::Paths;

/// What is executed.
const COMMANDS: &str = "\
resdump --version
resdump dump capture /dev/vda --force --quiet --length 4096
resdump dump capture /mnt/a --force --quiet --length 4096
resdump list";

const HEAD: &str = "\
/* SPDX-License-Identifier: MIT */
/* Made by `make order`: functions that ordinary commands execute, in the order in which they do. A name that is not
   there, of another compiler perhaps, is passed over. */
SECTIONS
{
  .text.first :
  {
";

/// Fewer functions than any run executes: the names are not those of the program then.
const LEAST: usize = 300;

/// Writes the linker script again.
pub fn run(paths: &Paths, board: &Board, image: &Image) -> Result<()> {
    let tool = |name: &str| Command::new(format!("{}{name}", board.conf.cross_compile));
    let program = image.file("resdump.symbols");
    let names = output_of(tool("nm").arg("-S").arg(&program))?;
    let libraries = ["libc.a", "libgcc.a", "libgcc_eh.a"]
        .map(|name| output_of(tool("gcc").arg(format!("-print-file-name={name}"))));
    let libraries: Vec<String> = libraries.into_iter().collect::<Result<_>>()?;
    let libraries = output_of(tool("nm").arg("-A").args(libraries))?;
    let trace = Trace::of(COMMANDS, (None, false), paths, board, image)?;
    let script = script(&functions(&names), &members(&libraries), trace.addresses()?)?;
    let path = paths.root.join("userland/resdump/order.ld");
    fs::write(&path, script).with_context(|| path.display().to_string())
}

/// The addresses that the processor came to by a jump, as it comes to a function.
fn entered(executed: impl Iterator<Item = u64>) -> impl Iterator<Item = u64> {
    let mut last = 0;
    executed
        .filter(|address| *address < KERNEL)
        .filter(move |&address| {
            // What faults is executed again.
            let is_jump = address != last && address != last + 4;
            last = address;
            is_jump
        })
}

/// Names by address, of lines with an address, a size, a letter and a name. The shell's code lies at the same addresses:
/// what is jumped to at the first address of a function is that function, nearly always.
fn functions(names: &str) -> HashMap<u64, &str> {
    let function = |line| -> Option<(u64, &str)> {
        let mut fields = str::split_whitespace(line);
        let address = u64::from_str_radix(fields.next()?, 16).ok()?;
        let (_size, letter, name) = (fields.next()?, fields.next()?, fields.next()?);
        matches!(letter, "t" | "T" | "w" | "W").then_some((address, name))
    };
    names.lines().filter_map(function).collect()
}

/// The object file that each function of a library is in: `/…/libc.a:malloc.o:00000000 T malloc`.
fn members(names: &str) -> BTreeMap<&str, String> {
    let mut members = BTreeMap::new();
    for line in names.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(library), Some(member), Some(symbol)) =
            (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let mut fields = symbol.split_whitespace().skip(1);
        if let (Some("t" | "T" | "w" | "W" | "i"), Some(name)) = (fields.next(), fields.next()) {
            let library = library.rsplit('/').next().unwrap_or(library);
            let member = || format!("{library}:{member}");
            members.entry(name).or_insert_with(member);
        }
    }
    members
}

fn script(
    functions: &HashMap<u64, &str>,
    members: &BTreeMap<&str, String>,
    executed: impl Iterator<Item = u64>,
) -> Result<String> {
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    for name in entered(executed).filter_map(|address| functions.get(&address)) {
        let line = match members.get(name) {
            Some(member) => format!("    *{member}(.text .text.*)\n"),
            None => {
                let pattern = pattern(name);
                format!("    *(.text.{pattern} .text.unlikely.{pattern})\n")
            }
        };
        if seen.insert(line.clone()) {
            lines.push(line);
        }
    }
    ensure!(
        lines.len() >= LEAST,
        "only {} functions: is this the image's program?",
        lines.len()
    );
    Ok(format!(
        "{HEAD}{}  }}\n}}\nINSERT BEFORE .text;\n",
        lines.concat()
    ))
}

/// A mangled name without what depends on the compiler's version: the hash of each crate (`Cs…_`), and the number of a
/// copy that the compiler has made.
fn pattern(name: &str) -> String {
    let mut name = match name.split_once('.') {
        Some((stem, _)) if stem.starts_with("_R") => format!("{stem}*"),
        _ => name.to_owned(),
    };
    let mut from = 0;
    while let Some(at) = name[from..].find("Cs").map(|at| from + at) {
        from = at + 2;
        let rest = &name[from..];
        let hash = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let is_crate = rest[hash..].starts_with('_')
            && rest[hash + 1..].starts_with(|next: char| next.is_ascii_digit() || next == '_');
        if is_crate && hash > 0 {
            name.replace_range(from..from + hash, "*");
            from += 1;
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_the_name_of_another_compiler() {
        let name = "_RNvMs_NtNtCs4qxbqK6yZ0a_7resdump3cliNtB4_7Command3run";
        assert_eq!(
            pattern(name),
            "_RNvMs_NtNtCs*_7resdump3cliNtB4_7Command3run"
        );
        assert_eq!(
            pattern("_RNvCs1a_7___rustc12___rust_alloc"),
            "_RNvCs*_7___rustc12___rust_alloc"
        );
        assert_eq!(
            pattern("_RNvCs1a_4core5clone.llvm.313"),
            "_RNvCs*_4core5clone*"
        );
        assert_eq!(pattern("memcpy"), "memcpy");
    }

    #[test]
    fn functions_are_in_the_order_of_execution_and_of_the_library_by_object_file() {
        let names = "10000100 00000040 T main\n10000200 00000040 t _RNvCs1_1a1b\n10000300 00000010 R data\n\
                     10000400 00000010 T malloc\n10000500 00000010 t _int_malloc\n";
        let library = "/usr/lib/libc.a:malloc.o:00000000 T malloc\n/usr/lib/libc.a:malloc.o:00000010 t _int_malloc\n";
        let (functions, members) = (functions(names), members(library));
        assert_eq!(functions.len(), 4);
        let mut many: Vec<String> = (0..LEAST).map(|number| format!("f{number}")).collect();
        many.sort();
        let mut all = functions.clone();
        all.extend((0u64..).zip(many.iter().map(String::as_str)));
        let executed = [
            0x1000_0400,
            0x1000_0200,
            0xc000_0000,
            0x1000_0200,
            0x1000_0500,
            0x1000_04fc,
            0x1000_0500,
            0x1000_0104,
            0x1000_0100,
        ];
        assert_eq!(
            entered(executed.into_iter()).collect::<Vec<_>>(),
            [
                0x1000_0400,
                0x1000_0200,
                0x1000_0500,
                0x1000_04fc,
                0x1000_0104,
                0x1000_0100
            ]
        );
        let made = script(
            &all,
            &members,
            executed.into_iter().chain((0..LEAST as u64).rev()),
        )
        .unwrap();
        let lines: Vec<&str> = made.lines().skip(7).take(3).collect();
        assert_eq!(
            lines,
            [
                "    *libc.a:malloc.o(.text .text.*)",
                "    *(.text._RNvCs*_1a1b .text.unlikely._RNvCs*_1a1b)",
                "    *(.text.main .text.unlikely.main)"
            ]
        );
        assert!(script(&functions, &members, executed.into_iter()).is_err());
    }
}
