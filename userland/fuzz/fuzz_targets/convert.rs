// SPDX-License-Identifier: MIT
//! `convert` as a whole: whatever a file and its manifest say, it ends, and what it made is what it says. The first
//! byte of the input chooses the options; then come the manifest (none if it is empty), a byte of zero, and the file.

#![no_main]

#[path = "../scene.rs"]
mod scene;

use std::fs;

use libfuzzer_sys::fuzz_target;
use scene::Scene;

fuzz_target!(|input: &[u8]| {
    let Some((options, scene)) = Scene::of(input) else {
        return;
    };
    let out = scene.path("out");
    let mut line = vec!["convert", scene.dump(), &out, "--force", "--to"];
    line.push(["raw", "elf", "lime"][usize::from(options) % 3]);
    line.extend([&["--incomplete"][..], &[]][usize::from(options >> 2) % 2]);
    line.extend([&["--machine", "ppc"][..], &[]][usize::from(options >> 3) % 2]);
    line.extend([&["--base", "0x1000"][..], &[]][usize::from(options >> 4) % 2]);
    line.extend([&["--class", "64"][..], &[]][usize::from(options >> 5) % 2]);
    let is_incomplete = line.contains(&"--incomplete");
    if scene.run(&line) != 0 {
        return;
    }
    let made = fs::metadata(&out).expect("it was made");
    assert!(made.len() > 0, "nothing was made, and that is called well");
    let verified = scene.run(&["verify", &out]);
    assert!(
        verified == 0 || (is_incomplete && verified == 13),
        "what was made is not what its manifest says: {verified}"
    );
    // What is complete goes on to be what it is.
    if verified == 0 {
        let again = scene.path("again");
        assert_eq!(
            scene.run(&["convert", &out, &again, "--force", "--to", "raw"]),
            0
        );
        assert_eq!(scene.run(&["verify", &again, "--against", &out]), 0);
    }
});
