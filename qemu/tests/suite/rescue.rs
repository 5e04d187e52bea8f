// SPDX-License-Identifier: MIT
//! The serial rescue over the guest's own console: the host's program reads it on a pseudo terminal.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::pty::{OpenptyResult, openpty};
use nix::unistd::ttyname;
use serde_json::Value;

use harness::console::Console;
use harness::paths::Paths;
use harness::toolchain::Toolchain;

use crate::bed::{Bed, Case, Running, same};

const LENGTH: usize = 160 << 10;

pub fn cases() -> Vec<Case> {
    let case = |name, run| Case {
        bed: Bed::Low,
        name,
        run,
    };
    vec![
        case("a_region_comes_over_the_console", |bed| {
            rescue(bed, |_, _| {})
        }),
        case("a_region_comes_over_a_noisy_console", |bed| {
            rescue(bed, |number, line| match number % 11 {
                3 => line.clear(),
                5 => drop(line.remove(line.len() / 2)),
                7 => line[0] ^= 1,
                9 => line.extend(line.clone()),
                _ => {}
            })
        }),
    ]
}

/// The dumper, built for the host.
fn host_dumper() -> Result<PathBuf> {
    let paths = Paths::discover()?;
    let tools = Toolchain::discover()?;
    let folder = paths.out.join("target/userland");
    let status = tools
        .command(tools.tool("cargo"))
        .args(["build", "--quiet", "--locked", "--package", "resdump"])
        .arg("--manifest-path")
        .arg(paths.root.join("userland/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &folder)
        .status()?;
    ensure!(status.success(), "cargo ended with {status}");
    Ok(folder.join("debug/resdump"))
}

/// Sends, and hurts the lines with these numbers on their way to the host.
fn rescue(bed: &mut Running, hurt: fn(usize, &mut Vec<u8>)) -> Result<()> {
    let program = host_dumper()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("capture.raw");
    let OpenptyResult { master, slave } = openpty(None, None)?;
    let terminal = ttyname(&slave)?;

    let position = bed.guest.console().position();
    bed.guest
        .start(&format!("resdump send capture --length {LENGTH}"))?;
    let answer = receive(
        bed.guest.console(),
        position,
        (master, slave),
        Command::new(program)
            .args(["receive", "--json"])
            .args([&terminal, &file]),
        hurt,
    )?;
    let sent = bed.guest.finish(60)?;
    ensure!(sent.status == 0, "{sent:?}");
    ensure!(
        answer["complete"] == true && answer["region"] == "capture",
        "{answer}"
    );
    same(&fs::read(&file)?, &bed.expected("capture")?[..LENGTH])?;
    manifest(bed, &file)
}

fn manifest(bed: &Running, file: &Path) -> Result<()> {
    let manifest = fs::read(file.with_added_extension("json"))?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    ensure!(
        manifest["complete"] == true
            && manifest["base"] == bed.base("capture")?
            && manifest["system"]["byte_order"] == bed.board.byte_order()
            && manifest["digest"]["algorithm"] == "crc32c",
        "{manifest}"
    );
    Ok(())
}

/// Runs `command` on the terminal's other end, with the guest's console behind it; what it said.
fn receive(
    console: &Console,
    mut position: usize,
    (master, slave): (OwnedFd, OwnedFd),
    command: &mut Command,
    hurt: fn(usize, &mut Vec<u8>),
) -> Result<Value> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut to_host = File::from(master);
    let mut from_host = to_host.try_clone()?;
    let mut keyboard = console.keyboard()?;
    let back = thread::spawn(move || {
        let mut buffer = [0; 4096];
        // Ends when the terminal is closed.
        while let Ok(count @ 1..) = from_host.read(&mut buffer) {
            if keyboard.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    });
    let (mut line, mut number) = (Vec::new(), 0);
    while child.try_wait()?.is_none() {
        let bytes = console.after(position, Duration::from_millis(50));
        position += bytes.len();
        for byte in bytes {
            line.push(byte);
            if byte == b'\n' {
                hurt(number, &mut line);
                to_host.write_all(&line)?;
                line.clear();
                number += 1;
            }
        }
    }
    // What it has written is read before the end of the file is.
    drop(slave);
    back.join().ok().context("the way back to the guest")?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}
