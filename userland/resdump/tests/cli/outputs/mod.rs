// SPDX-License-Identifier: MIT

//! What may be written to, and what becomes of what was there.

mod aliases;
mod broken;
mod kinds;
mod memory;
mod rights;
mod room;
mod signals;
mod sources;
mod standard;
mod storage;
mod together;

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use crate::bench::Bench;

/// Whether this is root, who can make device nodes and mounts. A test that needs that says that it was
/// left out.
fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("LEFT OUT: only root can make devices and mounts");
    }
    root
}

/// Runs a command that must succeed, and returns what it says.
fn tool(name: &str, args: &[&str]) -> String {
    let output = Command::new(name).args(args).output().unwrap();
    assert!(output.status.success(), "{name} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// What there is to know of a file, not followed if it is a link.
fn state(path: &Path) -> String {
    match path.symlink_metadata() {
        Err(_) => "nothing".into(),
        Ok(metadata) if metadata.is_symlink() => format!("link to {:?}", path.read_link().unwrap()),
        Ok(metadata) => {
            let kind = metadata.file_type();
            let content = match kind.is_file() {
                true => fs::read(path).unwrap(),
                false => Vec::new(),
            };
            let node = kind.is_char_device() || kind.is_block_device() || kind.is_fifo();
            format!(
                "{} {:o} {} {} node {node} {content:?}",
                metadata.ino(),
                metadata.permissions().mode(),
                metadata.uid(),
                metadata.rdev()
            )
        }
    }
}

/// What there is in the folder of a bench.
fn names(bench: &Bench) -> Vec<String> {
    let mut names: Vec<String> = bench
        .folder
        .path()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Status of a run, which must say one line of why.
fn refused(bench: &Bench, line: &[&str]) -> i32 {
    let output = bench.run(line);
    let said = crate::bench::stderr(&output);
    assert_eq!(said.lines().count(), 1, "{line:?}: {said}");
    output.status.code().unwrap()
}

/// Every kind of name for `saved`, by which it must not be written to.
fn names_of_saved(bench: &Bench) -> Vec<String> {
    fs::hard_link(bench.path("saved"), bench.path("hard")).unwrap();
    symlink("saved", bench.path("soft")).unwrap();
    symlink("soft", bench.path("softer")).unwrap();
    let folder = bench.folder.path().display();
    vec![
        "./saved".into(),
        "./hard".into(),
        "./soft".into(),
        "./softer".into(),
        format!("{folder}/./saved"),
        format!("/proc/self/root{folder}/hard"),
        "/proc/self/cwd/saved".into(),
    ]
}
