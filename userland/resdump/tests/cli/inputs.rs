// SPDX-License-Identifier: MIT

//! Saved dumps as input: what they are kept in, what they say of themselves, and what is missing.

use std::{
    fs,
    io::Write,
    os::unix::{fs::symlink, net::UnixListener},
    process::{Command, Stdio},
};

use nix::{sys::stat::Mode, unistd::mkfifo};

use crate::bench::{Bench, command, stderr};

/// A LiME file with a range for each address, of the same length, of the saved file's bytes.
pub(crate) fn lime(bench: &Bench, bases: &[u64]) -> Vec<u8> {
    let length = bench.bytes.len() / bases.len();
    let mut file = Vec::new();
    for (index, base) in bases.iter().enumerate() {
        file.extend(b"EMiL\x01\0\0\0");
        file.extend(base.to_le_bytes());
        file.extend((base + length as u64 - 1).to_le_bytes());
        file.extend([0; 8]);
        file.extend(&bench.bytes[index * length..][..length]);
    }
    file
}

/// Every command that reads a saved dump, on `name`.
fn all_on(bench: &Bench, name: &str) -> Vec<(String, Option<i32>, String)> {
    let file = format!("./{name}");
    let lines: [&[&str]; 7] = [
        &["show", &file],
        &["dump", &file, "./made"],
        &["dump", &file, "-", "--quiet"],
        &["convert", &file, "./made", "--to", "raw"],
        &["verify", &file, "--against", "./saved"],
        &["find", &file, "--hex", "00"],
        &["diff", &file, "./saved"],
    ];
    lines
        .iter()
        .map(|line| {
            let output = bench.run(line);
            let _ = fs::remove_file(bench.path("made"));
            let _ = fs::remove_file(bench.path("made.json"));
            (line.join(" "), output.status.code(), stderr(&output))
        })
        .collect()
}

#[test]
fn what_has_no_size_is_refused_by_every_command_and_not_waited_for() {
    let bench = Bench::new(8192);
    mkfifo(&bench.path("fifo"), Mode::S_IRWXU).unwrap();
    let _listener = UnixListener::bind(bench.path("socket")).unwrap();
    fs::create_dir(bench.path("folder")).unwrap();
    symlink("none", bench.path("dangling")).unwrap();
    symlink("fifo", bench.path("link")).unwrap();
    symlink("/dev/zero", bench.path("zero")).unwrap();
    symlink("/proc/self/status", bench.path("status")).unwrap();
    fs::write(bench.path("empty"), "").unwrap();
    for name in [
        "fifo", "socket", "folder", "dangling", "link", "zero", "status", "empty",
    ] {
        for (line, status, said) in all_on(&bench, name) {
            let expected = if name == "empty" { 13 } else { 3 };
            assert_eq!(status, Some(expected), "{line}: {said}");
            assert_eq!(said.lines().count(), 1, "{line}: {said}");
        }
    }
}

#[test]
fn a_pipe_on_standard_input_is_no_empty_file() {
    let bench = Bench::new(8192);
    for path in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let line = ["convert", path, "./made", "--to", "raw"];
        let mut child = command(bench.folder.path(), &line)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It does not read: the write may fail.
        let _ = child.stdin.take().unwrap().write_all(&bench.bytes);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(stderr(&output).contains("it is a pipe"), "{output:?}");
        assert!(!bench.path("made").exists());
    }
}

#[test]
fn a_file_on_standard_input_has_its_manifest() {
    let bench = Bench::new(8192);
    bench.dump(&[]);
    let mut manifest = bench.manifest();
    manifest["complete"] = false.into();
    manifest["bytes"] = 4096.into();
    fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
    symlink("out", bench.path("link")).unwrap();
    for (name, stdin) in [
        (
            "/dev/stdin",
            Stdio::from(fs::File::open(bench.path("out")).unwrap()),
        ),
        ("./link", Stdio::null()),
    ] {
        let output = command(bench.folder.path(), &["dump", name, "./made"])
            .stdin(stdin)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(13), "{output:?}");
    }
}

