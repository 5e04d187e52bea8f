// SPDX-License-Identifier: MIT

//! Files of several ranges, from format to format.

use std::fs;

use crate::{
    bench::{Bench, stderr},
    inputs::lime,
};

#[test]
fn all_ranges_go_from_format_to_format_each_with_its_address() {
    let bench = Bench::new(3 * 5000);
    let bases = [0x1000, 0x10_0000, 0x1_0000_0000];
    fs::write(bench.path("a.lime"), lime(&bench, &bases)).unwrap();
    let convert = |line: &str| {
        let output = bench.run(&[&["convert"], &line.split(' ').collect::<Vec<_>>()[..]].concat());
        assert!(output.status.success(), "{line}: {}", stderr(&output));
    };
    convert("a.lime b.elf --to elf --machine ppc");
    convert("b.elf c.raw --to raw");
    convert("c.raw d.elf --to elf");
    convert("d.elf e.lime --to lime");
    assert!(fs::read(bench.path("e.lime")).unwrap() == lime(&bench, &bases));
    assert!(fs::read(bench.path("c.raw")).unwrap() == bench.bytes);
    for name in ["b.elf", "c.raw", "d.elf", "e.lime"] {
        assert_eq!(
            bench.run(&["verify", name]).status.code(),
            Some(0),
            "{name}"
        );
        let file = format!("./{name}");
        let against = bench.run(&["verify", "e.lime", "--against", &file]);
        assert_eq!(against.status.code(), Some(0), "{}", stderr(&against));
        let shown = bench.run(&["show", &file, "--at", "0x100001387", "--length", "1"]);
        let text = String::from_utf8(shown.stdout).unwrap();
        let last = format!("0100001387  {:02x}", bench.bytes[14_999]);
        assert!(text.starts_with(&last), "{name}: {text}");
        // The line ends where the range ends.
        let shown = bench.run(&[
            "show",
            &file,
            "--physical",
            "--offset",
            "4990",
            "--length",
            "20",
        ]);
        let text = String::from_utf8(shown.stdout).unwrap();
        let starts: Vec<&str> = text.lines().map(|line| &line[..10]).collect();
        assert_eq!(starts, ["000000237e", "0000100000"], "{name}");
    }
    // What has several ranges is not dumped as if it had one.
    assert_eq!(
        bench.run(&["dump", "./b.elf", "./made"]).status.code(),
        Some(5)
    );
}

#[test]
fn several_files_become_one_in_the_order_of_their_addresses() {
    let bench = Bench::new(8192);
    let convert =
        |line: &str| bench.run(&[&["convert"], &line.split(' ').collect::<Vec<_>>()[..]].concat());
    for (name, base) in [("high", "0x9000"), ("low", "0x1000")] {
        let output = convert(&format!("saved {name} --to lime --base {base}"));
        assert!(output.status.success());
    }
    let output = convert("high low both.elf --to elf --machine ppc");
    assert!(output.status.success(), "{}", stderr(&output));
    let output = convert("both.elf both.lime --to lime");
    assert!(output.status.success(), "{}", stderr(&output));
    let low = fs::read(bench.path("low")).unwrap();
    let high = fs::read(bench.path("high")).unwrap();
    assert!(fs::read(bench.path("both.lime")).unwrap() == [low, high].concat());
    assert_eq!(
        convert("low low twice --to elf --machine ppc")
            .status
            .code(),
        Some(5)
    );
}
