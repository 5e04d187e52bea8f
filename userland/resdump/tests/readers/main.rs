// SPDX-License-Identifier: MIT

//! Dumps in the hands of the programs that people read them with. A reader that is not installed is
//! named, and its tests are ignored; with `RESDUMP_TOOLS=all`, as `make readers` has it, they fail.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
};

use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

mod avml;
mod python;
#[path = "../fixtures/recording.rs"]
mod recording;
mod volatility;

type Check = fn(&Scene) -> Result<(), Failed>;

/// Name, what it needs, what it does.
const TESTS: &[(&str, Tool, Check)] = &[
    ("a_boards_core", Tool::Program("readelf"), readelf),
    ("a_boards_core", Tool::Program("gdb-multiarch"), gdb),
    (
        "a_note_is_no_registers",
        Tool::Program("gdb-multiarch"),
        gdb_sees_no_registers,
    ),
    ("all_ranges", Tool::Python("pyelftools"), |it| {
        it.elf("pyelftools", "--machine ppc")
    }),
    ("all_ranges_64", Tool::Python("pyelftools"), |it| {
        it.elf("pyelftools", "--machine ppc --class 64")
    }),
    ("all_ranges", Tool::Python("drgn"), |it| {
        it.elf("drgn", "--machine ppc")
    }),
    ("all_ranges_64", Tool::Python("drgn"), |it| {
        it.elf("drgn", "--machine x86_64")
    }),
    ("lime", Tool::Python("volatility-lime"), volatility::lime),
    (
        "elf_64_little_endian",
        Tool::Python("volatility-elf"),
        volatility::elf,
    ),
    (
        "elf_of_a_board_is_not_for_it",
        Tool::Python("volatility-elf"),
        volatility::refuses,
    ),
    ("a_core_of_gcore", Tool::Program("gdb-multiarch"), gcore),
    ("a_dump", Tool::Python("numpy"), python::numpy_dump),
    (
        "a_recording",
        Tool::Python("numpy"),
        python::numpy_recording,
    ),
    ("a_recording", Tool::Python("sigmf"), python::sigmf),
    (
        "lime_there_and_back",
        Tool::Program("avml"),
        avml::there_and_back,
    ),
    ("frames", Tool::Program("zstd"), |it| it.unpack("zstd")),
    ("frames", Tool::Program("lz4"), |it| it.unpack("lz4")),
];

/// What reads.
#[derive(Clone, Copy)]
enum Tool {
    Program(&'static str),
    Python(&'static str),
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Program(name) | Self::Python(name) => name,
        }
    }

    fn is_installed(self) -> bool {
        match self {
            Self::Program(name) => Command::new(name)
                .arg("--version")
                .output()
                .is_ok_and(|output| output.status.success()),
            // It fails in some other way, if it is there: there is no such file.
            Self::Python(name) => read(name, Path::new("/nonexistent"), &[])
                .is_ok_and(|output| output.status.code() != Some(3)),
        }
    }
}

