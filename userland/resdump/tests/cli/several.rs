// SPDX-License-Identifier: MIT

//! Several regions into one file.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, stderr};

/// Saved files of a board's in place of regions: each with its address and its length.
fn scene(regions: &[(&str, u64, usize)]) -> Bench {
    let bench = Bench::new(64 << 10);
    bench.describe();
    let text = fs::read_to_string(bench.path("saved.json")).unwrap();
    for (name, base, length) in regions {
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        manifest["region"] = (*name).into();
        manifest["base"] = (*base).into();
        for field in ["length", "bytes", "direct"] {
            manifest[field] = (*length).into();
        }
        manifest["copied"] = 0.into();
        fs::write(bench.path(name), &bench.bytes[..*length]).unwrap();
        fs::write(bench.path(&format!("{name}.json")), manifest.to_string()).unwrap();
    }
    bench
}

const REGIONS: [(&str, u64, usize); 3] = [
    ("b", 0x3000_0000, 8192),
    ("a", 0x1000_0000, 5000),
    ("c", 0x7000_0000, 64 << 10),
];

#[test]
fn each_region_is_a_segment_with_its_address() {
    for options in [
        &[][..],
        &["--digest", "crc32c", "--verify"],
        &["--engine", "read", "--verify"],
    ] {
        let bench = scene(&REGIONS);
        let line = ["dump", "./b", "./a", "./c", "./out", "--json"];
        let output = bench.run(&[&line[..], options].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["bytes"], 8192 + 5000 + (64 << 10));
        assert_eq!(report["verified"], options.contains(&"--verify"));
        let shown = bench.run(&["show", "./out", "--ranges", "--json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        let bases: Vec<u64> = shown["ranges"]
            .as_array()
            .unwrap()
            .iter()
            .map(|range| range["base"].as_u64().unwrap())
            .collect();
        assert_eq!(bases, [0x1000_0000, 0x3000_0000, 0x7000_0000]);
        assert_eq!(bench.run(&["verify", "./out"]).status.code(), Some(0));
        for (name, ..) in REGIONS {
            let file = format!("./{name}");
            let output = bench.run(&["verify", "./out", "--against", &file]);
            assert!(output.status.success(), "{}", stderr(&output));
        }
        let manifest = bench.manifest();
        assert_eq!(manifest["ranges"][1]["region"], "./b");
        assert_eq!(manifest["schema"], 2);
        let output = bench.run(&["convert", "./out", "./lime", "--to", "lime"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[test]
fn a_lime_file_of_several_regions_is_that_of_convert() {
    let bench = scene(&REGIONS);
    let line = ["dump", "./b", "./a", "./c", "./out", "--format", "lime"];
    let output = bench.run(&[&line[..], &["--digest", "crc32c", "--verify", "--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["direct"], 0);
    assert_eq!(report["copied"], 8192 + 5000 + (64 << 10));
    let line = ["convert", "./a", "./b", "./c", "./other", "--to", "lime"];
    assert!(bench.run(&line).status.success());
    assert_eq!(bench.out(), fs::read(bench.path("other")).unwrap());
    assert_eq!(bench.run(&["verify", "./out"]).status.code(), Some(0));
    assert_eq!(bench.manifest()["format"], "lime");
    let mut out = bench.out();
    out[5000 + 40] ^= 1;
    fs::write(bench.path("out"), &out).unwrap();
    assert_eq!(bench.run(&["verify", "./out"]).status.code(), Some(12));
}

#[test]
fn what_several_regions_cannot_have_is_refused_and_nothing_is_made() {
    let mut regions = REGIONS.to_vec();
    regions.push(("over", 0x3000_1000, 4096));
    let bench = scene(&regions);
    for (line, status) in [
        ("./b ./over ./out", 5),
        ("./b ./b ./out", 5),
        ("./b ./none ./out", 3),
        ("./a ./b ./out --offset 4096", 2),
        ("./a ./b ./out --length 4096", 2),
        ("./a ./b ./out --seek 4096", 2),
        ("./a ./b ./out --compress lz4", 2),
        ("./a ./b ./out --resume", 2),
        ("./a ./b ./out --partial", 2),
        ("./a ./b ./out --format raw", 2),
        ("./a ./b ./out --format lime --strict", 11),
        ("./a ./b ./out --zero-skip", 2),
        ("./a ./b -", 2),
        ("./a ./b ./a --force", 6),
        ("--all ./out", 3),
    ] {
        let args: Vec<&str> = ["dump"].into_iter().chain(line.split(' ')).collect();
        let output = bench.run(&args);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{line}: {}",
            stderr(&output)
        );
        assert!(
            !bench.path("out").exists() && !bench.path("out.json").exists(),
            "{line}"
        );
    }
    let output = bench.run(&["dump", "./out"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn an_unknown_address_or_another_machine_is_refused() {
    let bench = scene(&REGIONS);
    fs::remove_file(bench.path("b.json")).unwrap();
    let output = bench.run(&["dump", "./a", "./b", "./out"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let text = fs::read_to_string(bench.path("a.json")).unwrap();
    fs::write(bench.path("a.json"), text.replace("\"ppc\"", "\"x86_64\"")).unwrap();
    let output = bench.run(&["dump", "./a", "./c", "./out"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// Where there is no room for all, nothing is begun; what was there stays.
#[test]
fn a_full_disk_takes_none_of_them() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("LEFT OUT: only root can mount");
        return;
    }
    let bench = scene(&REGIONS);
    let small = bench.path("small");
    fs::create_dir(&small).unwrap();
    let mount = |args: &[&str]| {
        let done = std::process::Command::new(args[0])
            .args(&args[1..])
            .status();
        assert!(done.unwrap().success(), "{args:?}");
    };
    let at = small.to_str().unwrap();
    mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "none", at]);
    let line = ["dump", "./b", "./a", "./c", "./small/out"];
    let output = bench.run(&line);
    let made = small.read_dir().unwrap().count();
    fs::write(small.join("out"), "precious").unwrap();
    let again = bench.run(&[&line[..], &["--force"]].concat());
    let left = fs::read(small.join("out")).unwrap();
    mount(&["umount", at]);
    assert_eq!(
        (output.status.code(), made),
        (Some(7), 0),
        "{}",
        stderr(&output)
    );
    assert_eq!(again.status.code(), Some(7), "{}", stderr(&again));
    assert_eq!(left, b"precious");
}

#[test]
fn a_signal_leaves_what_is_known_not_to_be_all() {
    let bench = scene(&REGIONS);
    let text = fs::read_to_string(bench.path("a.json")).unwrap();
    for (name, base) in [("one", 0x1_0000_0000u64), ("two", 0x2_0000_0000)] {
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        manifest["base"] = base.into();
        for field in ["length", "bytes", "direct"] {
            manifest[field] = (512 << 20).into();
        }
        fs::File::create(bench.path(name))
            .and_then(|file| file.set_len(512 << 20))
            .unwrap();
        fs::write(bench.path(&format!("{name}.json")), manifest.to_string()).unwrap();
    }
    let line = [
        "dump", "./one", "./two", "./out", "--chunk", "64K", "--depth", "1", "--quiet",
    ];
    let child = crate::bench::command(bench.folder.path(), &line)
        .spawn()
        .unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !bench.path("out.json").exists() {
        assert!(std::time::Instant::now() < until);
        std::thread::yield_now();
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(9), "{}", stderr(&output));
    if bench.path("out").exists() {
        assert_eq!(bench.manifest()["complete"], false);
        assert_eq!(bench.run(&["show", "./out"]).status.code(), Some(13));
    }
    let line = ["dump", "./one", "./two", "./out", "--resume"];
    let output = bench.run(&line);
    assert_eq!(output.status.code(), Some(2), "it cannot be resumed");
    assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
}
