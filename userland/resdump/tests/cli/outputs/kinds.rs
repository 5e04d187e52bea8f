// SPDX-License-Identifier: MIT

//! What a path names decides what becomes of it.

use std::{
    fs,
    io::Read,
    os::unix::{fs::symlink, net::UnixListener},
    thread,
};

use nix::{
    sys::stat::{Mode, SFlag, makedev, mknod},
    unistd::mkfifo,
};

use super::{is_root, names, refused, state};
use crate::bench::{Bench, stderr};

/// A folder with a thing of every kind that is no file of ours.
fn scene(bench: &Bench) -> Vec<&'static str> {
    fs::write(bench.path("foreign"), "{\"mine\": 1}").unwrap();
    fs::create_dir(bench.path("folder")).unwrap();
    mkfifo(&bench.path("pipe"), Mode::S_IRWXU).unwrap();
    drop(UnixListener::bind(bench.path("socket")).unwrap());
    symlink("none", bench.path("dangling")).unwrap();
    symlink("loop", bench.path("loop")).unwrap();
    symlink("/dev/null", bench.path("link")).unwrap();
    let mut kinds = vec![
        "foreign", "folder", "pipe", "socket", "dangling", "loop", "link",
    ];
    if is_root() {
        let node = |name, kind, device| {
            mknod(&bench.path(name), kind, Mode::S_IRWXU, device).unwrap();
        };
        node("null", SFlag::S_IFCHR, makedev(1, 3));
        node("mem", SFlag::S_IFCHR, makedev(1, 1));
        node("disk", SFlag::S_IFBLK, makedev(7, 250));
        kinds.extend(["null", "mem", "disk"]);
    }
    kinds
}

#[test]
fn a_manifest_replaces_nothing_that_is_not_one() {
    let bench = Bench::new(8192);
    for kind in scene(&bench) {
        let name = format!("./{kind}");
        let before = state(&bench.path(kind));
        let line = ["dump", "./saved", "./out", "--manifest", &name];
        assert_eq!(refused(&bench, &line), 6, "{kind}");
        assert_eq!(state(&bench.path(kind)), before, "{kind}");
        if kind != "foreign" {
            let line = [&line[..], &["--force"]].concat();
            assert_eq!(refused(&bench, &line), 6, "{kind}");
            assert_eq!(state(&bench.path(kind)), before, "{kind}");
        }
        assert!(!bench.path("out").exists(), "{kind}: nothing was begun");
    }
    let (status, _) = bench.dump(&["--manifest", "./foreign", "--force"]);
    assert_eq!(status, 0, "it was named, and force allows it");
}

#[test]
fn nothing_is_renamed_over_what_is_not_a_file() {
    let bench = Bench::new(8192);
    for kind in scene(&bench) {
        if ["foreign", "null", "link", "pipe"].contains(&kind) {
            continue;
        }
        let name = format!("./{kind}");
        let before = state(&bench.path(kind));
        for line in [
            &["convert", "./saved", &name, "--to", "raw", "--force"][..],
            &["dump", "./saved", &name, "--force"],
            &["dump", "./saved", &name, "--force", "--compress", "lz4"],
            &["bench", &name, "--region", "./saved", "--force", "--quiet"],
        ] {
            // A device that is not there has no room, and none takes what is compressed.
            let status = refused(&bench, line);
            assert!([2, 6, 7].contains(&status), "{line:?}: {status}");
            assert_eq!(state(&bench.path(kind)), before, "{line:?}");
        }
    }
}

