// SPDX-License-Identifier: MIT

//! Recordings that were brought to a host.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use resdump_format::recording::planner::Event;
use serde_json::Value;

use crate::bench::{Bench, stderr};

#[path = "../fixtures/recording.rs"]
pub(crate) mod recording;

/// A bench with a recording, whose bytes are those of the bench.
fn bench() -> Bench {
    let bench = Bench::new(16_384);
    recording::make(&bench.path("rec"), &bench.bytes);
    bench
}

fn parts(bench: &Bench) -> (Option<i32>, Vec<Value>) {
    let output = bench.run(&["show", "rec", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts = json["runs"][0]["parts"].as_array().unwrap().clone();
    (output.status.code(), parts)
}

#[test]
fn json_says_where_each_part_is_and_text_what_is_not_whole() {
    let bench = bench();
    let (status, parts) = parts(&bench);
    assert_eq!(status, Some(14));
    let said: Vec<_> = parts
        .iter()
        .map(|part| {
            let number = |name: &str| part[name].as_u64();
            let from = number("from").unwrap() - recording::BEGIN;
            (
                from,
                part["what"].as_str().unwrap(),
                part["file"].as_str(),
                number("offset"),
            )
        })
        .collect();
    let (one, two) = (Some("000000.seg"), Some("000001.seg"));
    assert_eq!(
        said,
        [
            (0, "whole", one, Some(0)),
            (8192, "whole", two, Some(0)),
            (9000, "suspect", two, Some(808)),
            (9512, "whole", two, Some(1320)),
            (12_000, "lost: overrun", None, None),
            (13_000, "whole", two, Some(4808)),
        ]
    );
    let output = bench.run(&["show", "rec"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("suspect") && text.contains("lost: overrun"),
        "{text}"
    );
    assert!(!text.contains("whole"), "{text}");
}

/// Of a damaged index nothing is counted out that it has invented.
#[test]
fn an_index_that_lies_is_shown_at_once() {
    let bench = bench();
    let to = recording::BEGIN + (1 << 60);
    let data = |place| Event::Data {
        from: recording::BEGIN,
        to,
        place,
    };
    for (segment, place) in [(1, 0), (0, 0), (8192, u64::MAX - 1), (u64::MAX, 7)] {
        recording::write_index(&bench.path("rec"), segment, &[data(place)]);
        let (status, parts) = parts(&bench);
        assert_eq!((status, parts.len()), (Some(12), 1), "{segment} {place}");
        assert_eq!(parts[0].get("file"), None);
    }
}

#[test]
fn a_picture_is_made_once_and_of_recordings_alone() {
    let bench = bench();
    let draw = ["convert", "rec", "rec.svg", "--to", "svg"];
    assert_eq!(bench.run(&draw).status.code(), Some(14));
    let svg = fs::read_to_string(bench.path("rec.svg")).unwrap();
    assert!(
        svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
        "{svg}"
    );
    let again = bench.run(&draw);
    assert_eq!(again.status.code(), Some(6), "{again:?}");
    assert_eq!(fs::read_to_string(bench.path("rec.svg")).unwrap(), svg);
    for line in [
        "convert rec part.svg --to svg --offset 1048576",
        "convert ./saved saved.svg --to svg",
    ] {
        let output = bench.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
    }
    assert!(!bench.path("part.svg").exists() && !bench.path("saved.svg").exists());
}

#[test]
fn a_picture_needs_no_segment() {
    let bench = bench();
    let whole = bench.run(&["convert", "rec", "whole.svg", "--to", "svg"]);
    assert_eq!(whole.status.code(), Some(14), "{whole:?}");
    for entry in fs::read_dir(bench.path("rec")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "seg") {
            fs::remove_file(path).unwrap();
        }
    }
    let drawn = bench.run(&["convert", "rec", "rec.svg", "--to", "svg"]);
    assert_eq!(drawn.status.code(), Some(12), "{drawn:?}");
    let svg = |name| fs::read_to_string(bench.path(name)).unwrap();
    assert_eq!(svg("rec.svg"), svg("whole.svg"));
    let raw = bench.run(&["convert", "rec", "rec.raw", "--to", "raw"]);
    assert_eq!(raw.status.code(), Some(12), "{raw:?}");
    assert!(!bench.path("rec.raw").exists());
}

#[test]
fn the_stream_is_copied_with_holes_where_it_is_lost() {
    let bench = bench();
    let output = bench.run(&["convert", "rec", "rec.raw", "--to", "raw"]);
    assert_eq!(output.status.code(), Some(14), "{output:?}");
    let mut expected = bench.bytes.clone();
    expected[12_000..13_000].fill(0);
    assert!(fs::read(bench.path("rec.raw")).unwrap() == expected);
}

/// Bytes, status and text of `convert rec OUT --to raw --json` with `args`; `None`: no output was made.
fn raw(bench: &Bench, args: &[&str]) -> (Option<Vec<u8>>, Option<i32>, Output) {
    let out = bench.path("made.raw");
    let _ = fs::remove_file(&out);
    let line = ["convert", "rec", "made.raw", "--to", "raw", "--json"];
    let output = bench.run(&[&line[..], args].concat());
    (fs::read(out).ok(), output.status.code(), output)
}

fn index(bench: &Bench) -> PathBuf {
    bench.path("rec/000000.index")
}

/// Changes the index of a recording without gaps. What is left of the recording, as `convert` and `verify` have it.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> (Bench, Option<Vec<u8>>, Option<i32>, Output) {
    let bench = Bench::new(16_384);
    recording::make(&bench.path("rec"), &bench.bytes);
    recording::write_whole(&bench.path("rec"));
    assert_eq!(bench.run(&["verify", "rec"]).status.code(), Some(0));
    let mut bytes = fs::read(index(&bench)).unwrap();
    change(&mut bytes);
    fs::write(index(&bench), bytes).unwrap();
    let (made, status, output) = raw(&bench, &[]);
    let verified = bench.run(&["verify", "rec"]).status.code();
    assert_eq!(status, verified, "{output:?}");
    (bench, made, status, output)
}

#[test]
fn what_is_left_of_a_recording_is_converted_and_the_status_is_that_of_verify() {
    // A block of the index for each part: an origin, two halves, an end.
    let (bench, made, status, output) = changed(|index| index.truncate(2 * 4096));
    assert_eq!(status, Some(13), "{output:?}");
    assert_eq!(made.unwrap(), bench.bytes[..8192]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["recorded"], &said["missing"]),
        (&8192.into(), &0.into())
    );
    assert_eq!(said["error"]["what"], "recording was not ended");
    let (bench, made, status, _) = changed(|index| index[2 * 4096 + 8] ^= 1);
    assert_eq!(status, Some(13));
    assert_eq!(made.unwrap(), bench.bytes[..8192]);
    // A part that is known for sure is whole.
    let begin = recording::BEGIN.to_string();
    let (made, status, _) = raw(&bench, &["--offset", &begin, "--length", "8192"]);
    assert_eq!(
        (made.as_deref(), status),
        (Some(&bench.bytes[..8192]), Some(0))
    );
    let (_, status, _) = raw(&bench, &["--offset", &begin]);
    assert_eq!(status, Some(13));
}