/// As root, where there are loop devices.
#[test]
fn a_block_device_is_as_long_as_it_is() {
    let bench = Bench::new(1 << 20);
    let losetup = |args: &[&str]| {
        let output = Command::new("losetup")
            .args(args)
            .current_dir(bench.folder.path())
            .output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let Some(device) = losetup(&["--find", "--show", "saved"]) else {
        return;
    };
    let run = |line: &[&str]| (bench.run(line).status.code(), bench.run(line).stdout);
    let convert = run(&["convert", &device, "./made", "--to", "raw", "--force"]);
    let shown = run(&["show", &device, "--offset", "0xfffe0"]);
    let compared = run(&["verify", &device, "--against", "./saved"]);
    let differs = run(&["diff", &device, "./saved"]);
    let found = run(&["find", &device, "--hex", "00", "--limit", "1"]);
    losetup(&["--detach", &device]).unwrap();
    assert_eq!(convert.0, Some(0));
    assert!(fs::read(bench.path("made")).unwrap() == bench.bytes);
    assert!(
        String::from_utf8(shown.1)
            .unwrap()
            .starts_with("00000fffe0")
    );
    assert_eq!(
        (compared.0, differs.0, found.0),
        (Some(0), Some(0), Some(0))
    );
}

#[test]
fn a_file_that_was_cut_anywhere_is_incomplete_for_every_command() {
    let bench = Bench::new(8000);
    let range = 4000 + 32;
    fs::write(bench.path("whole"), lime(&bench, &[0x1000, 0x9000])).unwrap();
    let line = ["convert", "whole", "elf", "--to", "elf", "--machine", "ppc"];
    assert!(bench.run(&line).status.success());
    for name in ["whole", "elf"] {
        let whole = fs::read(bench.path(name)).unwrap();
        for cut in [5, 31, 33, range - 1, range + 1, range + 33, whole.len() - 1] {
            fs::write(bench.path("cut"), &whole[..cut]).unwrap();
            for (line, status, said) in all_on(&bench, "cut") {
                // A cut within a header of the second range leaves what is no header.
                let is_right =
                    status == Some(13) || (status == Some(12) && line.contains("verify"));
                assert!(is_right, "{name} cut at {cut}: {line}: {status:?} {said}");
            }
        }
        fs::write(bench.path("cut"), &whole[..whole.len() - 1]).unwrap();
        let line = [
            "convert",
            "cut",
            "made",
            "--to",
            "raw",
            "--incomplete",
            "--force",
        ];
        let output = bench.run(&line);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(fs::read(bench.path("made")).unwrap() == bench.bytes[..7999]);
        let again = bench.run(&["verify", "made"]);
        assert_eq!(again.status.code(), Some(13), "the copy says so");
    }
}

#[test]
fn a_manifest_that_the_file_contradicts_is_not_believed() {
    let bench = Bench::new(8192);
    bench.describe();
    assert_eq!(bench.dump(&["--format", "elf"]).0, 0);
    let text = fs::read_to_string(bench.path("out.json")).unwrap();
    let replace = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} in {text}");
        text.replace(from, to)
    };
    let texts = [
        String::new(),
        "{}".into(),
        "[]".into(),
        text[..text.len() / 2].into(),
        replace("\"schema\": 1", "\"schema\": 2"),
        replace("\"schema\": 1", "\"schema\": 3"),
        replace("\"complete\": true", "\"complete\": false"),
        replace("\"bytes\": 8192", "\"bytes\": 4096"),
        replace("\"length\": 8192", "\"length\": 8193"),
        replace("\"data_offset\": 4096", "\"data_offset\": 8192"),
        replace(
            "\"data_offset\": 4096",
            "\"data_offset\": 18446744073709551615",
        ),
        replace("\"base\": 268435456", "\"base\": 268439552"),
        replace("\"base\": 268435456", "\"base\": 18446744073709551615"),
        replace("\"format\": \"elf\"", "\"format\": \"lime\""),
        replace("\"format\": \"elf\"", "\"format\": \"tar\""),
        replace("\"compression\": null", "\"compression\": \"zstd\""),
    ];
    for text in &texts {
        fs::write(bench.path("out.json"), text).unwrap();
        for (line, status, said) in all_on(&bench, "out") {
            let expected: &[i32] = match line.starts_with("verify") {
                true => &[12, 13],
                false => &[13],
            };
            assert!(
                status.is_some_and(|status| expected.contains(&status)),
                "{line}: {status:?} {said}, with {text}"
            );
        }
    }
    mkfifo(&bench.path("fifo"), Mode::S_IRWXU).unwrap();
    for path in ["./fifo", "/dev/zero", "./none", "."] {
        let output = bench.run(&["show", "./out", "--manifest", path]);
        assert_eq!(output.status.code(), Some(13), "{path}: {output:?}");
    }
}

