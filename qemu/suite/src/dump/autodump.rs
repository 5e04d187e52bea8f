// SPDX-License-Identifier: MIT
//! The black box: a region that has survived a warm reset is on a disk before the shell prompts.

use std::fs;

use anyhow::{Result, bail, ensure};

use board::devicetree::Region;
use host::paths::Paths;
use labs::run::fill_with_random;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, case, same};

const SIZE: u64 = 4 << 20;

pub fn cases() -> Vec<Case> {
    vec![case!(
        alone,
        a_region_that_survived_a_reset_is_on_disk_before_the_prompt
    )]
}

/// Runs in a machine of its own, which is reset.
fn a_region_that_survived_a_reset_is_on_disk_before_the_prompt() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "autodump"))?;
    let content = folder.join("content.bin");
    fill_with_random(&content, SIZE)?;
    let expected = fs::read(&content)?;

    let target = Disk::empty(&folder.join("target.img"), SIZE)?;
    let given = Disk {
        path: content,
        offset: 0,
        options: String::new(),
    };
    let mut machine = Machine::new(&board, &image, &folder);
    machine.tools = true;
    machine.resets = true;
    // The region is not filled from outside: the reset would repeat that.
    machine.regions = Some(vec![Region::new("recorder", 0x1000_0000, SIZE).writable()]);
    machine.disks = vec![target.clone(), given];
    machine.append = "resdump.auto=recorder:/dev/vda resdump.auto=recorder:/tmp/box/ \
                      resdump.auto=nosuch:/dev/vda resdump.auto=recorder"
        .to_owned();
    let mut guest = machine.start()?;
    match play(&mut guest, &target, &expected) {
        // Not every board can switch itself off, and a reset starts this one again.
        Ok(()) => guest.kill(),
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}

fn play(guest: &mut Guest, target: &Disk, expected: &[u8]) -> Result<()> {
    guest.wait_for_shell()?;
    ensure!(
        target.read(0, SIZE)? != expected,
        "the disk has what is not written yet"
    );
    // What a detector records.
    guest.check("resdump load /dev/vdb recorder --quiet")?;
    guest.type_bytes(b"reboot\n")?;
    // The shell prompts once more before it is ended.
    guest.wait_for("Run /init as init process", 120)?;
    let said = guest.wait_for("resdump:/root# ", 120)?;
    // Read by the host when the prompt is there, and nothing has been typed.
    same(&target.read(0, SIZE)?, expected)?;

    for line in [
        "autodump: recorder to /dev/vda",
        "autodump: nosuch to /dev/vda",
        "resdump: no such region: nosuch: ENOENT (2): there is: recorder",
        "autodump: resdump.auto=recorder: write resdump.auto=REGION:TARGET",
        // The folder was not there; what is in memory is said to be.
        "resdump: target: /tmp/box/recorder-1.raw",
        ", in memory, not durable",
    ] {
        ensure!(said.contains(line), "no {line:?} in {said}");
    }
    let log = guest.check("logread | grep resdump")?;
    ensure!(
        log.contains("daemon.info resdump[") && log.contains("recorder to /dev/vda: 4194304 bytes"),
        "{log}"
    );
    ensure!(
        log.contains("daemon.err resdump[") && log.contains("no such region: nosuch"),
        "{log}"
    );
    numbered(guest)?;
    late(guest)?;
    guest.check_health(TAINT_OUT_OF_TREE)
}

/// A device is waited for, not longer than it was said.
fn late(guest: &mut Guest) -> Result<()> {
    let auto = |words: &str, more: &str| {
        format!(
            "echo {words} >/tmp/words; mount --bind /tmp/words /proc/cmdline; \
             {more} sh /etc/init.d/S50autodump >/tmp/said 2>&1; status=$?; \
             umount /proc/cmdline; cat /tmp/said; (exit $status)"
        )
    };
    let node = "(until grep -q waiting /tmp/said; do :; done; cp -a /dev/vda /dev/late) &";
    guest.check(
        "dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync; rm -f /tmp/said; : >/tmp/said",
    )?;
    let found = guest.check(&auto(
        "resdump.auto=recorder:/dev/late resdump.wait=60",
        node,
    ))?;
    ensure!(
        found.contains("waiting up to 60 s for /dev/late"),
        "{found}"
    );
    guest.check("cmp /dev/late /dev/resmem/recorder && rm /dev/late")?;
    let never = guest.run(&auto("resdump.auto=recorder:/dev/never resdump.wait=1", ""))?;
    ensure!(
        never.status == 6 && never.text.contains("there is no such device"),
        "{never:?}"
    );
    guest.check("test ! -e /dev/never && test ! -e /dev/never.json")?;
    Ok(())
}

/// A folder takes one dump after the other.
fn numbered(guest: &mut Guest) -> Result<()> {
    for number in 2..=3 {
        let output = guest.run("/etc/init.d/S50autodump")?;
        ensure!(
            output.status != 0 && output.text.contains(&format!("recorder-{number}.raw")),
            "{output:?}"
        );
    }
    guest.check("cmp /tmp/box/recorder-2.raw /dev/resmem/recorder && resdump verify /tmp/box/recorder-1.raw")?;
    Ok(())
}