#[test]
fn nothing_is_made_of_what_holds_nothing() {
    for (change, expected) in [
        (
            &(|index: &mut Vec<u8>| index.clear()) as &dyn Fn(&mut Vec<u8>),
            13,
        ),
        (&|index| index.truncate(100), 12),
        (&|index| index.truncate(4096), 13),
        (&|index| *index = b"hi\n".to_vec(), 12),
        (&|index| index[130] ^= 1, 13),
        (&|index| index[30] ^= 1, 12),
    ] {
        let (bench, made, status, output) = changed(change);
        assert_eq!((made, status), (None, Some(expected)), "{output:?}");
        for (to, suffix) in [("svg", ""), ("sigmf", ".sigmf-data")] {
            let output = bench.run(&["convert", "rec", "made", "--to", to]);
            assert_eq!(output.status.code(), Some(expected), "{to}: {output:?}");
            assert!(!bench.path(&format!("made{suffix}")).exists(), "{to}");
        }
    }
    let bench = Bench::new(1);
    fs::create_dir(bench.path("rec")).unwrap();
    let (made, status, _) = raw(&bench, &[]);
    assert_eq!((made, status), (None, Some(3)));
}

#[test]
fn a_segment_that_is_too_short_is_named_and_the_rest_is_there() {
    for cut in [Some(100), None] {
        let bench = bench();
        let short = bench.path("rec/000000.seg");
        match cut {
            Some(length) => fs::File::options()
                .write(true)
                .open(&short)
                .and_then(|file| file.set_len(length))
                .unwrap(),
            None => fs::remove_file(&short).unwrap(),
        }
        let (made, status, output) = raw(&bench, &[]);
        assert_eq!(status, Some(12), "{output:?}");
        let mut expected = bench.bytes.clone();
        expected[cut.unwrap_or(0) as usize..8192].fill(0);
        expected[12_000..13_000].fill(0);
        assert!(made.unwrap() == expected);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["missing"], 8192 - cut.unwrap_or(0));
        assert_eq!(said["gap"], 1000);
        let subject = said["error"]["subject"].as_str().unwrap();
        assert!(subject.ends_with("rec/000000.seg"), "{subject}");
        for to in ["sigmf", "svg"] {
            let output = bench.run(&["convert", "rec", "made", "--to", to]);
            assert_eq!(output.status.code(), Some(12), "{to}: {output:?}");
        }
        let samples = fs::read(bench.path("made.sigmf-data")).unwrap();
        let kept = [
            &bench.bytes[..cut.unwrap_or(0) as usize],
            &bench.bytes[8192..12_000],
        ];
        assert!(samples == [&kept.concat(), &bench.bytes[13_000..]].concat());
        // The other one is whole.
        let offset = (recording::BEGIN + 13_000).to_string();
        let (made, status, _) = raw(&bench, &["--offset", &offset]);
        assert_eq!(
            (made.as_deref(), status),
            (Some(&bench.bytes[13_000..]), Some(0))
        );
    }
}