#[test]
fn an_incomplete_dump_is_taken_if_told_so_and_its_copy_is_incomplete() {
    let bench = Bench::new(8192);
    bench.describe();
    let mut text = fs::read_to_string(bench.path("saved.json")).unwrap();
    text = text.replace("\"complete\":true", "\"complete\":false");
    text = text.replace("\"bytes\":8192", "\"bytes\":4096");
    fs::write(bench.path("saved.json"), text).unwrap();
    let lines = [
        "dump ./saved ./out",
        "dump ./saved ./out --format elf",
        "dump ./saved ./out --compress lz4",
        "convert ./saved ./out --to raw",
        "convert ./saved ./out --to elf",
        "convert ./saved ./out --to lime",
    ];
    for line in lines {
        let args: Vec<&str> = line.split(' ').chain(["--force"]).collect();
        assert_eq!(bench.run(&args).status.code(), Some(13), "{line}");
        let output = bench.run(&[&args[..], &["--incomplete"]].concat());
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        let manifest = bench.manifest();
        assert_eq!(
            (&manifest["complete"], &manifest["bytes"]),
            (&false.into(), &4096.into())
        );
        assert!(
            manifest["error"].as_str().unwrap().contains("incomplete"),
            "{manifest}"
        );
        assert_eq!(
            bench.run(&["verify", "./out"]).status.code(),
            Some(13),
            "{line}"
        );
        assert_eq!(
            bench.run(&["show", "./out"]).status.code(),
            Some(13),
            "{line}"
        );
        for name in ["out", "out.json"] {
            fs::remove_file(bench.path(name)).unwrap();
        }
    }
}

#[test]
fn a_copy_of_a_boards_dump_stays_a_boards() {
    let bench = Bench::new(8192);
    bench.describe();
    for line in [
        "dump ./saved ./one",
        "convert ./one ./two --to lime",
        "convert ./two ./three --to raw",
        "dump ./three ./four --format elf",
        "convert ./four ./five --to elf",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        let output = bench.run(&args);
        assert!(output.status.success(), "{line}: {}", stderr(&output));
    }
    for name in ["four", "five"] {
        let elf = fs::read(bench.path(name)).unwrap();
        // 32 bits, big-endian, CORE, PPC.
        assert_eq!(elf[..6], [0x7f, b'E', b'L', b'F', 1, 2], "{name}");
        assert_eq!(elf[16..20], [0, 4, 0, 20], "{name}");
    }
    let output = bench.run(&["verify", "./five", "--against", "./saved"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn compressed_files_of_other_programs_are_unpacked() {
    for (program, args) in [
        ("zstd", &["-q"][..]),
        ("zstd", &["-q", "--no-check", "-19"]),
        ("lz4", &["-q"]),
        ("lz4", &["-q", "-B4", "-BD"]),
    ] {
        let bench = Bench::new(5 << 20);
        let packed = bench.path("packed");
        let run = Command::new(program)
            .args(args)
            .arg(bench.path("saved"))
            .args(["-c"])
            .stdout(fs::File::create(&packed).unwrap())
            .status();
        // Where it is installed.
        if !run.is_ok_and(|status| status.success()) {
            continue;
        }
        let output = bench.run(&["convert", "packed", "made", "--to", "raw"]);
        assert!(output.status.success(), "{program}: {}", stderr(&output));
        assert!(fs::read(bench.path("made")).unwrap() == bench.bytes);
        let whole = fs::read(&packed).unwrap();
        fs::write(&packed, &whole[..whole.len() - 1]).unwrap();
        let output = bench.run(&["convert", "packed", "again", "--to", "raw"]);
        assert_eq!(output.status.code(), Some(13), "{}", stderr(&output));
        assert!(!bench.path("again").exists());
    }
}
