// SPDX-License-Identifier: MIT
//! The module is to be removed while it is in use.
//!
//! | attempt | outcome |
//! |---|---|
//! | `rmmod` during a dump | refused (`EAGAIN`), the dump is complete |
//! | unbinding the driver during a dump | the node goes away, the dump is complete |
//! | `rmmod` as soon as the last user is gone | it is removed, a snapshot that runs being stopped |

use anyhow::{Result, ensure};
use board::Need;

use super::dump::{Dump, SIZE, Target};
use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    let disk = [Target::Disk];
    [
        each!(&disk, unloading_is_refused_during_a_dump_to, unloading),
        each!(&disk, unbinding_leaves_a_dump_alone_to, unbinding)
            .into_iter()
            .map(|case| case.needs(Need::DeviceNode))
            .collect(),
        vec![case!(
            Faults,
            the_module_can_be_removed_as_soon_as_it_is_unused,
            removed_when_unused
        )],
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn unloading(bed: &mut Running, dump: Dump) -> Result<()> {
    dump.afresh(bed, |bed| {
        dump.begin(bed, "")?;
        let output = bed.run("rmmod resmem")?;
        ensure!(
            output.status != 0 && output.text.contains("temporarily unavailable"),
            "{output:?}"
        );
        complete(bed, dump)
    })
}

fn unbinding(bed: &mut Running, dump: Dump) -> Result<()> {
    let driver = "/sys/bus/platform/drivers/resmem";
    let device = bed.check(&format!("cd {driver}; ls -d resmem-bus*; cd"))?;
    let device = device.trim();
    dump.afresh(bed, |bed| {
        dump.begin(bed, "")?;
        bed.check(&format!(
            "echo {device} > {driver}/unbind && ! test -e /dev/resmem/capture"
        ))?;
        let ended = complete(bed, dump);
        bed.check(&format!(
            "echo {device} > {driver}/bind && test -c /dev/resmem/capture"
        ))?;
        ended
    })
}

fn complete(bed: &mut Running, dump: Dump) -> Result<()> {
    let output = dump.end(bed)?;
    ensure!(output.status == 0, "{output:?}");
    dump.holds(bed, SIZE)
}

fn removed_when_unused(bed: &mut Running) -> Result<()> {
    for last in [
        "probe snapshot /dev/resmem/capture --length 0x800000 --wait exit",
        "probe snapshot /dev/resmem/capture --length 0x800000 --wait close",
        "probe transfer dump /dev/resmem/capture /dev/vda --length 0x100000",
        "probe map /dev/resmem/capture --length 0x100000",
    ] {
        for _ in 0..5 {
            bed.check(&format!("{last} && rmmod resmem && modprobe resmem"))?;
        }
    }
    bed.check("test -c /dev/resmem/capture")?;
    Ok(())
}
