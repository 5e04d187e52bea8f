// SPDX-License-Identifier: MIT

//! Which users may read what was in memory.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
};

use super::is_root;
use crate::bench::Bench;

const LINES: [&[&str]; 3] = [
    &["dump", "./saved", "./out", "--force"],
    &["dump", "./saved", "./out", "--force", "--compress", "lz4"],
    &["convert", "./saved", "./out", "--to", "raw", "--force"],
];

#[test]
fn the_world_does_not_read_what_was_in_memory() {
    let bench = Bench::new(8192);
    for line in LINES {
        for (content, before, after) in [
            ("", 0o644, 0o600),
            ("", 0o666, 0o600),
            ("old", 0o644, 0o640),
            ("old", 0o640, 0o640),
            ("old", 0o600, 0o600),
        ] {
            fs::write(bench.path("out"), content).unwrap();
            fs::set_permissions(bench.path("out"), Permissions::from_mode(before)).unwrap();
            assert_eq!(bench.run(line).status.code(), Some(0));
            let mode = fs::metadata(bench.path("out")).unwrap().mode() & 0o7777;
            assert_eq!(mode, after, "{line:?}: {content:?} had {before:o}");
            fs::remove_file(bench.path("out")).unwrap();
        }
        assert_eq!(bench.run(line).status.code(), Some(0));
        assert_eq!(
            fs::metadata(bench.path("out")).unwrap().mode() & 0o7777,
            0o600
        );
        fs::remove_file(bench.path("out")).unwrap();
    }
}

#[test]
fn owner_and_group_stay() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(8192);
    for line in LINES {
        fs::write(bench.path("out"), "old").unwrap();
        fs::set_permissions(bench.path("out"), Permissions::from_mode(0o640)).unwrap();
        chown(bench.path("out"), Some(1234), Some(2345)).unwrap();
        assert_eq!(bench.run(line).status.code(), Some(0));
        let metadata = fs::metadata(bench.path("out")).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (1234, 2345), "{line:?}");
        assert_eq!(metadata.mode() & 0o7777, 0o640, "{line:?}");
        fs::remove_file(bench.path("out")).unwrap();
    }
}
