// SPDX-License-Identifier: MIT

//! Disks, what lies on them, and what they lie in.

use std::{fs, path::PathBuf};

use super::{is_root, refused, tool};
use crate::bench::{Bench, stderr};

/// A loop device, until it goes out of use.
pub(super) struct Loop(pub(super) String);

impl Loop {
    /// On `file`; `None` where this machine has no loop devices.
    pub(super) fn new(file: &std::path::Path, more: &[&str]) -> Option<Self> {
        let file = file.to_str().unwrap();
        let output = std::process::Command::new("losetup")
            .args(["--find", "--show"])
            .args(more)
            .arg(file)
            .output();
        match output {
            Ok(output) if output.status.success() => Some(Self(
                String::from_utf8(output.stdout).unwrap().trim().into(),
            )),
            _ => {
                eprintln!("LEFT OUT: no loop devices here");
                None
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup")
            .args(["-d", &self.0])
            .status();
    }
}

/// A file system that is mounted, until it goes out of use.
pub(super) struct Mount(PathBuf);

impl Mount {
    pub(super) fn new(what: &str, at: PathBuf, options: &[&str]) -> Self {
        fs::create_dir_all(&at).unwrap();
        tool("mount", &[options, &[what, at.to_str().unwrap()]].concat());
        Self(at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

/// A bench whose saved file is also the disk `loop`.
fn with_loop(size: usize) -> Option<(Bench, Loop)> {
    if !is_root() {
        return None;
    }
    let bench = Bench::new(size);
    let device = Loop::new(&bench.path("saved"), &[])?;
    Some((bench, device))
}

#[test]
fn a_disk_that_lies_in_the_source_is_the_source() {
    let Some((bench, device)) = with_loop(1 << 20) else {
        return;
    };
    for line in [
        &["dump", "./saved", &device.0, "--force"][..],
        &["convert", "./saved", &device.0, "--to", "raw", "--force"],
        &[
            "bench", &device.0, "--region", "./saved", "--force", "--quiet",
        ],
    ] {
        assert_eq!(refused(&bench, line), 6, "{line:?}");
        assert_eq!(
            fs::read(bench.path("saved")).unwrap(),
            bench.bytes,
            "{line:?}"
        );
    }
    // Another window of the same file, which begins within it.
    let Some(second) = Loop::new(&bench.path("saved"), &["--offset", "4096"]) else {
        return;
    };
    assert_eq!(
        refused(&bench, &["dump", "./saved", &second.0, "--force"]),
        6
    );
}

#[test]
fn a_disk_is_written_to_and_stays_a_disk() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(1 << 20);
    fs::write(bench.path("image"), vec![0; 1 << 20]).unwrap();
    let Some(device) = Loop::new(&bench.path("image"), &[]) else {
        return;
    };
    for line in [
        &["convert", "./saved", &device.0, "--to", "raw"][..],
        &["dump", "./saved", &device.0],
    ] {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(fs::read(bench.path("image")).unwrap(), bench.bytes);
        fs::write(bench.path("image"), vec![0; 1 << 20]).unwrap();
    }
    let line = [
        "convert", "./saved", &device.0, "--to", "lime", "--base", "0",
    ];
    assert_eq!(refused(&bench, &line), 7, "there is no room for the header");
    // By a link to it, too.
    std::os::unix::fs::symlink(&device.0, bench.path("link")).unwrap();
    let output = bench.run(&["convert", "./saved", "./link", "--to", "raw"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(bench.path("link").is_symlink());
}

#[test]
fn two_write_to_one_disk_at_different_places_only() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(64 << 10);
    fs::write(bench.path("image"), vec![0; 1 << 20]).unwrap();
    let Some(device) = Loop::new(&bench.path("image"), &[]) else {
        return;
    };
    // As another run does.
    let line = ["dump", "./saved", &device.0, "--force", "--seek"];
    let held = fs::File::options().write(true).open(&device.0).unwrap();
    resdump::sys::file::lock_range(&held, 128 << 10, 64 << 10).unwrap();
    for (seek, status) in [("0", 0), ("64K", 0), ("96K", 6), ("128K", 6), ("192K", 0)] {
        let output = bench.run(&[&line[..], &[seek]].concat());
        assert_eq!(
            output.status.code(),
            Some(status),
            "{seek}: {}",
            stderr(&output)
        );
    }
    for line in [
        &["convert", "./saved", &device.0, "--to", "raw", "--force"][..],
        &[
            "bench", &device.0, "--region", "./saved", "--force", "--quiet",
        ],
    ] {
        assert_eq!(refused(&bench, line), 6, "{line:?}");
    }
    drop(held);
}

#[test]
fn a_file_and_the_disk_under_it_are_not_source_and_target() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(64 << 10);
    fs::File::create(bench.path("image"))
        .and_then(|file| file.set_len(16 << 20))
        .unwrap();
    let Some(device) = Loop::new(&bench.path("image"), &[]) else {
        return;
    };
    tool("mkfs.ext4", &["-q", &device.0]);
    let mount = Mount::new(&device.0, bench.path("disk"), &[]);
    fs::copy(bench.path("saved"), bench.path("disk/saved")).unwrap();
    let image = fs::read(bench.path("image")).unwrap();
    for line in [
        // The disk under the source, and the file that this lies in.
        &["dump", "./disk/saved", &device.0, "--force"][..],
        &[
            "dump",
            "./disk/saved",
            "./image",
            "--force",
            "--seek",
            "16M",
        ],
        &[
            "convert",
            "./disk/saved",
            "./image",
            "--to",
            "raw",
            "--force",
        ],
        // A file on what the source is.
        &["dump", "./image", "./disk/out", "--length", "4096"],
        &["convert", "./image", "./disk/out", "--to", "raw"],
    ] {
        assert_eq!(refused(&bench, line), 6, "{line:?}");
    }
    assert!(!bench.path("disk/out").exists());
    assert!(fs::read(bench.path("image")).unwrap().len() == image.len());
    // Two files on one disk are no matter.
    let output = bench.run(&["dump", "./disk/saved", "./disk/out"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    drop(mount);
}

#[test]
fn a_partition_and_its_disk_are_not_source_and_target() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(64 << 10);
    fs::File::create(bench.path("image"))
        .and_then(|file| file.set_len(16 << 20))
        .unwrap();
    let table = "label: dos\nstart=2048, size=8192\nstart=10240, size=8192\n";
    fs::write(bench.path("table"), table).unwrap();
    let made = std::process::Command::new("sfdisk")
        .args(["-q", bench.path("image").to_str().unwrap()])
        .stdin(fs::File::open(bench.path("table")).unwrap())
        .status();
    if !made.is_ok_and(|made| made.success()) {
        eprintln!("LEFT OUT: no sfdisk here");
        return;
    }
    let Some(device) = Loop::new(&bench.path("image"), &["--partscan"]) else {
        return;
    };
    let (first, second) = (format!("{}p1", device.0), format!("{}p2", device.0));
    if !fs::exists(&first).unwrap() {
        eprintln!("LEFT OUT: this kernel has no partitions on loop devices");
        return;
    }
    tool("mkfs.ext4", &["-q", &first]);
    let mount = Mount::new(&first, bench.path("disk"), &[]);
    fs::copy(bench.path("saved"), bench.path("disk/saved")).unwrap();
    for target in [&device.0, &first] {
        let line = ["dump", "./disk/saved", target, "--force"];
        assert_eq!(refused(&bench, &line), 6, "{target}");
    }
    assert_eq!(
        refused(&bench, &["dump", "./disk/saved", "./image", "--force"]),
        6
    );
    let output = bench.run(&["dump", "./disk/saved", &second]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    drop(mount);
}

#[test]
fn a_bind_mount_is_no_other_file() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(64 << 10);
    let folder = bench.folder.path().to_str().unwrap().to_owned();
    fs::create_dir(bench.path("there")).unwrap();
    let mount = Mount::new(&folder, bench.path("there"), &["--bind"]);
    for line in [
        &["dump", "./saved", "./there/saved", "--force"][..],
        &["dump", "./there/saved", "./saved", "--force"],
        &[
            "convert",
            "./saved",
            "./there/saved",
            "--to",
            "raw",
            "--force",
        ],
    ] {
        assert_eq!(refused(&bench, line), 6, "{line:?}");
    }
    assert_eq!(fs::read(bench.path("saved")).unwrap(), bench.bytes);
    drop(mount);
}

#[test]
fn what_fits_is_written_and_the_manifest_with_it() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(8 << 20);
    fs::File::create(bench.path("image"))
        .and_then(|file| file.set_len(4 << 20))
        .unwrap();
    let Some(device) = Loop::new(&bench.path("image"), &[]) else {
        return;
    };
    tool("mkfs.ext4", &["-q", &device.0]);
    let disk = Mount::new(&device.0, bench.path("full"), &[]);
    let memory = Mount::new(
        "none",
        bench.path("small"),
        &["-t", "tmpfs", "-o", "size=600k"],
    );
    for (folder, least) in [("full", 2 << 20), ("small", 560 << 10)] {
        for more in [
            &[][..],
            &["--chunk", "64M"],
            &["--zero-skip"],
            &["--engine", "read"],
        ] {
            let target = format!("./{folder}/out");
            let line = [&["dump", "./saved", &target, "--partial", "--json"], more].concat();
            let output = bench.run(&line);
            assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
            let out = fs::read(bench.path(&target)).unwrap();
            assert!(out.len() >= least, "{line:?}: {} bytes", out.len());
            assert!(out == bench.bytes[..out.len()], "{line:?}");
            let text = fs::read(bench.path(&format!("{folder}/out.json"))).unwrap();
            let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(manifest["bytes"], out.len(), "{line:?}");
            assert_eq!(manifest["complete"], false);
            // It has not grown, and the manifest can still be written.
            let again = bench.run(&[&line[..], &["--resume"]].concat());
            assert_eq!(again.status.code(), Some(7), "{}", stderr(&again));
            let left = fs::read(bench.path(&target)).unwrap();
            assert!(left.len() >= out.len() && left == bench.bytes[..left.len()]);
            for name in ["out", "out.json"] {
                fs::remove_file(bench.path(&format!("{folder}/{name}"))).unwrap();
            }
        }
    }
    drop((disk, memory));
}

#[test]
fn without_partial_a_full_target_stays_empty() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(1 << 20);
    let memory = Mount::new(
        "none",
        bench.path("small"),
        &["-t", "tmpfs", "-o", "size=600k"],
    );
    for line in [
        &["dump", "./saved", "./small/out"][..],
        &["convert", "./saved", "./small/out", "--to", "raw"],
    ] {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
        assert_eq!(
            bench.path("small").read_dir().unwrap().count(),
            0,
            "{line:?}"
        );
    }
    drop(memory);
}
