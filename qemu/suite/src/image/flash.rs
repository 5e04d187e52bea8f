// SPDX-License-Identifier: MIT
//! `make flash` onto a loop device; where none can be made, onto a plain file by the same code.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use board::Need;
use flash::{Consent, flash};
use host::command::output_of;
use labs::run::fill_with_random;

use crate::frame::{Case, case};

/// Bytes of the image, not a multiple of anything larger than a sector.
const IMAGE: u64 = (9 << 20) + 512;
const MEDIUM: u64 = 32 << 20;

/// A disk that goes away when it is dropped.
struct Loop(PathBuf);

impl Loop {
    /// `None` where the machine does not let us make one.
    fn over(file: &Path, options: &[&str]) -> Option<Self> {
        let mut losetup = tool("losetup");
        losetup.args(["--find", "--show"]).args(options).arg(file);
        let path = output_of(&mut losetup).ok()?;
        Some(Self(path.into()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // It stays behind, over a file that is gone, if this fails.
        let _ = output_of(tool("losetup").arg("--detach").arg(&self.0));
    }
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    command
}

pub fn cases() -> Vec<Case> {
    vec![
        case!(host, an_image_arrives_on_a_disk_that_is_not_in_use).needs(Need::Host),
        case!(host, a_disk_that_cannot_hold_the_image_stays_as_it_is).needs(Need::Host),
    ]
}

fn a_disk_that_cannot_hold_the_image_stays_as_it_is() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (image, file) = (scratch.path().join("image"), scratch.path().join("medium"));
    fill_with_random(&image, IMAGE)?;
    File::create(&file)?.set_len(MEDIUM)?;
    let forced = Consent {
        force: true,
        yes: true,
    };
    for (options, why) in [
        (&["--sector-size", "4096"][..], "sectors have 4096 bytes"),
        (&["--read-only"], "write-protected"),
    ] {
        // Where no loop device can be made, the crate's own tests have the rule.
        if let Some(disk) = Loop::over(&file, options) {
            refused(flash(&image, &disk.0, forced, &mut "".as_bytes()), why)?;
        }
    }
    ensure!(
        fs::read(&file)?.iter().all(|byte| *byte == 0),
        "something was written"
    );
    Ok(())
}

fn an_image_arrives_on_a_disk_that_is_not_in_use() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (image, file) = (scratch.path().join("image"), scratch.path().join("medium"));
    fill_with_random(&image, IMAGE)?;
    File::create(&file)?.set_len(MEDIUM)?;
    let disk = Loop::over(&file, &[]);
    let device = disk.as_ref().map_or(file.as_path(), |disk| &disk.0);
    let write = |consent| flash(&image, device, consent, &mut "no\n".as_bytes());
    let forced = Consent {
        force: true,
        yes: true,
    };

    if let Some(disk) = &disk {
        refused(write(Consent::default()), "not a removable medium")?;
        let folder = scratch.path().join("mounted");
        fs::create_dir(&folder)?;
        output_of(tool("mke2fs").arg("-q").arg(&disk.0))?;
        // What may make a loop device may not be allowed to mount.
        if output_of(tool("mount").arg(&disk.0).arg(&folder)).is_ok() {
            let result = write(forced);
            output_of(tool("umount").arg(&folder))?;
            refused(result, "in use: mounted on")?;
        }
    }
    refused(
        write(Consent {
            force: true,
            yes: false,
        }),
        "nothing was written",
    )?;
    write(forced)?;
    drop(disk);
    let found = fs::read(&file)?;
    let wanted = fs::read(&image)?;
    let found = found.get(..wanted.len()).context("a short medium")?;
    ensure!(found == wanted, "the medium differs from the image");
    Ok(())
}

fn refused(result: Result<()>, why: &str) -> Result<()> {
    match result {
        Ok(()) => bail!("it was written, in spite of: {why}"),
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(said.contains(why), "{said:?} instead of {why:?}");
            Ok(())
        }
    }
}
