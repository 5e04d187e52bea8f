// SPDX-License-Identifier: MIT
//! A dump with a manifest beside it: whatever both say, reading them ends. The input is the manifest, a byte of
//! zero, and the dump.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use resdump::codec::digest::Algorithm;
use resdump::manifest;
use resdump::readback::ReadBack;
use resdump::signals::Stop;
use resdump::source::{How, Saved, Source};

/// On a file system in memory.
static DUMP: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    folder.keep().join("dump")
});

fuzz_target!(|input: &[u8]| {
    let (text, dump) = match input.iter().position(|byte| *byte == 0) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    let beside = manifest::beside(&DUMP);
    fs::write(&*DUMP, dump).expect("room for a dump");
    fs::write(&beside, text).expect("room for a manifest");
    if let Ok(Some(mut manifest)) = manifest::load(&beside) {
        let mut record = manifest::claim(&beside, &[], true, "").expect("it is ours");
        manifest::store(&mut manifest, &mut record, true).expect("room for a manifest");
        let again = manifest::load(&beside).expect("it was just written");
        assert_eq!(again, Some(manifest));
    }
    for incomplete in [false, true] {
        let how = How {
            incomplete,
            ..How::default()
        };
        let Ok(saved) = Saved::open(&DUMP, &how) else {
            continue;
        };
        assert!(incomplete || saved.fault().is_none());
        if let Ok(mut dump) = ReadBack::of(&saved, &Stop::default()) {
            let algorithm = saved.manifest().and_then(|it| it.digest.as_ref());
            let _ = dump.digest(algorithm.map_or(Algorithm::Crc32c, |it| it.algorithm));
        }
        if saved.compression().is_none() {
            let mut bytes = vec![0; saved.size() as usize];
            saved.read_at(&mut bytes, 0).expect("so many are there");
        }
    }
});
