// SPDX-License-Identifier: MIT

//! A source that cannot be read: a disk whose file was truncated behind its back.

use std::fs;

use super::{is_root, storage::Loop};
use crate::bench::{Bench, stderr};

#[test]
fn a_read_error_is_blamed_on_the_source() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(1 << 20);
    fs::copy(bench.path("saved"), bench.path("image")).unwrap();
    let Some(device) = Loop::new(&bench.path("image"), &[]) else {
        return;
    };
    let image = fs::File::options().write(true).open(bench.path("image"));
    image.and_then(|image| image.set_len(512 << 10)).unwrap();
    let source = device.0.as_str();
    for line in [
        &["dump", source, "./out"][..],
        &["dump", source, "./out", "--engine", "mmap"],
        &["dump", source, "./out", "--engine", "read"],
        &["dump", source, "./out", "--digest", "sha256"],
        &["dump", source, "./out", "--compress", "lz4"],
        &["dump", source, "./out", "--zero-skip"],
        &["dump", source, "-"],
        &["convert", source, "./out", "--to", "raw"],
        &["convert", source, "-", "--to", "raw"],
        &["show", source, "--offset", "768K"],
        &["find", source, "--text", "nowhere"],
        &["diff", "./saved", source],
        &["verify", "./saved", "--against", source],
        &["verify", source, "--against", "./saved"],
        &["bench", "./out", "--region", source, "--length", "1M"],
    ] {
        let output = bench.run(line);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(8), "{line:?}: {said}");
        let error = said.lines().find(|line| line.starts_with("resdump: "));
        let error = error.unwrap();
        assert!(
            error.contains(&format!(": {source}: EIO")),
            "{line:?}: {said}"
        );
        assert_eq!(error.matches("kernel log").count(), 1, "{line:?}: {said}");
        for name in ["out", "out.json"] {
            let _ = fs::remove_file(bench.path(name));
        }
    }
}