/// What an index says that lies is bounded by the files that are there.
#[test]
fn an_index_that_contradicts_itself_is_believed_up_to_there() {
    let bench = bench();
    let data = |from, to, place| Event::Data {
        from: recording::BEGIN + from,
        to: recording::BEGIN + to,
        place,
    };
    for (parts, expected) in [
        (vec![data(0, 4096, 0), data(8192, 9000, 4096)], Some(4096)),
        (
            vec![data(0, 4096, 0), data(4096, 1 << 40, u64::MAX - 1)],
            Some(4096),
        ),
        (vec![data(4096, 8192, 0)], None),
    ] {
        recording::write_index(&bench.path("rec"), 8192, &parts);
        let (made, status, output) = raw(&bench, &[]);
        assert_eq!(status, Some(12), "{output:?}");
        assert_eq!(made, expected.map(|length| bench.bytes[..length].to_vec()));
    }
}

#[test]
fn runs_with_the_same_offsets_are_no_one_stream() {
    let bench = bench();
    for name in ["000000.index", "000000.seg", "000001.seg"] {
        let other = name.replace("00000", "00100");
        fs::copy(rec(&bench, name), rec(&bench, &other)).unwrap();
    }
    let (made, status, output) = raw(&bench, &[]);
    assert_eq!((made, status), (None, Some(5)), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("two runs have the same offsets"));
}

fn rec(bench: &Bench, name: &str) -> PathBuf {
    bench.path("rec").join(name)
}

/// The file that cannot be read is named, and is not the one that is written.
#[test]
fn an_index_that_cannot_be_read_is_named() {
    let bench = bench();
    fs::remove_file(index(&bench)).unwrap();
    fs::create_dir(index(&bench)).unwrap();
    for line in ["verify rec", "show rec", "convert rec made --to raw"] {
        let output = bench.run(&line.split(' ').collect::<Vec<_>>());
        let said = stderr(&output);
        assert!(
            said.contains("cannot read: ") && said.contains("rec/000000.index: EISDIR"),
            "{said}"
        );
    }
    assert!(!Path::new(&bench.path("made")).exists());
}

#[test]
fn a_part_that_is_not_there_is_named_by_numbers_that_can_be() {
    let bench = bench();
    for (args, text) in [
        (&["--offset", "1G"][..], "byte 0x40000000"),
        (
            &["--offset", "1048576", "--length", "1G"],
            "1073741824 bytes from 0x100000 on",
        ),
        (&["--offset", "0"], "byte 0x0"),
    ] {
        let (made, status, output) = raw(&bench, args);
        assert_eq!((made, status), (None, Some(5)));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.contains(text) && said.contains("it has 0x100000-0x104000"),
            "{said}"
        );
    }
    recording::write_index(&bench.path("rec"), 8192, &[]);
    let (_, status, output) = raw(&bench, &["--offset", "1G"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        status == Some(5) && said.contains("it has no byte"),
        "{said}"
    );
}

#[test]
fn what_takes_no_recording_says_what_does() {
    let bench = bench();
    for line in [
        "dump ./rec ./out",
        "diff ./rec ./saved",
        "find ./rec --text a",
    ] {
        let output = bench.run(&line.split(' ').collect::<Vec<_>>());
        let said = stderr(&output);
        assert!(
            output.status.code() == Some(3) && said.contains("'resdump convert'"),
            "{line}: {said}"
        );
    }
}

/// Also under another name, and with --force.
#[test]
fn a_recording_is_not_overwritten_by_what_it_becomes() {
    let bench = bench();
    fs::hard_link(rec(&bench, "000001.seg"), bench.path("same.sigmf-meta")).unwrap();
    let files = ["rec/000000.index", "rec/000000.seg", "rec/000001.seg"];
    let contents = || files.map(|name| fs::read(bench.path(name)).unwrap());
    let before = contents();
    for (out, to) in [
        (files[0], "raw"),
        (files[1], "raw"),
        (files[2], "svg"),
        ("same", "sigmf"),
    ] {
        let output = bench.run(&["convert", "rec", out, "--to", to, "--force"]);
        assert_eq!(output.status.code(), Some(6), "{out}: {output:?}");
    }
    assert!(contents() == before && !bench.path("same.sigmf-data").exists());
}

#[test]
fn options_of_sigmf_are_numbers_and_for_that_alone() {
    let bench = bench();
    for line in [
        "--to sigmf --sample-rate nan",
        "--to sigmf --sample-rate inf",
        "--to sigmf --sample-rate 0",
        "--to raw --sample-rate 5",
        "--to svg --datatype ru8",
    ] {
        let args: Vec<&str> = ["convert", "rec", "made"]
            .into_iter()
            .chain(line.split(' '))
            .collect();
        let output = bench.run(&args);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
    }
    assert!(!bench.path("made").exists() && !bench.path("made.sigmf-data").exists());
}
