// SPDX-License-Identifier: MIT

//! `resdump verify`: any difference is found.

use std::fs;

use crate::bench::{Bench, stderr};

/// Each format, with its options of `convert` or `dump`.
const MADE: [(&str, &str); 7] = [
    ("raw", "dump ./saved ./out"),
    ("raw with a digest", "dump ./saved ./out --digest crc32c"),
    ("elf", "dump ./saved ./out --format elf"),
    ("converted elf", "convert ./saved ./out --to elf"),
    ("lime", "convert ./saved ./out --to lime"),
    ("zstd", "dump ./saved ./out --compress zstd"),
    ("lz4", "dump ./saved ./out --compress lz4"),
];

fn made(line: &str) -> Bench {
    let bench = Bench::new(9000);
    bench.describe();
    let args: Vec<&str> = line.split(' ').collect();
    let output = bench.run(&args);
    assert!(output.status.success(), "{line}: {}", stderr(&output));
    bench
}

#[test]
fn one_byte_more_or_less_is_found_in_every_format() {
    for (format, line) in MADE {
        let bench = made(line);
        let status = || bench.run(&["verify", "./out"]).status.code();
        assert_eq!(status(), Some(0), "{format}");
        let out = bench.out();
        for more in [&b"x"[..], &[0], &[0; 4096]] {
            fs::write(bench.path("out"), [&out[..], more].concat()).unwrap();
            assert_eq!(status(), Some(12), "{format} and {} bytes", more.len());
            let against = bench.run(&["verify", "./out", "--against", "./saved"]);
            assert_eq!(against.status.code(), Some(12), "{format}");
        }
        for length in [out.len() - 1, out.len() / 2, 1] {
            fs::write(bench.path("out"), &out[..length]).unwrap();
            assert_eq!(status(), Some(13), "{length} bytes of {format}");
        }
    }
}

#[test]
fn every_byte_of_a_header_counts() {
    for (format, line) in &MADE[2..5] {
        let bench = made(line);
        let out = bench.out();
        let header = out.len() - 9000;
        let every = if header > 100 { 23 } else { 1 };
        for at in (0..header).step_by(every) {
            let mut damaged = out.clone();
            damaged[at] ^= 0x10;
            fs::write(bench.path("out"), damaged).unwrap();
            let status = bench.run(&["verify", "./out"]).status.code();
            assert_eq!(status, Some(12), "byte {at} of {format}");
        }
    }
}

#[test]
fn dumps_are_compared_where_they_are_in_memory() {
    // With and without a physical address.
    for known in [true, false] {
        let bench = Bench::new(64 << 10);
        if known {
            bench.describe();
        }
        let dump = |line: &str| {
            let args: Vec<&str> = line.split(' ').collect();
            let output = bench.run(&[&["dump", "./saved"], &args[..], &["--quiet"]].concat());
            assert!(output.status.success(), "{line}: {}", stderr(&output));
        };
        dump("./all");
        dump("./part --offset 4096 --length 8192");
        dump("./same --offset 4096 --length 8192");
        dump("./more --offset 4096");
        dump("./other --offset 32768 --length 8192");
        let verify = |file: &str, against: &str| {
            let output = bench.run(&["verify", file, "--against", against]);
            (output.status.code(), stderr(&output))
        };
        for (one, other) in [
            ("./part", "./saved"),
            ("./part", "./all"),
            ("./part", "./same"),
            ("./part", "./more"),
            ("./more", "./all"),
        ] {
            assert_eq!(verify(one, other).0, Some(0), "{one} {other}");
            assert_eq!(verify(other, one).0, Some(0), "{other} {one}");
        }
        assert_eq!(verify("./part", "./other").0, Some(5));
        let mut out = fs::read(bench.path("same")).unwrap();
        out[77] ^= 1;
        fs::write(bench.path("same"), out).unwrap();
        let (status, said) = verify("./part", "./same");
        assert_eq!(status, Some(12));
        assert!(said.contains("first at byte 0x4d"), "{said}");
        assert!(!said.contains("medium"), "{said}");
    }
}