#[test]
fn a_pipe_and_a_sink_take_what_is_converted() {
    let bench = Bench::new(300_000);
    scene(&bench);
    let before = state(&bench.path("pipe"));
    let pipe = bench.path("pipe");
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        fs::File::open(pipe)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    });
    let output = bench.run(&["convert", "./saved", "./pipe", "--to", "raw"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(reader.join().unwrap(), bench.bytes);
    assert_eq!(state(&bench.path("pipe")), before);

    for name in ["/dev/null", "./link"] {
        let output = bench.run(&["convert", "./saved", name, "--to", "raw"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    assert!(bench.path("link").is_symlink());
    let output = bench.run(&["convert", "./saved", "/dev/full", "--to", "raw"]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}

#[test]
fn a_link_is_followed_and_stays() {
    let bench = Bench::new(8192);
    fs::create_dir(bench.path("there")).unwrap();
    fs::write(bench.path("there/file"), "old").unwrap();
    symlink("there/file", bench.path("link")).unwrap();
    for line in [
        &["convert", "./saved", "./link", "--to", "raw", "--force"][..],
        &["dump", "./saved", "./link", "--force"],
        &[
            "dump",
            "./saved",
            "./link",
            "--force",
            "--manifest",
            "./there/file.json",
        ],
    ] {
        fs::write(bench.path("there/file"), "old").unwrap();
        assert_eq!(bench.run(line).status.code(), Some(0), "{line:?}");
        assert!(bench.path("link").is_symlink(), "{line:?}");
        assert_eq!(
            fs::read(bench.path("there/file")).unwrap(),
            bench.bytes,
            "{line:?}"
        );
    }
    // Through a link to it, what is known of the manifest's name is true as well.
    assert!(!bench.path("link.json").exists());
    fs::remove_file(bench.path("there/file.json")).unwrap();
    symlink("there/manifest", bench.path("link.json")).unwrap();
    fs::write(bench.path("there/manifest"), "").unwrap();
    assert_eq!(
        bench
            .run(&["dump", "./saved", "./link", "--force"])
            .status
            .code(),
        Some(0)
    );
    assert!(bench.path("link.json").is_symlink());
    let verified = bench.run(&["verify", "./link"]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
}

#[test]
fn a_manifest_of_what_was_there_does_not_outlive_it_under_any_name() {
    let bench = Bench::new(8192);
    assert_eq!(bench.dump(&[]).0, 0);
    symlink("out", bench.path("link")).unwrap();
    for (line, left) in [
        (&["dump", "./saved", "./link", "--force"][..], "link.json"),
        (
            &[
                "convert", "./saved", "./link", "--to", "lime", "--base", "0", "--force",
            ],
            "link",
        ),
        (
            &[
                "bench", "./link", "--region", "./saved", "--force", "--length", "4K", "--rounds",
                "1",
            ],
            "link",
        ),
    ] {
        fs::copy(bench.path("out.json"), bench.path("kept")).unwrap();
        assert_eq!(bench.run(line).status.code(), Some(0));
        assert!(
            !bench.path("out.json").exists(),
            "{line:?}: it speaks of what was there before"
        );
        assert!(bench.path(left).exists());
        fs::rename(bench.path("kept"), bench.path("out.json")).unwrap();
    }
}

/// Else it would be taken for the manifest of that file, which may be another dump.
#[test]
fn a_manifest_is_not_put_next_to_another_file() {
    let bench = Bench::new(8192);
    assert_eq!(bench.dump(&["--digest", "crc32c"]).0, 0);
    let text = fs::read(bench.path("out.json")).unwrap();
    fs::write(bench.path("other"), "no dump").unwrap();
    for manifest in ["./out.json", "./other.json"] {
        let output = bench.run(&["dump", "./saved", "./new", "--manifest", manifest]);
        assert_eq!(output.status.code(), Some(6), "{manifest}");
        assert!(stderr(&output).contains("would be taken for"), "{output:?}");
    }
    assert_eq!(fs::read(bench.path("out.json")).unwrap(), text);
    assert!(!bench.path("new").exists() && !bench.path("other.json").exists());
    // Its own, by another name of the target, and what no file has the name of.
    symlink("out", bench.path("link")).unwrap();
    for (target, manifest) in [("./link", "./out.json"), ("./new", "./it.json")] {
        let output = bench.run(&["dump", "./saved", target, "--manifest", manifest, "--force"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[test]
fn files_of_others_next_to_the_output_stay() {
    let bench = Bench::new(8192);
    for name in ["out.new", "out.json.new"] {
        fs::write(bench.path(name), "mine").unwrap();
    }
    let mine = "{\"mine\": 1}";
    let stays = |name: &str, what: &str| {
        assert_eq!(
            fs::read_to_string(bench.path(name)).unwrap(),
            what,
            "{name}"
        );
    };
    assert_eq!(bench.dump(&[]).0, 0);
    let line = ["convert", "./saved", "./out", "--to", "raw", "--force"];
    assert!(bench.run(&line).status.success());
    stays("out.new", "mine");
    stays("out.json.new", "mine");

    fs::write(bench.path("out.json"), mine).unwrap();
    assert_eq!(refused(&bench, &line), 6);
    stays("out.json", mine);
    assert_eq!(bench.out(), bench.bytes);
    for force in [&[][..], &["--force"]] {
        let line = [&["dump", "./saved", "./new"], force].concat();
        fs::write(bench.path("new.json"), mine).unwrap();
        assert_eq!(refused(&bench, &line), 6);
        stays("new.json", mine);
        assert!(!bench.path("new").exists());
    }
    let output = bench.run(&["dump", "./saved", "./new", "--no-manifest"]);
    assert_eq!(output.status.code(), Some(0));
    stays("new.json", mine);
}

#[test]
fn a_name_that_is_missing_among_devices_is_a_mistake() {
    let bench = Bench::new(8192);
    for line in [
        &["dump", "./saved", "/dev/resdump-none"][..],
        &["dump", "./saved", "/dev/resdump-none", "--force"],
        &["convert", "./saved", "/dev/resdump-none", "--to", "raw"],
        &[
            "dump",
            "./saved",
            "./out",
            "--manifest",
            "/dev/resdump-none",
        ],
    ] {
        assert_eq!(refused(&bench, line), 6);
        assert!(!std::path::Path::new("/dev/resdump-none").exists());
    }
    assert_eq!(names(&bench), ["saved"]);
}

#[test]
fn a_name_may_be_as_long_as_its_manifests_allows() {
    let bench = Bench::new(8192);
    for (length, status) in [(250, 0), (251, 6), (255, 6)] {
        let name = format!("./{}", "n".repeat(length));
        let output = bench.run(&["dump", "./saved", &name]);
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        if status != 0 {
            assert!(
                stderr(&output).contains("its name is too long"),
                "{}",
                stderr(&output)
            );
            assert!(!bench.path(&name).exists());
        }
        let output = bench.run(&["dump", "./saved", &name, "--no-manifest", "--force"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let output = bench.run(&["convert", "./saved", &name, "--to", "raw", "--force"]);
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
    }
}

#[test]
fn a_name_need_not_be_text() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let bench = Bench::new(8192);
    let name = OsStr::from_bytes(b"\xff\xfe");
    for args in [
        &["dump", "./saved"][..],
        &["convert", "--to", "raw", "--force", "./saved"],
    ] {
        let output = crate::bench::command(bench.folder.path(), args)
            .arg(name)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(
            fs::read(bench.folder.path().join(name)).unwrap(),
            bench.bytes
        );
    }
}

#[test]
fn standard_output_by_its_name_is_a_stream() {
    let bench = Bench::new(8192);
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let file = fs::File::create(bench.path("file")).unwrap();
        let output = crate::bench::command(bench.folder.path(), &["dump", "./saved", name])
            .stdout(file)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(fs::read(bench.path("file")).unwrap(), bench.bytes);
        assert!(!std::path::Path::new("/dev/stdout.json").exists());
        assert_eq!(names(&bench), ["file", "saved"]);
    }
}

#[test]
fn a_folder_that_is_not_there_is_not_made() {
    let bench = Bench::new(8192);
    for target in ["./none/out", "./none/", "./none/there/out"] {
        for line in [
            &["dump", "./saved", target][..],
            &["convert", "./saved", target, "--to", "raw"],
        ] {
            assert_eq!(refused(&bench, line), 6, "{line:?}");
        }
    }
    assert_eq!(names(&bench), ["saved"]);
}
