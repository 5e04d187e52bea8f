// SPDX-License-Identifier: MIT

//! What is compressed, and was cut; what has ranges that say the same; what is being written.

use std::fs;

use resdump::codec::compression::Compression;

use crate::bench::{Bench, stderr};

const BOTH: [Compression; 2] = [Compression::Zstd, Compression::Lz4];

/// Three whole frames and half of a fourth as `cut`, and what is in the three.
fn cut(bench: &Bench, compression: Compression) -> Vec<u8> {
    let frames: Vec<Vec<u8>> = bench
        .bytes
        .chunks(100_000)
        .map(|bytes| compression.pack(bytes).unwrap())
        .collect();
    let half = &frames[3][..frames[3].len() / 2];
    let packed = [&frames[0][..], &frames[1], &frames[2], half].concat();
    fs::write(bench.path("cut"), packed).unwrap();
    bench.bytes[..300_000].to_vec()
}

#[test]
fn a_compressed_file_that_was_cut_is_incomplete_and_gives_its_whole_frames() {
    let bench = Bench::new(400_000);
    for compression in BOTH {
        let whole = cut(&bench, compression);
        let line = ["convert", "./cut", "./out", "--to", "raw", "--force"];
        let output = bench.run(&line);
        assert_eq!(output.status.code(), Some(13), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("--incomplete"),
            "{}",
            stderr(&output)
        );
        assert!(!bench.path("out.json").exists());
        let output = bench.run(&[&line[..], &["--incomplete"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("INCOMPLETE"), "{said}");
        assert!(bench.out().starts_with(&whole), "{compression}");
        assert!(bench.bytes.starts_with(&bench.out()), "{compression}");
        assert_eq!(bench.manifest()["complete"], false);
        for name in ["out", "out.json"] {
            fs::remove_file(bench.path(name)).unwrap();
        }
    }
}

#[test]
fn so_does_one_with_a_manifest() {
    for method in ["zstd", "lz4"] {
        let bench = Bench::new(5 << 20);
        assert_eq!(
            bench.dump(&["--compress", method, "--digest", "crc32c"]).0,
            0
        );
        let packed = bench.out();
        fs::write(bench.path("out"), &packed[..packed.len() / 2]).unwrap();
        let line = ["convert", "./out", "./raw", "--to", "raw"];
        assert_eq!(bench.run(&line).status.code(), Some(13));
        assert_eq!(bench.run(&["verify", "./out"]).status.code(), Some(13));
        let output = bench.run(&[&line[..], &["--incomplete"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let raw = fs::read(bench.path("raw")).unwrap();
        assert!(
            raw.len() >= 2 << 20 && bench.bytes.starts_with(&raw),
            "{}",
            raw.len()
        );
        let output = bench.run(&["show", "./raw"]);
        assert_eq!(output.status.code(), Some(13), "{}", stderr(&output));
    }
}

#[test]
fn a_compressed_file_that_is_damaged_is_not_called_cut() {
    let bench = Bench::new(400_000);
    for compression in BOTH {
        cut(&bench, compression);
        let mut bytes = fs::read(bench.path("cut")).unwrap();
        bytes[5000] ^= 0xff;
        fs::write(bench.path("cut"), bytes).unwrap();
        for more in [&[][..], &["--incomplete"]] {
            let line = [&["convert", "./cut", "./out", "--to", "raw"], more].concat();
            let output = bench.run(&line);
            assert_eq!(output.status.code(), Some(12), "{}", stderr(&output));
        }
    }
}

#[test]
fn nothing_is_nothing_also_where_it_is_compressed() {
    let bench = Bench::new(1);
    for compression in BOTH {
        fs::write(bench.path("none"), compression.pack(&[]).unwrap()).unwrap();
        let output = bench.run(&["convert", "./none", "./out", "--to", "raw"]);
        assert_eq!(output.status.code(), Some(13), "{}", stderr(&output));
        assert!(!bench.path("out").exists());
    }
}

/// A LiME file of ranges of 16 bytes at these addresses.
fn lime(bases: impl Iterator<Item = u64>) -> Vec<u8> {
    let range = |base| {
        let header = resdump::codec::format::lime::header(base, 16).unwrap();
        [&header[..], &base.to_le_bytes(), &[7; 8]].concat()
    };
    bases.flat_map(range).collect()
}

#[test]
fn a_manifest_of_many_ranges_is_one() {
    let bench = Bench::new(1);
    fs::write(bench.path("many"), lime((0..20_000).map(|n| n * 64))).unwrap();
    for _ in 0..2 {
        let line = [
            "convert",
            "./many",
            "./out",
            "--to",
            "elf",
            "--machine",
            "ppc",
            "--force",
        ];
        let output = bench.run(&line);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(fs::metadata(bench.path("out.json")).unwrap().len() > 1 << 20);
        let output = bench.run(&["verify", "./out"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn two_ranges_at_one_address_are_reported() {
    let bench = Bench::new(1);
    for (bases, told) in [
        (&[0, 64, 8][..], true),
        (&[64, 64], true),
        (&[32, 16], false),
    ] {
        fs::write(bench.path("twice"), lime(bases.iter().copied())).unwrap();
        let output = bench.run(&["show", "./twice", "--ranges"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(
            stderr(&output).contains("have the address"),
            told,
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn what_is_being_written_is_waited_for_and_keeps_its_manifest() {
    let bench = Bench::new(8192);
    assert_eq!(bench.dump(&[]).0, 0);
    let mut manifest = bench.manifest();
    manifest["complete"] = false.into();
    for bytes in [0, 4096] {
        manifest["bytes"] = bytes.into();
        fs::write(bench.path("out.json"), manifest.to_string()).unwrap();
        let held = fs::File::options()
            .write(true)
            .open(bench.path("out"))
            .unwrap();
        held.lock().unwrap();
        let output = bench.run(&["show", "./out"]);
        assert_eq!(output.status.code(), Some(13));
        let said = stderr(&output);
        assert!(
            said.contains("wait for its end") && !said.contains("remove"),
            "{said}"
        );
        drop(held);
        let output = bench.run(&["show", "./out"]);
        assert_eq!(output.status.code(), Some(13));
        assert!(
            !stderr(&output).contains("wait for its end"),
            "{}",
            stderr(&output)
        );
    }
    // Where there is no manifest, none is to be removed.
    fs::write(bench.path("head"), &lime([0].into_iter())[..32]).unwrap();
    let output = bench.run(&["show", "./head"]);
    assert_eq!(output.status.code(), Some(13));
    assert!(!stderr(&output).contains("manifest"), "{}", stderr(&output));
}
