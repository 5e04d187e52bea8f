// SPDX-License-Identifier: MIT

//! Recordings that were brought to a host.

use std::fs;

use resdump_format::recording::planner::Event;
use serde_json::Value;

use crate::bench::Bench;

#[path = "../fixtures/recording.rs"]
mod recording;

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
fn the_stream_is_copied_with_holes_where_it_is_lost() {
    let bench = bench();
    let output = bench.run(&["convert", "rec", "rec.raw", "--to", "raw"]);
    assert_eq!(output.status.code(), Some(14), "{output:?}");
    let mut expected = bench.bytes.clone();
    expected[12_000..13_000].fill(0);
    assert!(fs::read(bench.path("rec.raw")).unwrap() == expected);
}
