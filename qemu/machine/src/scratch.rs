// SPDX-License-Identifier: MIT
//! The disk of a board that may be destroyed: taken if its serial number is the one that the lab file has.

use anyhow::{Context, Result, ensure};

use board::Lab;
use board::lab::Scratch;

use crate::guest::Guest;

/// Makes the scratch disk the raw one, where there is one, if it is the disk that the lab file means.
pub fn take_scratch_disk(guest: &mut Guest, lab: &Lab) -> Result<()> {
    let Some(scratch) = &lab.commands.scratch else {
        return Ok(());
    };
    let device = &scratch.device;
    let disks = guest.check(
        "cd /sys/block && for disk in *; do \
         echo $disk $(cat $disk/serial $disk/device/serial $disk/device/cid 2>/dev/null); done; cd",
    )?;
    let used = guest.check(&format!("grep '^{device}' /proc/mounts || true"))?;
    ensure!(used.is_empty(), "{device} is in use: {used}");
    judge(scratch, &disks).with_context(|| {
        let file = lab.file.display();
        format!("{file}: SCRATCH_DISK={device} {}", scratch.serial)
    })?;
    guest.check(&format!("export RAW={device}"))?;
    Ok(())
}

/// Whether what a board reports of its disks, each line a name and its numbers, is what the lab file says of one.
fn judge(Scratch { device, serial }: &Scratch, disks: &str) -> Result<()> {
    let name = device.trim_start_matches("/dev/");
    let mut reported = None;
    for line in disks.lines() {
        let mut words = line.split_whitespace();
        let disk = words.next().unwrap_or_default();
        let numbers: Vec<&str> = words.collect();
        if disk == name {
            reported = Some(numbers);
        } else if !disk.starts_with(&format!("{name}boot")) {
            // The boot partitions of an eMMC are disks with its number.
            ensure!(
                !numbers.contains(&&**serial),
                "refused: /dev/{disk} reports {serial} too, and which of them is meant is not known"
            );
        }
    }
    let reported = reported.with_context(|| format!("the board has no {device}"))?;
    ensure!(
        reported.contains(&&**serial),
        "refused: the board reports {} for {device}, and another disk is not written to",
        match &reported[..] {
            [] => "no serial number".to_owned(),
            words => words.join(", "),
        }
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_another_serial_number_or_one_that_two_have_is_refused() {
        let judged = |device: &str, disks: &str| {
            let scratch = Scratch {
                device: device.to_owned(),
                serial: "WD-1".to_owned(),
            };
            judge(&scratch, disks).map_err(|error| error.to_string())
        };
        judged("/dev/sda", "loop0\nsda WD-1\nsdb WD-10 x\n").unwrap();
        judged("/dev/mmcblk0", "mmcblk0 0x1 WD-1\nmmcblk0boot0 WD-1\n").unwrap();
        for (disks, said) in [
            ("sda WD-10\n", "the board reports WD-10 for /dev/sda"),
            ("sda\n", "the board reports no serial number for /dev/sda"),
            ("sdb WD-1\n", "/dev/sdb reports WD-1 too"),
            ("sda WD-1\nsdb WD-1\n", "/dev/sdb reports WD-1 too"),
            ("sda1 x\n", "the board has no /dev/sda"),
        ] {
            let error = judged("/dev/sda", disks).unwrap_err();
            assert!(error.contains(said), "{disks:?}: {error}");
        }
    }
}
