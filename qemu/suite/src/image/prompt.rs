// SPDX-License-Identifier: MIT
//! The console as a person finds it: what it proposes, and what hands type at it.

use anyhow::{Context, Result, ensure};
use board::Need;

use crate::frame::{Case, Running, case};

/// What is typed on any Linux machine.
const TYPED: [&str; 17] = [
    "df -h",
    "df -i /",
    "du -sh /etc",
    "ls -lh /bin",
    "ls -la /root",
    "ls -R /etc",
    "ls -L /bin",
    "head -3 /etc/passwd",
    "head -c 4 /etc/passwd",
    "tail -3 /etc/passwd",
    "tail -n +2 /etc/passwd",
    "dmesg | tail -20 | tee /tmp/said",
    "grep -A 1 -B 1 root /etc/passwd",
    "find /etc -maxdepth 1 -type f -size -100k",
    "which resdump && pidof syslogd && uptime",
    "free -h && ps aux && ps -ef",
    "seq 3 | xargs",
];

pub fn cases() -> Vec<Case> {
    vec![
        case!(Disk, what_is_typed_on_any_machine_works, typed),
        case!(Disk, the_message_of_the_day_spares_the_systems_disk, spared),
        case!(Low, the_message_of_the_day_names_a_region_and_a_disk, named)
            .needs(Need::SeveralDisks),
        case!(
            Lab,
            the_message_of_the_day_says_when_there_is_no_region,
            none
        ),
    ]
}

fn typed(bed: &mut Running) -> Result<()> {
    for command in TYPED {
        let output = bed.run(command)?;
        ensure!(output.status == 0, "{command}: {output:?}");
    }
    Ok(())
}

fn message(bed: &mut Running) -> Result<String> {
    bed.check("sh /etc/init.d/S90motd")
}

/// The medium that the system was started from is the first disk, the other one is empty.
fn spared(bed: &mut Running) -> Result<()> {
    let said = message(bed)?;
    let names = bed.check("echo $RAW; echo $DATA")?;
    let (raw, data) = names.trim().split_once('\n').context("two names")?;
    // Of the disk, without the partition's number: /dev/vda3, /dev/mmcblk0p3.
    let system = data.trim_end_matches('3').trim_end_matches('p');
    ensure!(!said.contains(system), "{said}");
    let unused = format!("Disks that nothing uses: {raw}");
    ensure!(said.contains(&unused), "{said}");
    let command = proposed(&said)?;
    ensure!(command.ends_with(" /data/capture.raw"), "{said}");
    bed.check(&format!("{command} && rm /data/capture.raw*"))?;
    bed.check("umount /data")?;
    let without = message(bed)?;
    bed.check("mount -t ext4 -o noatime $DATA /data")?;
    ensure!(!without.contains(system), "{without}");
    let wanted = format!(" {raw}");
    ensure!(proposed(&without)?.ends_with(&wanted), "{without}");
    Ok(())
}

fn named(bed: &mut Running) -> Result<()> {
    let said = message(bed)?;
    let command = proposed(&said)?;
    bed.check(&format!("{command} --force --length 1M --quiet"))?;
    let mounted = bed.mounted(message)?;
    ensure!(!mounted.contains("/dev/vdb"), "{mounted}");
    Ok(())
}

fn none(bed: &mut Running) -> Result<()> {
    bed.check("rmmod resmem")?;
    let said = message(bed);
    bed.check("modprobe resmem")?;
    let said = said?;
    ensure!(
        said.contains("resdump doctor") && !said.contains("resdump dump"),
        "{said}"
    );
    Ok(())
}

/// The dump that a message proposes.
fn proposed(said: &str) -> Result<String> {
    let line = said.lines().find(|line| line.contains("resdump dump"));
    let command = line.and_then(|line| line.split("  ").find(|part| part.contains("resdump")));
    ensure!(command.is_some(), "no dump is proposed: {said}");
    Ok(command.unwrap_or_default().trim().to_owned())
}
