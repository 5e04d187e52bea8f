// SPDX-License-Identifier: MIT
//! The serial rescue over the guest's own console: the host's program reads it on a pseudo terminal.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use board::Need;
use serde_json::Value;

use host::deadline::{self, Handle};
use host::paths::Paths;
use labs::fakeboard::Terminal;
use machine::console::Console;

use crate::frame::{Case, Running, case, same};

const LENGTH: usize = 160 << 10;

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, a_region_comes_over_the_console, |bed| {
            rescue(bed, |_, _| {})
        })
        .needs(Need::Terminal),
        case!(Low, a_region_comes_over_a_noisy_console, |bed| {
            rescue(bed, |number, line| match number % 11 {
                3 => line.clear(),
                5 => drop(line.remove(line.len() / 2)),
                7 => line[0] ^= 1,
                9 => line.extend(line.clone()),
                _ => {}
            })
        })
        .needs(Need::Terminal),
    ]
}

/// Sends, and hurts the lines with these numbers on their way to the host.
fn rescue(bed: &mut Running, hurt: fn(usize, &mut Vec<u8>)) -> Result<()> {
    let program = Paths::discover()?.host_dumper();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("capture.raw");
    let Terminal { ours, theirs, name } = Terminal::new()?;

    let position = bed.guest.console().position();
    bed.guest
        .start(&format!("resdump send capture --length {LENGTH}"))?;
    let answer = receive(
        bed.guest.console(),
        position,
        (ours, theirs),
        Command::new(program)
            .args(["receive", "--json"])
            .args([&name, &file]),
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
    (mut to_host, theirs): (File, File),
    command: &mut Command,
    hurt: fn(usize, &mut Vec<u8>),
) -> Result<Value> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    deadline::uses(&Arc::new(Handle::of(&child)?));
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
    drop(theirs);
    back.join().ok().context("the way back to the guest")?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}
