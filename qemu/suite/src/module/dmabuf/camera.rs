// SPDX-License-Identifier: MIT
//! A camera's driver, which knows nothing of the module, fills a region that is a ring, and a recorder follows it.

use anyhow::{Result, ensure};

use machine::guest::Guest;

use crate::recording::recorder::{totals, with_nodes};

/// Twelve frames, of which the driver has four.
const MEMORY: &str = "camera: camera@10000000 { reg = <0x0 0x10000000 0x0 0x384000>; };";
const DRIVERS: &str =
    "camera { compatible = \"resdump,resmem\"; memory-region = <&camera>; writable;
    resdump,position-kind = \"program\"; resdump,lead-bytes = <1228800>; };";

/// What the driver is made of, in the order in which they need each other.
const MODULES: &str = "videobuf2-common videobuf2-memops videobuf2-v4l2 videobuf2-vmalloc videobuf2-dma-contig \
                       v4l2-tpg font";

/// Runs in a machine of its own.
pub fn a_camera_fills_a_ring_that_is_recorded() -> Result<()> {
    with_nodes(
        "camera",
        (MEMORY, DRIVERS),
        |_| {},
        |guest, _| {
            guest.check(&format!(
                "for name in {MODULES}; do insmod /lib/$name.ko || exit 1; done"
            ))?;
            // The driver writes by a mapping of the kernel.
            load(guest, 0)?;
            recorded(guest)?;
            guest.check("rmmod vivid")?;
            // It maps the ring for its device as well.
            load(guest, 1)?;
            fill(guest, 12)?;
            same(guest, "/dev/resmem/camera", 12)
        },
    )
}

fn load(guest: &mut Guest, allocator: u32) -> Result<()> {
    let command = format!(
        "insmod /lib/vivid.ko node_types=0x1 num_inputs=1 input_types=0 allocators={allocator} && test -c /dev/video0"
    );
    guest.check_within(&command, 120).map(drop)
}

fn fill(guest: &mut Guest, frames: u64) -> Result<()> {
    let said = guest.check_within(
        &format!("probe camera fill /dev/video0 /dev/resmem/camera {frames} /tmp/digests"),
        120 + 2 * frames,
    )?;
    ensure!(said.trim() == format!("ok frames {frames}"), "{said}");
    Ok(())
}

fn same(guest: &mut Guest, file: &str, frames: u64) -> Result<()> {
    let said = guest.check_within(&format!("probe camera compare {file} /tmp/digests"), 120)?;
    let expected = format!("ok same {frames} other 0 distinct {frames}");
    ensure!(said.trim() == expected, "{said}");
    Ok(())
}

/// Over several laps, and nothing is lost.
fn recorded(guest: &mut Guest) -> Result<()> {
    const FRAMES: u64 = 40;
    guest.check("probe ring doorbell /dev/resmem/camera 0")?;
    guest.check_within(
        "(sh -c 'echo $$ > /tmp/recorder; exec resdump record camera /mnt/rec --segment 8M --chunk 512K --json' \
         > /tmp/said 2>&1; echo status $? > /tmp/status) & until test -s /mnt/rec/000000.index; do sleep 1; done",
        120,
    )?;
    fill(guest, FRAMES)?;
    let text = guest.check_within(
        "kill -INT $(cat /tmp/recorder); until test -s /tmp/status; do sleep 1; done; cat /tmp/said /tmp/status",
        120,
    )?;
    ensure!(
        totals(&text).contains("\"suspect\":0,\"gap\":0") && text.contains("status 0"),
        "{text}"
    );
    guest.check_within(
        "resdump verify /mnt/rec && resdump convert /mnt/rec /mnt/raw --to raw",
        120,
    )?;
    same(guest, "/mnt/raw", FRAMES)
}