fn main() -> ExitCode {
    let all = std::env::var("RESDUMP_TOOLS").is_ok_and(|it| it == "all");
    let mut missing: Vec<&str> = Vec::new();
    let trials = TESTS
        .iter()
        .map(|(name, tool, check)| {
            let is_missing = !tool.is_installed();
            if is_missing && !missing.contains(&tool.name()) {
                missing.push(tool.name());
            }
            let (tool, check) = (*tool, *check);
            let run = move || match tool.is_installed() {
                true => check(&Scene::new()),
                false => Err(format!("{} is not installed", tool.name()).into()),
            };
            let kind = if is_missing { "not installed" } else { "" };
            Trial::test(format!("{}::{name}", tool.name()), run)
                .with_kind(kind)
                .with_ignored_flag(is_missing && !all)
        })
        .collect();
    for name in &missing {
        println!(
            "reader not installed, its tests are left out ('make readers' installs it): {name}"
        );
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A folder with a file of two ranges in it.
struct Scene {
    folder: TempDir,
    bytes: Vec<u8>,
}

const LOW: u64 = 0x1000;
const HIGH: u64 = 0x1000_0000;
const LENGTH: usize = 8192;

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let bytes: Vec<u8> = (0..2 * LENGTH as u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut lime = Vec::new();
        for (base, bytes) in [LOW, HIGH].into_iter().zip(bytes.chunks(LENGTH)) {
            lime.extend(b"EMiL\x01\0\0\0");
            lime.extend(base.to_le_bytes());
            lime.extend((base + LENGTH as u64 - 1).to_le_bytes());
            lime.extend([0; 8]);
            lime.extend(bytes);
        }
        fs::write(folder.path().join("two"), lime).unwrap();
        fs::write(folder.path().join("raw"), &bytes).unwrap();
        Self { folder, bytes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `resdump` with the words of `line`, whatever its status.
    fn try_resdump(&self, line: &str) -> std::io::Result<Output> {
        Command::new(env!("CARGO_BIN_EXE_resdump"))
            .args(line.split(' '))
            .current_dir(self.folder.path())
            .output()
    }

    /// Runs `resdump` with the words of `line`.
    fn resdump(&self, line: &str) -> Result<Output, Failed> {
        let output = self.try_resdump(line)?;
        match output.status.success() {
            true => Ok(output),
            false => Err(format!("resdump {line}: {output:?}").into()),
        }
    }

    fn shell(&self, commands: &str) -> Result<(), Failed> {
        let output = Command::new("sh")
            .args(["-ec", commands])
            .current_dir(self.folder.path())
            .output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{commands}: {output:?}").into()),
        }
    }

    /// What a reader finds in `file` is what is in memory there, in both ranges.
    fn agrees(&self, reader: &str, file: &str) -> Result<(), Failed> {
        let places = [
            (LOW, 0),
            (LOW + 8000, 8000),
            (HIGH, LENGTH),
            (HIGH + 8176, LENGTH + 8176),
        ];
        let places: Vec<(u64, usize, &[u8])> = places
            .iter()
            .map(|(address, at)| (*address, 16, &self.bytes[*at..at + 16]))
            .collect();
        let arguments: Vec<(u64, usize)> = places.iter().map(|it| (it.0, it.1)).collect();
        let output = read(reader, &self.path(file), &arguments)?;
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        let expected: String = places.iter().map(|(.., bytes)| hex(bytes) + "\n").collect();
        match output.status.success() && found == expected {
            true => Ok(()),
            false => {
                Err(format!("{reader} found {found:?} and not {expected:?}: {output:?}").into())
            }
        }
    }

    fn elf(&self, reader: &str, options: &str) -> Result<(), Failed> {
        self.resdump(&format!("convert two elf --to elf {options}"))?;
        self.agrees(reader, "elf")
    }

    fn unpack(&self, method: &str) -> Result<(), Failed> {
        self.resdump(&format!("dump ./raw ./packed --compress {method} --quiet"))?;
        let output = Command::new(method)
            .args(["-d", "-c"])
            .arg(self.path("packed"))
            .output()?;
        match output.status.success() && output.stdout == self.bytes {
            true => Ok(()),
            false => Err(format!("{method}: {}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    /// What gdb says to `commands` on a core of a board.
    fn gdb(&self, file: &str, commands: &[&str]) -> Result<String, Failed> {
        let core = format!("core-file {}", self.path(file).display());
        let mut gdb = Command::new("gdb-multiarch");
        gdb.args([
            "-nx",
            "-batch",
            "-ex",
            "set architecture powerpc:common",
            "-ex",
            &core,
        ]);
        for command in commands {
            gdb.args(["-ex", command]);
        }
        Ok(String::from_utf8_lossy(&gdb.output()?.stdout).into_owned())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn interpreter() -> OsString {
    std::env::var_os("RESDUMP_PYTHON").unwrap_or_else(|| OsString::from("python3"))
}

fn read(reader: &str, file: &Path, places: &[(u64, usize)]) -> std::io::Result<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/read.py");
    let numbers = places
        .iter()
        .flat_map(|(address, length)| [address.to_string(), length.to_string()]);
    Command::new(interpreter())
        .arg(script)
        .arg(reader)
        .arg(file)
        .args(numbers)
        .output()
}

fn expect(text: &str, parts: &[&str]) -> Result<(), Failed> {
    match parts.iter().find(|part| !text.contains(**part)) {
        None => Ok(()),
        Some(part) => Err(format!("no {part:?} in {text}").into()),
    }
}

fn readelf(scene: &Scene) -> Result<(), Failed> {
    scene.resdump("convert two elf --to elf --machine ppc")?;
    let output = Command::new("readelf")
        .args(["--wide", "--file-header", "--segments", "--notes"])
        .arg(scene.path("elf"))
        .output()?;
    if !output.stderr.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    expect(
        &String::from_utf8_lossy(&output.stdout),
        &[
            "ELF32",
            "big endian",
            "CORE (Core file)",
            "PowerPC",
            "LOAD           0x001000 0x00001000 0x00001000 0x02000 0x02000",
            "LOAD           0x003000 0x10000000 0x10000000 0x02000 0x02000",
            "resdump",
        ],
    )
}

fn gdb(scene: &Scene) -> Result<(), Failed> {
    scene.resdump("convert two elf --to elf --machine ppc")?;
    let text = scene.gdb("elf", &["x/1xw 0x1000", "x/1xw 0x10000000"])?;
    let word = |at: usize| hex(&scene.bytes[at..at + 4]);
    let expected = [
        format!("0x1000:\t0x{}", word(0)),
        format!("0x10000000:\t0x{}", word(LENGTH)),
    ];
    expect(&text, &[&expected[0], &expected[1]])
}

/// At 268 bytes a note of type 1 is the registers of a process on 32-bit PowerPC.
fn gdb_sees_no_registers(scene: &Scene) -> Result<(), Failed> {
    let length = |scene: &Scene, region: &str| -> Result<usize, Failed> {
        scene.resdump("dump ./raw ./known --force --quiet")?;
        let text = fs::read_to_string(scene.path("known.json"))?;
        let text = text
            .replace(
                "\"region\": \"./raw\"",
                &format!("\"region\": \"{region}\""),
            )
            .replace("\"base\": null", "\"base\": 268435456");
        fs::write(scene.path("known.json"), text)?;
        scene.resdump("convert known elf --to elf --machine ppc --force")?;
        let elf = fs::read(scene.path("elf"))?;
        let name = b"resdump\0";
        let at = elf.windows(name.len()).position(|it| it == name).unwrap();
        Ok(u32::from_be_bytes(elf[at - 8..at - 4].try_into().unwrap()) as usize)
    };
    let less = length(scene, "x")?;
    if less > 268 {
        return Err(format!("the shortest note has {less} bytes").into());
    }
    let found = length(scene, &"x".repeat(1 + 268 - less))?;
    assert_eq!(found, 268);
    let text = scene.gdb("elf", &["print/x $r3", "x/1xw 0x10000000"])?;
    expect(&text, &["<unavailable>"])
}

/// A core that another program has written: all of its segments are read.
fn gcore(scene: &Scene) -> Result<(), Failed> {
    let mut process = Command::new("sleep").arg("600").spawn()?;
    let core = format!("gcore {}", scene.path("core").display());
    let made = Command::new("gdb-multiarch")
        .args([
            "-nx",
            "-batch",
            "-p",
            &process.id().to_string(),
            "-ex",
            &core,
        ])
        .output();
    process.kill()?;
    process.wait()?;
    made?;
    if !scene.path("core").exists() {
        return Err("gdb has written no core: may it trace processes here?".into());
    }
    scene.resdump("convert core made --to raw")?;
    let segments = Command::new("readelf")
        .args(["-lW"])
        .arg(scene.path("core"))
        .output()?;
    let text = String::from_utf8_lossy(&segments.stdout).into_owned();
    let core = fs::read(scene.path("core"))?;
    let mut expected: Vec<u8> = Vec::new();
    for line in text
        .lines()
        .filter(|line| line.trim_start().starts_with("LOAD "))
    {
        let number = |index: usize| {
            let word = line.split_whitespace().nth(index).unwrap();
            usize::from_str_radix(word.trim_start_matches("0x"), 16).unwrap()
        };
        expected.extend(&core[number(1)..number(1) + number(4)]);
    }
    match fs::read(scene.path("made"))? == expected {
        true => Ok(()),
        false => Err("it is not what the segments hold".into()),
    }
}
