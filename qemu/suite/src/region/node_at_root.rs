// SPDX-License-Identifier: MIT
//! Nodes of the driver that are on no bus: PowerPC makes no devices of them. The module makes one of each that is at
//! the root, as the guide to an own kernel has it; `doctor` explains the others.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail, ensure};

use board::Need;
use board::devicetree::Nodes;
use host::paths::Paths;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::guest::Guest;

use crate::frame::{self, Case, case};

const ENTRIES: &str =
    "has 2 entries, and the kernel reserves the first only: give each a node of its own";

pub fn cases() -> Vec<Case> {
    let case = case!(alone, a_node_at_the_root_works_and_others_are_explained);
    let case = case.needs(Need::DeviceNode).needs(Need::WideAddresses);
    vec![case.needs(Need::MemoryAtZero)]
}

/// Runs in a machine of its own.
fn a_node_at_the_root_works_and_others_are_explained() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "node-at-root"))?;
    let guide = fs::read_to_string(paths.root.join("docs/how-to/own-kernel.md"))?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.nodes = Some(Nodes {
        memory: [
            &*excerpt(&guide, "capture: ", "\n")?,
            "two: two@c100000 { reg = <0x0 0xc100000 0x0 0x1000 0x0 0xc200000 0x0 0x1000>; };",
            "off: off@c300000 { reg = <0x0 0xc300000 0x0 0x1000>; };",
        ]
        .join("\n"),
        drivers: String::new(),
        root: [
            &*excerpt(&guide, "resmem {", "};")?,
            "resmem-two { compatible = \"resdump,resmem\"; memory-region = <&two>; };",
            "resmem-off { compatible = \"resdump,resmem\"; memory-region = <&off>; status = \"disabled\"; };",
            "resmem-bad { compatible = \"resdump,resmem\"; };",
            "cabinet { resmem-in { compatible = \"resdump,resmem\"; memory-region = <&off>; }; };",
        ]
        .join("\n"),
    });
    machine.tools = true;
    let mut guest = machine.start()?;
    if let Err(error) = guest.wait_for_shell().and_then(|_| judge(&mut guest)) {
        bail!("{error:#}\n{}", guest.report());
    }
    ensure!(guest.power_off()?.success(), "QEMU failed");
    Ok(())
}

/// What the guide has in its device tree, from `begin` to `end`.
pub fn excerpt(guide: &str, begin: &str, end: &str) -> Result<String> {
    let found = guide
        .split_once(begin)
        .and_then(|(_, rest)| rest.split_once(end));
    let (text, _) = found.with_context(|| format!("the guide has no {begin}"))?;
    Ok(format!("{begin}{text}{end}"))
}

fn judge(guest: &mut Guest) -> Result<()> {
    guest.check("test \"$(echo $(ls /dev/resmem))\" = 'capture two'")?;
    guest.check("resdump show capture --length 1")?;
    let listed = guest.check("resdump list 2>&1")?;
    ensure!(
        listed.contains(&format!("two: its reg {ENTRIES}")),
        "{listed}"
    );
    ensure!(!listed.contains("capture: its reg"), "{listed}");

    let doctor = guest.run("resdump doctor capture --target /tmp 2>&1")?.text;
    let says = |node: &str, mark: &str, detail: &str| {
        let check = format!("  {node} ");
        let found = doctor
            .lines()
            .any(|line| line.contains(&check) && line.starts_with(mark) && line.contains(detail));
        ensure!(found, "no {mark:?}, {node:?}, {detail:?} in:\n{doctor}");
        Ok(())
    };
    says("device tree", "ok", " /resmem, /resmem-off (disabled)")?;
    says("node /resmem-two", "NO", ENTRIES)?;
    says("node /resmem-bad", "NO", "dmesg | grep resmem")?;
    says("node /cabinet/resmem-in", "NO", "its parent is no bus")?;
    guest.check("dmesg | grep 'resmem-bad: no usable memory-region property'")?;

    // What the module made goes with it, and nothing else.
    let before = devices(guest)?;
    for _ in 0..3 {
        guest.check("rmmod resmem && test ! -e /dev/resmem/capture")?;
        let after = devices(guest)?;
        let gone: Vec<&String> = before.difference(&after).collect();
        ensure!(gone == ["resmem", "resmem-bad", "resmem-two"], "{gone:?}");
        guest.check("modprobe resmem && test -c /dev/resmem/capture")?;
        let again = devices(guest)?;
        ensure!(again == before, "{again:?} instead of {before:?}");
    }
    // The driver lets go of a device, and takes it again.
    let driver = "/sys/bus/platform/drivers/resmem";
    guest.check(&format!(
        "echo resmem >{driver}/unbind && test ! -e /dev/resmem/capture"
    ))?;
    guest.check(&format!(
        "echo resmem >{driver}/bind && test -c /dev/resmem/capture"
    ))?;
    guest.check("rmmod resmem")?;
    guest.check_health(TAINT_OUT_OF_TREE)
}

fn devices(guest: &mut Guest) -> Result<BTreeSet<String>> {
    let names = guest.check("ls /sys/bus/platform/devices")?;
    Ok(names.split_whitespace().map(str::to_owned).collect())
}
