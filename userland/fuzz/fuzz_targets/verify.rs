// SPDX-License-Identifier: MIT
//! `verify` as a whole. A file that passes is changed in one byte, or gets one more: with a digest of its bytes and
//! of its headers it does not pass any more. The input is as that of `convert`; its first byte chooses where.

#![no_main]

#[path = "../scene.rs"]
mod scene;

use std::fs;

use libfuzzer_sys::fuzz_target;
use resdump::codec::format::Format;
use resdump::manifest;
use scene::Scene;

fuzz_target!(|input: &[u8]| {
    let Some((place, scene)) = Scene::of(input) else {
        return;
    };
    for against in [&[][..], &["--against", scene.dump()]] {
        let status = scene.run(&[&["verify", scene.dump()], against].concat());
        assert!([0, 1, 3, 5, 8, 12, 13].contains(&status), "{status}");
    }
    if scene.run(&["verify", scene.dump()]) != 0 {
        return;
    }
    let text = manifest::load(&manifest::beside(scene.dump().as_ref()));
    let known = text.expect("it was read before").expect("it passed");
    let mut bytes = fs::read(scene.dump()).expect("it was read before");
    let covered = known.seek.unwrap_or(0) == 0
        && known.digest.is_some()
        && (known.headers.is_some() || (known.format == Format::Raw && known.data_offset == 0));
    if covered && known.compression.is_none() {
        let at = usize::from(place) * bytes.len() / 256;
        bytes[at] ^= 1;
        fs::write(scene.dump(), &bytes).expect("room for a dump");
        assert_eq!(
            scene.run(&["verify", scene.dump()]),
            12,
            "byte {at} was changed"
        );
        bytes[at] ^= 1;
    }
    bytes.push(0);
    fs::write(scene.dump(), &bytes).expect("room for a dump");
    assert_ne!(scene.run(&["verify", scene.dump()]), 0, "a byte was added");
});
