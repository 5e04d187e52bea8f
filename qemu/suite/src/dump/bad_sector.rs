// SPDX-License-Identifier: MIT
//! A disk with a bad sector: what is before it is there, exact, and described.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use board::devicetree::Region;
use host::paths::Paths;
use labs::run::fill_with_random;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, case, same};

const SIZE: u64 = 64 << 20;
const BASE: u64 = 0x1000_0000;
/// Where the bad sector is, in bytes: in the middle of a request.
const BAD: u64 = (33 << 20) + 512;
/// What is before that request.
const GOOD: u64 = 32 << 20;

pub fn cases() -> Vec<Case> {
    vec![case!(
        alone,
        a_bad_sector_leaves_an_exact_prefix_that_is_described
    )]
}

/// Runs in a machine of its own.
fn a_bad_sector_leaves_an_exact_prefix_that_is_described() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "bad-sector"))?;
    let content = folder.join("content.bin");
    fill_with_random(&content, SIZE)?;
    let disk = Disk::empty(&folder.join("raw.img"), SIZE)?;
    // QEMU answers whatever is done with that sector with EIO.
    let rules = folder.join("blkdebug.conf");
    fs::write(&rules, ["write_aio", "read_aio"].map(rule).concat())?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.regions = Some(vec![Region::new("capture", BASE, SIZE).writable()]);
    machine.fill("capture", &content)?;
    machine.joins_requests = false;
    machine.disks = vec![Disk {
        path: PathBuf::from(format!(
            "blkdebug:{}:{}",
            rules.display(),
            disk.path.display()
        )),
        offset: 0,
        options: String::new(),
    }];
    let mut guest = machine.start()?;
    let done = guest
        .wait_for_shell()
        // What the kernel says about the sector would be within what the dumper says.
        .and_then(|_| guest.check("dmesg -n 3"))
        .and_then(|_| dump(&mut guest));
    if let Err(error) = done {
        bail!("{error:#}\n{}", guest.report());
    }
    let status = guest.power_off()?;
    ensure!(status.success(), "QEMU ended with {status}");
    let expected = fs::read(&content)?;
    same(&disk.read(0, GOOD)?, &expected[..GOOD as usize])
}

fn rule(event: &str) -> String {
    format!(
        "[inject-error]\nevent = \"{event}\"\nerrno = \"5\"\nsector = \"{}\"\n",
        BAD / 512
    )
}

fn dump(guest: &mut Guest) -> Result<()> {
    for engine in ["kernel", "mmap", "read"] {
        let output = guest.run(&format!(
            "resdump dump capture /dev/vda --engine {engine} --chunk 4M --manifest /tmp/dump.json --quiet"
        ))?;
        let line = format!(
            "dump incomplete: /dev/vda: EIO (5): see the kernel log, the medium may be bad; {GOOD} of {SIZE} bytes are \
             on the target, "
        );
        ensure!(
            output.status == 8 && output.text.contains(&line),
            "{engine}: {output:?}"
        );
        let manifest: Value = serde_json::from_str(&guest.check("cat /tmp/dump.json")?)?;
        ensure!(
            manifest["complete"] == false
                && manifest["bytes"] == GOOD
                && manifest["error"]
                    .as_str()
                    .is_some_and(|error| error.contains("EIO (5)")),
            "{engine}: {manifest}"
        );
    }
    let output = guest.run("resdump load /dev/vda capture --quiet")?;
    let line = format!(
        "load incomplete: /dev/vda: EIO (5): see the kernel log, the medium may be bad; {GOOD} of {SIZE} bytes are in the region"
    );
    ensure!(
        output.status == 8 && output.text.contains(&line),
        "{output:?}"
    );
    guest.check_health(TAINT_OUT_OF_TREE)
}
