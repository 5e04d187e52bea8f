// SPDX-License-Identifier: MIT

//! What the example prints of a recording.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../examples/recording.rs"]
#[allow(dead_code, reason = "its main is the test's")]
mod recording;

use std::fs;

use resdump_format::recording::{
    index::{Origin, Record, State, Writer},
    layout::index_name,
    planner::{Cause, Event},
};

#[test]
fn it_names_each_part() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(index_name(0));
    let mut index = Writer::new(1, 4096);
    let origin = Origin {
        segment: 4096,
        block: 512,
        ..Origin::default()
    };
    index.push(0, Record::Origin(origin));
    for part in [
        Event::Data {
            from: 0,
            to: 5000,
            place: 0,
        },
        Event::Suspect {
            from: 5000,
            to: 5512,
            place: 5000,
        },
        Event::Gap {
            from: 5512,
            to: 6000,
            place: 5512,
            cause: Cause::Write,
        },
    ] {
        index.push(0, Record::Part(part));
    }
    index.push(0, Record::End(State::default()));
    fs::write(&path, index.take(0).1).unwrap();
    let mut said = Vec::new();
    recording::report(&path, &mut said).unwrap();
    assert_eq!(
        String::from_utf8(said).unwrap(),
        "bytes 0 to 5000: whole, in 000000.seg from byte 0 on\n\
         bytes 5000 to 5512: suspect, in 000001.seg from byte 904 on\n\
         bytes 5512 to 6000: lost, in 000001.seg from byte 1416 on\n\
         512 suspect, 488 lost\n"
    );
    fs::write(&path, "no index").unwrap();
    recording::report(&path, &mut Vec::new()).unwrap_err();
}
