// SPDX-License-Identifier: MIT
//! The shell on the console can be switched off.

use anyhow::{Result, bail, ensure};

use board::Need;
use host::paths::Paths;
use labs::run::fill_with_random;
use machine::Machine;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, case, same};

pub fn cases() -> Vec<Case> {
    vec![case!(alone, a_console_that_is_switched_off_takes_no_input).needs(Need::DeviceNode)]
}

/// Runs in a machine of its own.
fn a_console_that_is_switched_off_takes_no_input() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "console"))?;
    let mut machine = Machine::new(&board, &image, &folder);
    let content = folder.join("capture.bin");
    let (_, size) = machine.own_region("capture")?;
    fill_with_random(&content, size)?;
    machine.fill("capture", &content)?;
    let target = Disk::empty(&folder.join("target.img"), size)?;
    machine.disks = vec![target.clone()];
    machine.monitor = true;
    machine.append = "resdump.console=off resdump.auto=capture:/dev/vda".to_owned();
    let mut guest = machine.start()?;
    let result = not_heard(&mut guest).and_then(|()| {
        // The dump at boot is made all the same.
        same(&target.read(0, size)?, &std::fs::read(&content)?)
    });
    match result {
        Ok(()) => guest.kill(),
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}

fn not_heard(guest: &mut Guest) -> Result<()> {
    guest.wait_for("console: switched off by resdump.console=off", 120)?;
    for typed in [
        &b"\x03\x1a\x1c\n"[..],
        b"echo $((6 * 7))=answer\n",
        b"poweroff -f\n",
    ] {
        guest.type_bytes(typed)?;
    }
    // A shell answers within a moment.
    ensure!(
        guest.wait_for("42=answer", 5).is_err(),
        "there was an answer on the console"
    );
    let status = guest
        .monitor()?
        .execute("query-status", serde_json::json!({}))?;
    ensure!(status["status"] == "running", "{status}");
    Ok(())
}
