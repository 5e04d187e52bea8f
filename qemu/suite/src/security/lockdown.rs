// SPDX-License-Identifier: MIT
//! Integrity lockdown: root cannot change the kernel, and physical memory is closed. On the debug kernel, which
//! can be locked down.

use anyhow::{Result, bail, ensure};

use board::Need;
use host::paths::Paths;
use machine::Machine;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, case};

/// The kernel that has it.
const FLAVOUR: &str = "debug";
const NODE: &str = "/dev/resmem/capture";

pub fn cases() -> Vec<Case> {
    let case = |case: Case| case.needs(Need::Lockdown).flavour(FLAVOUR);
    vec![
        case(case!(
            alone,
            a_kernel_that_is_locked_down_loads_no_module_without_a_signature
        )),
        case(case!(
            alone,
            no_region_is_opened_once_the_kernel_is_locked_down
        )),
    ]
}

/// From the start, by the kernel's command line.
fn a_kernel_that_is_locked_down_loads_no_module_without_a_signature() -> Result<()> {
    with_machine("lockdown", "lockdown=integrity", |guest| {
        let log = guest.check("dmesg")?;
        ensure!(
            log.contains("Lockdown: modprobe: unsigned module loading is restricted"),
            "{log}"
        );
        let output = guest.run("resdump list")?;
        ensure!(output.status == 3, "{output:?}");
        says(guest, "/dev/mem", "EPERM")
    })
}

/// Later, when the module has been loaded. There is no way back.
fn no_region_is_opened_once_the_kernel_is_locked_down() -> Result<()> {
    with_machine("lockdown-later", "", |guest| {
        says(guest, NODE, "ok")?;
        says(guest, "/dev/mem", "ok")?;
        let digest = guest.check(&format!("exec 3<{NODE} 4<{NODE}; sha256sum - <&3"))?;
        let state = "/sys/kernel/security/lockdown";
        guest.check(&format!(
            "mount -t securityfs securityfs /sys/kernel/security && echo integrity > {state}"
        ))?;
        says(guest, NODE, "EPERM")?;
        says(guest, "/dev/mem", "EPERM")?;
        let output = guest.run("resdump dump capture /dev/vda")?;
        ensure!(
            output.status == 4 && output.text.contains("EPERM"),
            "{output:?}"
        );
        // A descriptor that is open stays as it is, as one of /dev/mem does.
        ensure!(guest.check("sha256sum - <&4")? == digest, "{digest}");
        let back = guest.run(&format!("echo none > {state}"))?;
        ensure!(back.status != 0, "{back:?}");
        Ok(())
    })
}

fn says(guest: &mut Guest, node: &str, expected: &str) -> Result<()> {
    let said = guest.check(&format!("probe open {node}"))?;
    ensure!(
        said.trim() == expected,
        "{node}: {said}, expected {expected}"
    );
    Ok(())
}

fn with_machine(
    name: &str,
    append: &str,
    work: impl FnOnce(&mut Guest) -> Result<()>,
) -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, FLAVOUR)?;
    let folder = paths.fresh_out(&frame::below(&board, name))?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.tools = true;
    machine.append = append.to_owned();
    machine.disks = vec![Disk::empty(&folder.join("raw.img"), 1 << 20)?];
    let mut guest = machine.start()?;
    let result = guest.wait_for_shell().and_then(|_| work(&mut guest));
    match result {
        // Its detectors cannot be asked any more: debugfs is closed too.
        Ok(()) => guest.kill(),
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}
