// SPDX-License-Identifier: MIT
//! The disk image: started by itself from a medium that is larger than it.

use anyhow::{Context, Result, ensure};
use board::Need;

use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Disk, a_dump_on_the_data_partition_is_identical, to_data),
        case!(Disk, a_dump_on_another_disk_is_identical, |bed| {
            bed.dump("capture $RAW --engine kernel")?;
            bed.raw_holds_all(0, "capture")
        }),
        case!(Disk, the_root_cannot_be_written_to, |bed| {
            let output = bed.run("touch /etc/hostname; mount -o remount,rw /; touch /new")?;
            ensure!(output.text.matches("Read-only").count() >= 2, "{output:?}");
            Ok(())
        }),
        case!(
            Disk,
            the_data_partition_reaches_the_mediums_end,
            reaches_end
        ),
        case!(Disk, growing_again_changes_nothing, growing_again),
        case!(Disk, man_pages_and_a_completion_are_installed, shared),
        case!(
            Disk,
            kernel_and_root_are_as_small_as_the_board_wants_them,
            small
        )
        .needs(Need::ProductKernel)
        .needs(Need::HostDisk),
    ]
}

fn to_data(bed: &mut Running) -> Result<()> {
    let answer = bed.dump("capture /data/capture.bin --engine kernel")?;
    ensure!(answer["copied"] == 0, "{answer}");
    bed.data_holds_all("capture.bin", "capture")?;
    bed.check("rm /data/capture.bin")?;
    Ok(())
}

/// MiB of the partition and of its file system.
fn sizes(bed: &mut Running) -> Result<(u64, u64)> {
    let text = bed.check("cat /sys/class/block/${DATA#/dev/}/size; df -k /data | sed -n 2p")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [sectors, _, kib, ..] = words[..] else {
        anyhow::bail!("{text}");
    };
    Ok((sectors.parse::<u64>()? >> 11, kib.parse::<u64>()? >> 10))
}

fn reaches_end(bed: &mut Running) -> Result<()> {
    let text = bed.check("cd /sys/class/block/${DATA#/dev/}; cat start ../size; cd")?;
    let sectors: Vec<u64> = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [start, medium] = sectors[..] else {
        anyhow::bail!("{text}");
    };
    let (partition, file_system) = sizes(bed)?;
    ensure!(
        partition == (medium - start) >> 11 && partition > 64,
        "{partition} MiB from sector {start} of {medium}"
    );
    // Less the journal and the tables.
    ensure!(
        file_system > partition * 9 / 10,
        "{file_system} of {partition} MiB"
    );
    Ok(())
}

fn shared(bed: &mut Running) -> Result<()> {
    for command in ["", "-dump", "-snapshot", "-bench"] {
        bed.check(&format!("test -s /usr/share/man/man1/resdump{command}.1"))?;
    }
    let pages = bed.check("ls /usr/share/man/man1 | wc -l")?;
    let help = bed.check("resdump -h")?;
    let commands = help
        .lines()
        .skip_while(|line| line.trim() != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .count();
    // One for the program, one for each command.
    ensure!(
        commands > 10 && pages.trim() == (commands + 1).to_string(),
        "{pages} man pages, {commands} commands"
    );
    bed.check("grep -q snapshot /usr/share/bash-completion/completions/resdump")?;
    Ok(())
}

fn growing_again(bed: &mut Running) -> Result<()> {
    bed.check("test $(cat /data/.grown) = $(cat /sys/class/block/${DATA##*/}/../size)")?;
    let before = sizes(bed)?;
    let said = bed.check("growdata partition $DATA && growdata filesystem $DATA /data")?;
    ensure!(said.is_empty(), "{said}");
    ensure!(sizes(bed)? == before, "{before:?}");
    Ok(())
}

fn small(bed: &mut Running) -> Result<()> {
    let disk = bed.disks()?.system.as_ref().context("no system disk")?;
    let kernel = disk.partition(1)?.read_ext4(&bed.board.conf.linux_image)?;
    // A squashfs knows how long it is.
    let length = disk.partition(2)?.read(40, 8)?;
    let root = u64::from_le_bytes(length.as_slice().try_into()?);
    let (both, most) = (
        kernel.len() as u64 + root,
        bed.board
            .conf
            .image_bytes_max
            .context("board.conf: IMAGE_BYTES_MAX is missing")?,
    );
    ensure!(both <= most, "{both} bytes, {most} are allowed");
    Ok(())
}
