// SPDX-License-Identifier: MIT
//! Registers of a system controller by the kernel's own map of it, and interrupts of the kernel's simulator, which come
//! when a test says so and as often: what only the bring-up kernel has.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};

use board::Need;
use machine::guest::Guest;

use super::{expect, with_nodes};
use crate::frame::{Case, case};

const MEMORY: &str = "\
    flowing: flowing@12400000 { reg = <0x0 0x12400000 0x0 0x400000>; };
    halted: halted@12800000 { reg = <0x0 0x12800000 0x0 0x400000>; };
    registers: registers@12000000 { reg = <0x0 0x12000000 0x0 0x1000>; no-map; };
";

/// `halted` has an interrupt that can be requested, and one that cannot: its line is an output.
const DRIVERS: &str = "\
    fpga: fpga { compatible = \"syscon\"; reg = <0x12000800 0x100>; big-endian; };
    lines { compatible = \"gpio-simulator\";
        bank: bank { gpio-controller; #gpio-cells = <2>; ngpios = <4>;
            interrupt-controller; #interrupt-cells = <1>;
            output { gpio-hog; gpios = <3 0>; output-low; }; }; };
    flowing { compatible = \"resdump,resmem\"; memory-region = <&flowing>; device-writes;
        syscon = <&fpga 0x40>; resdump,consumer = <0x44>;
        interrupt-parent = <&bank>; interrupts = <0>, <1>; interrupt-names = \"progress\", \"trigger\";
        resdump,position-kind = \"counter\"; resdump,position-unit = <64>;
        resdump,lead-bytes = <4096>; resdump,max-rate = <50000000>; };
    halted { compatible = \"resdump,resmem\"; memory-region = <&halted>; syscon = <&fpga 0x48>;
        interrupt-parent = <&bank>; interrupts = <2>, <3>; interrupt-names = \"progress\", \"trigger\";
        resdump,position-kind = \"counter\"; resdump,position-unit = <64>; resdump,max-rate = <50000000>; };
    away { compatible = \"resdump,resmem\"; memory-region = <&halted>; syscon = <&fpga 0x100>;
        resdump,position-kind = \"counter\"; resdump,max-rate = <50000000>; };
";

const POSITION: u64 = 0x1200_0840;
const CONSUMER: u64 = 0x1200_0844;
const UNIT: u64 = 64;
const NODE: &str = "/dev/resmem/flowing";

/// Lines of the simulated controller.
const PROGRESS: u32 = 0;
const TRIGGER: u32 = 1;

pub fn cases() -> Vec<Case> {
    vec![
        case!(
            alone,
            a_shared_register_is_read_by_the_kernels_map_and_each_interrupt_counts
        )
        .needs(Need::BringUpKernel)
        .flavour("bringup"),
    ]
}

fn a_shared_register_is_read_by_the_kernels_map_and_each_interrupt_counts() -> Result<()> {
    let shape = |machine: &mut machine::Machine<'_>| machine.shared_memory = true;
    with_nodes("simulated", (MEMORY, DRIVERS), shape, |guest, machine| {
        let memory = machine.open_memory()?;
        guest.check("mount -t debugfs none /sys/kernel/debug")?;
        refusals(guest)?;
        registers(guest, &memory)?;
        triggers(guest, &memory)?;
        woken(guest, &memory)?;
        unbound(guest)
    })
}

/// What the device says: its position.
fn count(memory: &File, position: u64) -> Result<()> {
    let counter = (position / UNIT) as u32;
    Ok(memory.write_all_at(&counter.to_be_bytes(), POSITION)?)
}

/// Has the interrupt of a line come `times`, each when the one before has been handled.
fn pull(line: u32, times: u32) -> String {
    format!(
        "irq=$(sed -n 's/^ *\\([0-9]*\\):.*irq_sim *{line} .*/\\1/p' /proc/interrupts); test -n \"$irq\" && \
         handled() {{ sed -n \"s/^ *$irq: *\\([0-9]*\\) .*/\\1/p\" /proc/interrupts; }}; \
         for time in $(seq {times}); do before=$(handled); echo trigger > /sys/kernel/debug/irq/irqs/$irq || {{ time=; break; }}; \
         until test $(handled) -gt $before; do :; done; done; test -n \"$time\""
    )
}

fn refusals(guest: &mut Guest) -> Result<()> {
    let log = guest.check("dmesg | grep resmem")?;
    for cause in [
        "an interrupt cannot be requested",
        "its syscon is no system controller with such a register of 4 bytes",
    ] {
        ensure!(log.contains(cause), "{cause}: {log}");
    }
    guest.check("! test -e /dev/resmem/halted")?;
    // The interrupt that was requested before the one that could not be is given back.
    let taken = guest.check("cat /proc/interrupts")?;
    ensure!(taken.matches("irq_sim").count() == 2, "{taken}");
    // Again and again.
    for _ in 0..3 {
        guest.check("! echo resmem-bus:halted > /sys/bus/platform/drivers/resmem/bind")?;
    }
    Ok(())
}

/// The map is there, for it was asked for, and what goes through it arrives.
fn registers(guest: &mut Guest, memory: &File) -> Result<()> {
    let maps = guest.check("ls /sys/kernel/debug/regmap")?;
    ensure!(maps.contains("fpga"), "{maps}");
    memory.write_all_at(&u32::MAX.to_be_bytes(), CONSUMER)?;
    let position = 1 << 20;
    count(memory, position)?;
    expect(
        guest,
        &format!("probe ring position {NODE}"),
        &format!(
            "position {position} breaks 0 evidence 0 flags 26 raw {}",
            position / UNIT
        ),
    )?;
    let taken = position - 4096;
    expect(guest, &format!("probe ring consumed {NODE} {taken}"), "ok")?;
    let mut bytes = [0; 4];
    memory.read_exact_at(&mut bytes, CONSUMER)?;
    ensure!(
        u64::from(u32::from_be_bytes(bytes)) == taken / UNIT,
        "{bytes:?} for {taken}"
    );
    Ok(())
}

/// Each is counted once, and placed where the device was seen first after the last of them.
fn triggers(guest: &mut Guest, memory: &File) -> Result<()> {
    let mut all = 0;
    for (position, times) in [(2u64 << 20, 1), (3 << 20, 5), (5 << 20, 100)] {
        count(memory, position)?;
        guest.check_within(&pull(TRIGGER, times), 60)?;
        all += times;
        // Later, and no trigger came.
        guest.check(&format!("probe ring position {NODE}"))?;
        count(memory, position + 4096)?;
        expect(
            guest,
            &format!("probe ring position {NODE}"),
            &format!("triggers {all} trigger {position}"),
        )?;
    }
    // What has no interrupt counts none.
    guest.check_within(&pull(PROGRESS, 3), 60)?;
    expect(
        guest,
        &format!("probe ring position {NODE}"),
        &format!("triggers {all} "),
    )
}

/// A process that waits is woken by the interrupt alone: there is no timer.
fn woken(guest: &mut Guest, memory: &File) -> Result<()> {
    for by in ["poll", "eventfd", "uring"] {
        let position = guest.check(&format!("probe ring position {NODE} | cut -d' ' -f3"))?;
        let position: u64 = position.trim().parse().context("a position")?;
        guest.check(&format!(
            "rm -f /tmp/waited; probe ring wait {NODE} {} --by {by} --seconds 60 > /tmp/waited & waiter=$!; \
             until test \"$(cut -d' ' -f3 /proc/$waiter/stat)\" = S; do :; done",
            position + 4096
        ))?;
        count(memory, position + 8192)?;
        guest.check_within(&pull(PROGRESS, 1), 60)?;
        expect(guest, "wait $waiter; cat /tmp/waited", "ok reached")?;
    }
    Ok(())
}

/// The driver goes while interrupts come, and a process waits.
fn unbound(guest: &mut Guest) -> Result<()> {
    let driver = "/sys/bus/platform/drivers/resmem";
    for line in [PROGRESS, TRIGGER] {
        guest.check(&format!(
            "irq=$(sed -n 's/^ *\\([0-9]*\\):.*irq_sim *{line} .*/\\1/p' /proc/interrupts); \
             while echo trigger > /sys/kernel/debug/irq/irqs/$irq; do :; done 2> /dev/null & storm{line}=$!"
        ))?;
    }
    for _ in 0..5 {
        expect(
            guest,
            &format!(
                "(sleep 1; echo resmem-bus:flowing > {driver}/unbind) & \
                 probe ring wait {NODE} 0xffffffffffffffff --by uring; wait $!"
            ),
            "ENODEV",
        )?;
        guest.check(&format!("echo resmem-bus:flowing > {driver}/bind"))?;
    }
    guest
        // Each has run until here.
        .check("kill $storm0 $storm1 && { wait $storm0 $storm1; true; }")
        .map(drop)
}
