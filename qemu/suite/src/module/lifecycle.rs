// SPDX-License-Identifier: MIT
//! Loading and unloading the module, binding and unbinding its driver.

use anyhow::{Result, ensure};
use board::Need;

use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Lab, unloading_is_refused_while_a_node_is_open),
        case!(Lab, unloading_removes_the_nodes),
        case!(Lab, a_region_survives_unloading),
        case!(Lab, unbinding_leaves_open_files_usable).needs(Need::DeviceNode),
    ]
}

fn unloading_is_refused_while_a_node_is_open(bed: &mut Running) -> Result<()> {
    bed.check("exec 3</dev/resmem/capture")?;
    let output = bed.run("rmmod resmem")?;
    bed.check("exec 3<&-")?;
    ensure!(output.status != 0, "{output:?}");
    bed.check("test -c /dev/resmem/capture")?;
    Ok(())
}

fn unloading_removes_the_nodes(bed: &mut Running) -> Result<()> {
    for _ in 0..5 {
        bed.check("rmmod resmem && ! test -e /dev/resmem/capture")?;
        bed.check("modprobe resmem && test -c /dev/resmem/capture")?;
    }
    Ok(())
}

fn a_region_survives_unloading(bed: &mut Running) -> Result<()> {
    bed.check("rmmod resmem; modprobe resmem")?;
    bed.dump("capture $RAW --engine kernel")?;
    bed.raw_holds_all(0, "capture")
}

fn unbinding_leaves_open_files_usable(bed: &mut Running) -> Result<()> {
    let driver = "/sys/bus/platform/drivers/resmem";
    let device = bed.check(&format!("cd {driver}; ls -d *resmem; cd"))?;
    let device = device.trim();
    let digest = bed.sha256("/dev/resmem/capture")?;
    bed.check("exec 3</dev/resmem/capture")?;
    bed.check(&format!(
        "echo {device} > {driver}/unbind && ! test -e /dev/resmem/capture"
    ))?;
    let after = bed.sha256("- <&3")?;
    bed.check(&format!(
        "exec 3<&-; echo {device} > {driver}/bind && test -c /dev/resmem/capture"
    ))?;
    ensure!(after == digest, "{after} instead of {digest}");
    Ok(())
}
