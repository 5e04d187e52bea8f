// SPDX-License-Identifier: MIT
//! Regions that a device writes change hands between the device and the processors.

use anyhow::{Result, ensure};
use board::Need;

use crate::frame::{Case, Running, case};

const NODE: &str = "/dev/resmem/ring";

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, info_says_that_a_device_writes, |bed| {
            let said = bed.probe(&format!("info {NODE}"))?;
            let flags = match bed.board.dma_coherent() {
                false => 0xf,
                true => 0x7,
            };
            ensure!(said.contains(&format!(" flags={flags:#x} ")), "{said}");
            Ok(())
        }).needs(Need::DeviceNode),
        case!(Low, a_range_changes_hands, |bed| {
            for direction in [0, 1] {
                bed.says(
                    &format!(
                        "sync {NODE} --region-offset 1 --length 4097 --direction {direction} --node-write"
                    ),
                    "ok",
                )?;
            }
            Ok(())
        }).needs(Need::DeviceNode),
        case!(Low, a_sync_beyond_the_end, |bed| {
            bed.says(&format!("sync {NODE} --length 0x100001"), "ERANGE")
        }).needs(Need::DeviceNode),
        case!(Low, a_sync_that_wraps, |bed| {
            bed.says(
                &format!("sync {NODE} --region-offset 0xffffffffffffffff --length 2"),
                "EOVERFLOW",
            )
        }).needs(Need::DeviceNode),
        case!(Low, an_empty_sync, |bed| {
            bed.says(&format!("sync {NODE} --length 0"), "EINVAL")
        }).needs(Need::DeviceNode),
        case!(Low, a_sync_in_no_known_direction, |bed| {
            bed.says(&format!("sync {NODE} --length 1 --direction 2"), "EINVAL")
        }).needs(Need::DeviceNode),
        case!(Low, a_sync_with_an_unknown_flag, |bed| {
            bed.says(&format!("sync {NODE} --length 1 --flags 1"), "EINVAL")
        }).needs(Need::DeviceNode),
        case!(Low, a_sync_of_a_region_that_no_device_writes, |bed| {
            bed.says("sync /dev/resmem/capture --length 4096", "EOPNOTSUPP")
        }),
        case!(Low, a_ring_does_not_wait_for_a_sync, |bed| {
            let noncoherent = !bed.board.dma_coherent();
            bed.says(
                &format!("register {NODE} worker"),
                &format!("ok worker={noncoherent}"),
            )
        }).needs(Need::DeviceNode),
        case!(Low, a_dump_of_it_is_complete).needs(Need::DeviceNode),
    ]
}

fn a_dump_of_it_is_complete(bed: &mut Running) -> Result<()> {
    for flags in [0, 2] {
        bed.check("dd if=/dev/zero of=$RAW bs=1M count=1 conv=fsync")?;
        bed.says(
            &format!("transfer dump {NODE} $RAW --length 0x100000 --flags {flags}"),
            "ok moved=1048576 direct=1048576 copied=0 error=UnknownErrno",
        )?;
        bed.raw_holds_all(0, "ring")?;
    }
    Ok(())
}
