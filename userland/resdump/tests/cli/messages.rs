// SPDX-License-Identifier: MIT

//! What the program says, word for word. `UPDATE_EXPECT=1 cargo test` takes over what has changed.

use std::{collections::BTreeSet, fs, path::Path};

use expect_test::expect_file;
use nix::{sys::stat::Mode, unistd::mkfifo};

use resdump_format::recording::planner::Event;

use crate::{
    bench::{Bench, stderr},
    recordings::recording,
};

#[test]
fn help_of_the_program() {
    let output = Bench::new(1).run(&["-h"]);
    expect_file!["../snapshots/help.txt"].assert_eq(&String::from_utf8_lossy(&output.stdout));
}

/// Those that the help names.
pub(crate) fn commands() -> Vec<String> {
    let help = String::from_utf8(Bench::new(1).run(&["-h"]).stdout).unwrap();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    list.lines()
        .map_while(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn help_of_every_command_fits_a_terminal() {
    let bench = Bench::new(1);
    let all: Vec<String> = commands()
        .iter()
        .map(|command| {
            let output = bench.run(&[command, "-h"]);
            format!(
                "$ resdump {command} -h\n{}",
                String::from_utf8_lossy(&output.stdout)
            )
        })
        .collect();
    expect_file!["../snapshots/commands.txt"].assert_eq(&all.join("\n"));
}

/// What direct I/O demands depends on the disk.
fn without_alignment(text: &str) -> String {
    const BEFORE: &str = "a multiple of ";
    match text.split_once(BEFORE) {
        Some((start, rest)) => {
            let end = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{start}{BEFORE}N{end}")
        }
        None => text.into(),
    }
}

/// Files for errors to be about.
fn scene() -> Bench {
    let bench = Bench::new(8192);
    let keep = |name: &str| {
        fs::rename(bench.path("out"), bench.path(name)).unwrap();
        fs::rename(bench.path("out.json"), bench.path(&format!("{name}.json"))).unwrap();
    };
    fs::write(bench.path("precious"), "precious").unwrap();
    fs::write(bench.path("empty"), "").unwrap();
    fs::write(bench.path("broken"), "x").unwrap();
    fs::write(bench.path("broken.json"), "{").unwrap();
    fs::write(bench.path("odd"), "x").unwrap();
    fs::create_dir(bench.path("odd.json")).unwrap();
    fs::create_dir(bench.path("folder")).unwrap();
    fs::File::create(bench.path("large"))
        .and_then(|file| file.set_len(4 << 20))
        .unwrap();
    fs::write(bench.path("old"), "x").unwrap();
    let text = bench.manifest_text();
    fs::write(
        bench.path("old.json"),
        text.replace("\"schema\": 1", "\"schema\": 9"),
    )
    .unwrap();
    fs::write(bench.path("half"), [0; 8192]).unwrap();
    fs::write(
        bench.path("half.json"),
        text.replace("\"complete\": true", "\"complete\": false")
            .replace("\"bytes\": 8192", "\"bytes\": 4096"),
    )
    .unwrap();
    mkfifo(&bench.path("fifo"), Mode::S_IRWXU).unwrap();
    fs::write(bench.path("gzip"), b"\x1f\x8b\x08 and more").unwrap();
    let convert = |line: &str| {
        let line: Vec<&str> = line.split(' ').collect();
        let output = bench.run(&[&["convert", "./saved"], &line[..]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    };
    convert("./lime --to lime --base 0x1000");
    convert("./elf --to elf --base 0x1000 --machine ppc");
    fs::write(
        bench.path("elf"),
        [&[0; 4], &fs::read(bench.path("elf")).unwrap()[4..]].concat(),
    )
    .unwrap();
    convert("./next --to lime --base 0x8000");
    let one = |name: &str| fs::read(bench.path(name)).unwrap();
    fs::write(bench.path("two"), [one("lime"), one("next")].concat()).unwrap();
    bench.dump(&[]);
    keep("long");
    fs::write(bench.path("long"), [0; 8193]).unwrap();
    bench.dump(&["--compress", "lz4"]);
    keep("packed");
    bench.dump(&["--digest", "crc32c"]);
    keep("short");
    fs::write(bench.path("short"), "x").unwrap();
    bench.dump(&["--digest", "crc32c"]);
    keep("damaged");
    fs::write(bench.path("damaged"), [0; 8192]).unwrap();
    bench
}

/// The transcript of each line: what it says on standard error, and its status.
fn transcript(bench: &Bench, lines: &[&str], silent: bool) -> String {
    let all: Vec<String> = lines
        .iter()
        .map(|line| {
            let args: Vec<&str> = line.split(' ').collect();
            let output = bench.run(&args);
            assert!(!silent || output.stdout.is_empty(), "{line}");
            let said = stderr(&output);
            assert_eq!(said.lines().count(), 1, "{line}: {said}");
            let status = output.status.code().unwrap();
            format!("$ resdump {line}\n{}[{status}]\n", without_alignment(&said))
        })
        .collect();
    all.join("\n")
}

/// Those that need no device; the suite has the others.
#[test]
fn every_error() {
    let lines = [
        "show ./none",
        "show /dev/null",
        "show ./saved --physical",
        "show ./saved --offset 8192",
        "show ./saved --offset 1 --length 0xffffffffffffffff",
        "show ./saved --length 0",
        "show ./packed",
        "show ./fifo",
        "show ./empty",
        "show ./lime --at 0x9000",
        "show ./half",
        "show ./gzip",
        "dump ./two ./out",
        "dump ./saved ./out --format elf",
        "dump ./lime ./out --format elf",
        "dump ./lime ./next ./lime ./out",
        "dump ./lime ./next ./out --resume",
        "dump ./damaged ./copy --quiet",
        "dump ./saved ./precious",
        "dump ./saved .",
        "dump ./saved /dev/null",
        "dump ./saved ./none/out",
        "dump ./saved ./out --offset 1",
        "dump ./saved ./out --seek 1",
        "dump ./saved ./out --seek 0x7fffffffffffffff",
        "dump ./saved ./out --engine kernel",
        "dump ./saved ./out --engine devmem",
        "dump ./saved ./out --engine read --strict",
        "dump ./saved ./out --length 4097 --strict",
        "dump ./saved ./out --max-size 4096",
        "dump ./saved ./out --keep-free 1E",
        "dump ./saved ./out --manifest ./none/out.json",
        "dump ./saved ./out --compress lz4 --strict",
        "dump ./saved ./odd --force",
        "dump ./saved ./saved --force",
        "dump ./saved ./out --manifest ./saved --force",
        "dump ./saved ./out --manifest ./precious",
        "dump ./saved /dev/none",
        "dump ./saved ./precious --resume",
        "dump ./saved ./broken --resume",
        "dump ./saved ./half --resume",
        "dump ./saved ./half --resume --offset 4096",
        "dump ./saved - --verify",
        "dump ./saved ./%x",
        "dump ./saved ./a%n --resume",
        "man bogus",
        "dump ./saved tcp:127.0.0.1:1",
        "snapshot ./saved ./out",
        "snapshot no-such-region ./out",
        "snapshot ./saved ./out --resume",
        "snapshot ./saved ./out --engine kernel",
        "bench ./out",
        "bench ./precious --region ./saved",
        "load ./saved ./saved",
        "trigger ./folder",
        "verify ./saved --counting big",
        "trigger no-such-region",
        "bench record no-such-region ./folder",
        "verify ./next --against ./lime",
        "verify ./long",
        "verify ./elf",
        "verify ./none",
        "verify ./precious",
        "verify ./broken",
        "verify ./odd",
        "verify ./old",
        "verify ./half",
        "verify ./short",
        "verify ./damaged",
        "diff ./next ./lime --common",
        "diff ./next ./lime --limit 0",
        "find ./saved --hex 0123456789abcdef",
        "find ./saved --text ",
        "convert ./saved ./precious --to raw",
        "convert ./saved ./folder --to raw --force",
        "convert ./saved ./none/out --to raw",
        "convert ./saved /dev/full --to raw",
        "convert ./saved ./out --to lime",
        "convert ./lime ./out --to elf",
        "convert ./lime ./two ./out --to elf",
        "convert ./two ./lime ./out --to lime",
        "convert ./lime ./out --to elf --machine pdp11",
        "convert ./lime ./out --to elf --machine ppc --class 32 --base 0xfffff000",
        "convert ./saved ./out --to raw --base 0xfffffffffffff000",
        "convert ./empty ./out --to lime --base 0",
        "receive ./none ./out",
        "receive ./saved ./out",
        "receive tcp:host ./out",
        "receive tcp:0 ./none --keep-listening",
        "dump ./saved TCP:host:5000",
        "receive tcp:x:1 ./out",
        "convert ./saved tcp:host:5000 --to raw",
        "convert ./saved ./out --to raw --class 64",
        "dump ./saved ./out --manifest ./long.json",
    ];
    expect_file!["../snapshots/errors.txt"].assert_eq(&transcript(&scene(), &lines, true));
}

/// Those after something was said on standard output.
#[test]
fn every_error_beside_other_output() {
    let lines = [
        "show ./saved --json --bogus",
        "show ./large --json --length 2M",
        "send ./saved",
        "receive - ./out",
        "receive - ./precious",
        "doctor ./saved --target ./precious",
        "doctor --target ./folder",
    ];
    expect_file!["../snapshots/errors-beside.txt"].assert_eq(&transcript(&scene(), &lines, false));
}

/// Of recordings that are damaged.
#[test]
fn every_error_of_a_recording() {
    let bench = Bench::new(16_384);
    let recording = |name: &str, change: &dyn Fn(&Path)| {
        let folder = bench.path(name);
        recording::make(&folder, &bench.bytes);
        recording::write_whole(&folder);
        change(&folder);
    };
    let index = "000000.index";
    recording("foreign", &|folder| {
        fs::write(folder.join(index), "hi\n").unwrap();
    });
    recording("newer", &|folder| recording::make_newer(folder));
    recording("contradicts", &|folder| {
        let part = Event::Data {
            from: recording::BEGIN + 512,
            to: recording::BEGIN + 1024,
            place: 0,
        };
        recording::write_index(folder, 8192, &[part]);
    });
    recording("short", &|folder| {
        fs::write(folder.join("000001.seg"), "short").unwrap();
    });
    recording("cut", &|folder| {
        let whole = fs::read(folder.join(index)).unwrap();
        fs::write(folder.join(index), &whole[..4096]).unwrap();
    });
    recording("twice", &|folder| {
        fs::copy(folder.join(index), folder.join("000002.index")).unwrap();
    });
    let folders = ["foreign", "newer", "contradicts", "short", "cut", "twice"];
    let mut lines: Vec<String> = ["verify", "show", "convert"]
        .iter()
        .flat_map(|command| folders.iter().map(move |folder| (command, folder)))
        .filter(|it| *it.1 != "twice" || *it.0 == "convert")
        .map(|(command, folder)| match *command {
            "convert" => format!("convert ./{folder} ./{folder}.raw --to raw"),
            _ => format!("{command} ./{folder}"),
        })
        .collect();
    lines.push("convert ./cut ./out --to elf".into());
    lines.push("convert ./short ./out --to raw --offset 1G".into());
    lines.push("dump ./short ./out".into());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    expect_file!["../snapshots/errors-recording.txt"].assert_eq(&transcript(&bench, &lines, false));
}

/// What a test cannot bring about at will, or only another test does.
const NOT_SHOWN: &[&str] = &[
    // Of a ring that a device fills, and of its recording.
    "cannot trigger",
    "region has no position",
    "cannot read the position",
    "cannot register",
    "cannot be recorded",
    "cannot be played",
    "no ring that a device fills",
    "no ring that a device reads",
    "cannot make the folder",
    "cannot make a folder in it",
    "cannot inspect the folder",
    "no direct I/O",
    "no recording",
    "proven words are wrong",
    // A kernel or a disk that fails in the middle.
    "cannot allocate",
    "cannot handle",
    "cannot make",
    "cannot inspect",
    "cannot inspect target",
    "cannot read",
    "cannot read back",
    "cannot remove manifest",
    "cannot set length",
    "cannot sync",
    "cannot write header",
    "no memory for a copy",
    "no snapshot",
    "target changed while it was opened",
    // Another program at the file: `faults` in the suite.
    "target was changed meanwhile",
    // A signal at the right moment; `cut` in the suite has one.
    "benchmark interrupted",
    "compared in part",
    "searched in part",
    "no digest",
    "dump incomplete",
    "read in part",
    // A bad sector: `broken`, as the one before.
    "load incomplete",
    // A region that is large enough: also `cut`.
    "too much for a snapshot",
    // A disk with a queue, and a target without: `requests` in the suite.
    "cannot tune",
    "no queue to tune",
    // A writable region.
    "cannot be loaded as it is",
    "file is longer than the region",
    // Another program that writes to it at the same time: `outputs/aliases.rs`.
    "source was changed meanwhile",
    // Sixty thousand ranges.
    "no room in ELF headers",
    // Another end that goes away, or says something strange: `remote.rs`, `receivers.rs`, `strangers.rs`.
    "not a dump",
    "not acknowledged",
    "not the same dump",
    "receiver is busy",
    "the receiver failed",
    "too large",
    "transfer incomplete",
    // Every file system of the suite has direct I/O, or copies.
    "target has no direct I/O",
];

/// What failed, as the sources name it: the first text after `Error::new` or `during`.
fn kinds(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kinds(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("mod tests {").next().unwrap();
        for call in ["Error::new(", "Error::during("] {
            for rest in code.split(call).skip(1) {
                let mut words = rest.trim_start().splitn(3, '"');
                let before = words.next().unwrap();
                // A variable in place of a text is a helper, whose callers are found.
                if before.len() < 60 && !before.contains([';', '{', ')']) {
                    found.extend(words.next().map(str::to_owned));
                }
            }
        }
    }
}

#[test]
fn every_kind_of_error_is_in_a_transcript() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    kinds(&root.join("src"), &mut found);
    assert!(found.len() > 40, "{found:?}");
    let shown: String = [
        "tests/snapshots/errors.txt",
        "tests/snapshots/errors-beside.txt",
        "tests/snapshots/errors-recording.txt",
        "../../qemu/suite/src/dump/messages.txt",
    ]
    .map(|name| fs::read_to_string(root.join(name)).unwrap())
    .concat();
    let missing: Vec<&String> = found
        .iter()
        .filter(|kind| !shown.contains(&format!("resdump: {kind}: ")))
        .filter(|kind| !NOT_SHOWN.contains(&kind.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
