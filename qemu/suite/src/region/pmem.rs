// SPDX-License-Identifier: MIT
//! A region in memory that is a device's own: while its driver has page structures made for it, the memory is the
//! driver's. The device is a persistent memory (`pmem-region`), which only 64-bit machines have.

use anyhow::{Result, bail, ensure};

use board::Need;
use board::devicetree::Nodes;
use host::paths::Paths;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::guest::Guest;

use crate::frame::{self, Case, case};

/// Behind the memory that the kernel uses, in the memory that the machine has.
const BASE: u64 = 0x1800_0000;
const SIZE: u64 = 16 << 20;
const NODE: &str = "/dev/resmem/dimm";
const DEVICE: &str = "resmem-bus:resmem";
const DRIVER: &str = "/sys/bus/platform/drivers/resmem";
/// The memory's own driver, and what it is bound to.
const OWNER: &str = "/sys/bus/nd/drivers/nd_pmem";
const NAMESPACE: &str = "namespace0.0";

pub fn cases() -> Vec<Case> {
    vec![
        case!(alone, memory_of_a_device_is_left_to_its_driver)
            .needs(Need::PersistentMemory)
            .flavour("kasan"),
    ]
}

/// Runs in a machine of its own.
fn memory_of_a_device_is_left_to_its_driver() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "kasan")?;
    let folder = paths.fresh_out(&frame::below(&board, "pmem"))?;
    let base = board.memory_base() + BASE;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.nodes = Some(Nodes {
        memory: format!("dimm: dimm@{base:x} {{ reg = <0 {base:#x} 0 {SIZE:#x}>; }};\n"),
        drivers: format!(
            "pmem@{base:x} {{ compatible = \"pmem-region\"; reg = <{base:#x} {SIZE:#x}>; volatile; }};\n\
             resmem {{ compatible = \"resdump,resmem\"; memory-region = <&dimm>; }};\n"
        ),
        ..Nodes::default()
    });
    machine.append = "mem=256M".to_owned();
    machine.tools = true;
    let mut guest = machine.start()?;
    match play(&mut guest) {
        Ok(()) => ensure!(guest.power_off()?.success(), "QEMU failed"),
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
    Ok(())
}

fn play(guest: &mut Guest) -> Result<()> {
    guest.wait_for_shell()?;
    let dump = format!("probe transfer dump {NODE} /dev/pmem0 --length 0x10000");
    let refused = "it is a device's own: EBUSY";
    guest.check(&format!(
        "test -b /dev/pmem0 && test ! -e {NODE} && dmesg | grep \"memory-region 0: .*{refused}\""
    ))?;

    // Without its driver it has no pages: it can be copied.
    guest.check(&format!("echo {NAMESPACE} > {OWNER}/unbind"))?;
    guest.check(&format!("echo {DEVICE} > {DRIVER}/bind && test -c {NODE}"))?;
    guest.check(&format!("exec 3<{NODE} && dd bs=4k count=1 <&3 >/dev/null"))?;

    // Its driver comes back, and with it the pages.
    guest.check(&format!(
        "echo {NAMESPACE} > {OWNER}/bind && test -b /dev/pmem0"
    ))?;
    let read = guest.run("dd bs=4k count=1 <&3 2>&1 >/dev/null")?;
    ensure!(read.status != 0 && read.text.contains("busy"), "{read:?}");
    let said = guest.check(&dump)?;
    ensure!(said.trim() == "EBUSY", "{said}");
    guest.check("exec 3<&-")?;
    guest.check_health(TAINT_OUT_OF_TREE)
}
