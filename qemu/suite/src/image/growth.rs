// SPDX-License-Identifier: MIT
//! The data partition of a medium: grown once, and again on a larger one.

use std::fs::File;

use anyhow::{Context, Result, bail, ensure};

use host::paths::Paths;
use machine::disk::Disk;
use machine::guest::Guest;
use machine::{Boot, Machine};

use crate::frame::{self, Case, case};

/// Media of growing size, in bytes.
const MEDIA: [u64; 3] = [128 << 20, 192 << 20, 256 << 20];

pub fn cases() -> Vec<Case> {
    vec![case!(
        alone,
        a_copy_on_a_larger_medium_is_grown_again_and_no_other
    )]
}

/// Runs in machines of its own.
fn a_copy_on_a_larger_medium_is_grown_again_and_no_other() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "growth"))?;
    let file = folder.join("disk.img");
    let mut machine = Machine::new(&board, &image, &folder);
    machine.boot = Boot::Disk;
    machine.disks = vec![Disk::image(&file, &image.file("sdcard.img"), MEDIA[0])?];
    let mut before = 0;
    for medium in MEDIA {
        File::options().write(true).open(&file)?.set_len(medium)?;
        let size = started(&machine, |guest| {
            let sectors = number(guest, "cat /data/.grown")?;
            ensure!(
                sectors == medium / 512,
                "{sectors} sectors of {medium} bytes"
            );
            // As a power cut may leave it.
            guest.check(": >/data/.grown")?;
            number(guest, "df -k /data | awk 'END { print $2 }'")
        })?;
        ensure!(size > before + (24 << 10), "{size} KiB, {before} before");
        before = size;
    }
    // What is behind the size goes when it is written again.
    started(&machine, |guest| guest.check("echo kept >>/data/.grown"))?;
    started(&machine, |guest| guest.check("grep -q kept /data/.grown"))?;
    Ok(())
}

/// Starts the machine, does something, and switches it off.
fn started<T>(machine: &Machine<'_>, work: impl FnOnce(&mut Guest) -> Result<T>) -> Result<T> {
    let mut guest = machine.start()?;
    match guest.wait_for_shell().and_then(|_| work(&mut guest)) {
        Ok(found) => {
            let status = guest.power_off()?;
            ensure!(status.success(), "QEMU ended with {status}");
            Ok(found)
        }
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}

fn number(guest: &mut Guest, command: &str) -> Result<u64> {
    let said = guest.check(command)?;
    said.trim()
        .parse()
        .with_context(|| format!("{command} said {said:?}"))
}
