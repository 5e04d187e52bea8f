// SPDX-License-Identifier: MIT
//! How large the requests to a disk may be: the image raises the limit, a dump can for itself.

use anyhow::{Result, bail, ensure};

use board::devicetree::Region;
use host::paths::Paths;
use machine::Machine;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, case};

const SIZE: u64 = 96 << 20;
const BASE: u64 = 0x1000_0000;
/// Slow enough that there is a middle.
const RATE: u64 = 16 << 20;

/// What the kernel gives a disk, and what the image and `--tune` make of it, in KiB.
const KERNELS: u64 = 4096;
const RAISED: u64 = 65_536;

pub fn cases() -> Vec<Case> {
    vec![
        case!(alone, the_image_raises_the_limit_of_its_disks),
        case!(alone, a_dump_raises_the_limit_and_puts_it_back),
    ]
}

/// Runs in a machine of its own.
fn the_image_raises_the_limit_of_its_disks() -> Result<()> {
    run("requests", "", |guest| {
        ensure!(limit(guest)? == RAISED, "{}", limit(guest)?);
        let said = guest.run("resdump doctor capture --target /dev/vda --force")?;
        ensure!(
            said.text.contains("requests to vda") && said.text.contains("65536 KiB each, no"),
            "{said:?}"
        );
        // Of memory, not of a disk: there is none.
        let tuned = guest.run("resdump dump capture /tmp/dump --length 4096 --tune")?;
        ensure!(
            tuned.status == 6 && tuned.text.contains("ENOTBLK (15)"),
            "{tuned:?}"
        );
        Ok(())
    })
}

/// Runs in a machine of its own.
fn a_dump_raises_the_limit_and_puts_it_back() -> Result<()> {
    run("tuned", "resdump.requests=keep", |guest| {
        ensure!(limit(guest)? == KERNELS, "{}", limit(guest)?);
        let said = guest.run("resdump doctor capture --target /dev/vda --force")?;
        ensure!(
            said.text.contains("4096 KiB each, 16 times as many") && said.text.contains("--tune"),
            "{said:?}"
        );
        let dump = "resdump -v dump capture /dev/vda --tune";
        let whole = guest.check(&format!("{dump} --length 16M"))?;
        ensure!(
            whole.contains("max_sectors_kb 4096 -> 65536") && limit(guest)? == KERNELS,
            "{whole}"
        );
        for signals in [&b"\x03"[..], b"\x03\x03"] {
            guest.start(&format!("{dump} --chunk 1M"))?;
            guest.wait_for("max_sectors_kb 4096 -> 65536", 60)?;
            for signal in signals {
                guest.type_bytes(&[*signal])?;
            }
            let ended = guest.finish(60)?;
            ensure!(ended.status == 9 && limit(guest)? == KERNELS, "{ended:?}");
        }
        // Those that end it at once, the last of which a library takes for one that does not.
        for (signal, number) in [("USR1", 10), ("29", 29)] {
            let ended = guest.run(&format!(
                "sh -c '{dump} --chunk 1M >/tmp/said 2>&1 & \
                 until grep -q \"4096 -> 65536\" /tmp/said; do :; done; kill -{signal} $!; wait $!'"
            ))?;
            ensure!(
                ended.status == 128 + number && limit(guest)? == KERNELS,
                "{signal}: {ended:?}"
            );
        }
        // Where another program has chosen a limit meanwhile, that stays.
        guest.check(&format!(
            "({dump} --chunk 1M >/tmp/said 2>&1 & until grep -q '4096 -> 65536' /tmp/said; do :; done; \
             echo 2048 >/sys/block/vda/queue/max_sectors_kb; wait)"
        ))?;
        ensure!(limit(guest)? == 2048, "{}", limit(guest)?);
        Ok(())
    })
}

fn run(name: &str, append: &str, test: fn(&mut Guest) -> Result<()>) -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, name))?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.set_regions(vec![Region::new("capture", BASE, SIZE)]);
    machine.disks = vec![Disk::empty(&folder.join("raw.img"), SIZE)?.throttled(RATE)];
    machine.append = append.to_owned();
    let mut guest = machine.start()?;
    match guest.wait_for_shell().and_then(|_| test(&mut guest)) {
        Ok(()) => {
            let status = guest.power_off()?;
            ensure!(status.success(), "QEMU ended with {status}");
            Ok(())
        }
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}

fn limit(guest: &mut Guest) -> Result<u64> {
    let text = guest.check("cat /sys/block/vda/queue/max_sectors_kb")?;
    Ok(text.trim().parse()?)
}
