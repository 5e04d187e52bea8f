// SPDX-License-Identifier: MIT
//! Recordings of rings: filled by a program, filled by the host in the place of hardware, and with faults meanwhile.

mod bring_up;
mod device;
mod faults;
mod flow;
mod guide;
mod kept;
mod ring;
mod trial;
mod trigger;

pub use guide::nodes;

use anyhow::{Result, bail, ensure};

use board::Need;
use board::devicetree::Nodes;
use host::paths::Paths;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, case};

/// `told` and `other` are rings of 4 MiB whose position a program says; `word` has it in a word of its own, as a device
/// that writes it to memory. `counted` has a counter in a register, which lies in `registers`, memory that the kernel
/// does not map. `flowing` has registers of a system controller, which lies there as well, and a trigger. `fresh` is
/// one for both directions, whose program has not begun. `pulse` and
/// `quiet` have an interrupt: that of the serial line, and one that never comes. The others are refused.
const MEMORY: &str = "\
    told: told@10000000 { reg = <0x0 0x10000000 0x0 0x400000>; };
    other: other@10400000 { reg = <0x0 0x10400000 0x0 0x400000>; };
    word: word@10800000 { reg = <0x0 0x10800000 0x0 0x400000>; };
    position: position@10c00000 { reg = <0x0 0x10c00000 0x0 0x400000>; };
    counted: counted@11000000 { reg = <0x0 0x11000000 0x0 0x1000000>; };
    registers: registers@12000000 { reg = <0x0 0x12000000 0x0 0x1000>; no-map; };
    pulse: pulse@12100000 { reg = <0x0 0x12100000 0x0 0x100000>; };
    quiet: quiet@12200000 { reg = <0x0 0x12200000 0x0 0x100000>; };
    flowing: flowing@12400000 { reg = <0x0 0x12400000 0x0 0x400000>; };
    fresh: fresh@12800000 { reg = <0x0 0x12800000 0x0 0x400000>; };
";

const DRIVERS: &str = "\
    told { compatible = \"resdump,resmem\"; memory-region = <&told>; writable;
        resdump,position-kind = \"program\"; resdump,lead-bytes = <65536>; };
    other { compatible = \"resdump,resmem\"; memory-region = <&other>; writable;
        resdump,position-kind = \"program\"; resdump,lead-bytes = <65536>; };
    word { compatible = \"resdump,resmem\"; memory-region = <&word>; writable;
        resdump,position-kind = \"offset\"; resdump,position = <0>; resdump,position-bits = <23>;
        resdump,lead-bytes = <65536>; resdump,max-rate = <100000000>; };
    counted { compatible = \"resdump,resmem\"; memory-region = <&counted>; device-writes;
        reg = <0x12000000 0x100>; reg-names = \"producer\"; big-endian;
        resdump,position-kind = \"counter\"; resdump,position = <0x10>; resdump,position-unit = <64>;
        resdump,position-bits = <20>; resdump,lead-bytes = <65536>; resdump,max-rate = <50000000>; };
    pulse { compatible = \"resdump,resmem\"; memory-region = <&pulse>; big-endian; reg-io-width = <8>;
        interrupt-parent = <&interrupts>; interrupts = <0x2a 0x2>; interrupt-names = \"progress\";
        resdump,position-kind = \"counter\"; resdump,position-bits = <64>; };
    quiet { compatible = \"resdump,resmem\"; memory-region = <&quiet>; big-endian; reg-io-width = <8>;
        interrupt-parent = <&interrupts>; interrupts = <0x5 0x0>; interrupt-names = \"progress\";
        resdump,position-kind = \"counter\"; resdump,position-bits = <64>; };
    fpga: fpga { compatible = \"syscon\"; reg = <0x12000800 0x100>; big-endian; };
    flowing { compatible = \"resdump,resmem\"; memory-region = <&flowing>; device-writes; writable;
        syscon = <&fpga 0x40>; resdump,consumer = <0x44>;
        interrupt-parent = <&interrupts>; interrupts = <0x2a 0x2>; interrupt-names = \"trigger\";
        resdump,position-kind = \"counter\"; resdump,position-unit = <64>;
        resdump,lead-bytes = <4096>; resdump,max-rate = <50000000>; };
    fresh { compatible = \"resdump,resmem\"; memory-region = <&fresh>; writable; device-reads; device-writes;
        resdump,position-kind = \"program\"; resdump,max-rate = <1048576>; };
    away { compatible = \"resdump,resmem\"; memory-region = <&position>; syscon = <&fpga 0x100>;
        resdump,position-kind = \"counter\"; resdump,max-rate = <50000000>; };
    wide { compatible = \"resdump,resmem\"; memory-region = <&position>; resdump,consumer = <8>;
        resdump,position-kind = \"counter\"; resdump,position-bits = <64>; };
    deaf { compatible = \"resdump,resmem\"; memory-region = <&position>;
        interrupts = <0x5 0x0>; interrupt-names = \"progress\";
        resdump,position-kind = \"counter\"; resdump,position-bits = <64>; };
    fast { compatible = \"resdump,resmem\"; memory-region = <&position>; writable;
        resdump,position-kind = \"offset\"; };
    narrow { compatible = \"resdump,resmem\"; memory-region = <&position>; writable;
        resdump,position-kind = \"offset\"; resdump,position-bits = <8>; };
    odd { compatible = \"resdump,resmem\"; memory-region = <&position>; writable;
        resdump,position-kind = \"elsewhere\"; };
    untyped { compatible = \"resdump,resmem\"; memory-region = <&position>; resdump,ring-address = <0x10c00000>;
        resdump,position-kind = \"address\"; resdump,max-rate = <50000000>; };
    short { compatible = \"resdump,resmem\"; memory-region = <&position>; reg-io-width = <4>;
        resdump,position-kind = \"counter\"; resdump,position-bits = <64>; };
    racing { compatible = \"resdump,resmem\"; memory-region = <&registers>;
        resdump,position-kind = \"offset\"; resdump,max-rate = <100000000>; };
    unnamed { compatible = \"resdump,resmem\"; memory-region = <&position>; reg = <0x12000000 0x100>;
        resdump,position-kind = \"counter\"; resdump,max-rate = <50000000>; };
    beyond { compatible = \"resdump,resmem\"; memory-region = <&position>;
        reg = <0x12000000 0x10>; reg-names = \"producer\"; resdump,position = <0x10>;
        resdump,position-kind = \"counter\"; resdump,max-rate = <50000000>; };
    crooked { compatible = \"resdump,resmem\"; memory-region = <&position>; resdump,position = <0x6>;
        resdump,position-kind = \"counter\"; resdump,max-rate = <50000000>; };
    nowhere { compatible = \"resdump,resmem\"; memory-region = <&position>; syscon = <&fpga>;
        resdump,position-kind = \"counter\"; resdump,max-rate = <50000000>; };
    echo { compatible = \"resdump,resmem\"; memory-region = <&position>; syscon = <&fpga 0x40>;
        resdump,position-kind = \"counter\"; resdump,consumer = <0x40>; resdump,max-rate = <50000000>; };
";

pub fn cases() -> Vec<Case> {
    use device::the_host_fills_a_ring_and_the_register_and_interrupt_are_those_of_hardware;
    use faults::faults_during_a_recording_are_gaps_that_the_index_names;
    use flow::a_device_with_flow_control_loses_nothing_and_its_interrupt_triggers;
    use guide::the_how_to_brings_a_recorder_up_and_finds_what_the_device_does_not_keep;
    use ring::a_ring_is_recorded_and_each_word_is_where_it_belongs;
    [
        case!(alone, a_ring_is_recorded_and_each_word_is_where_it_belongs),
        case!(
            alone,
            the_host_fills_a_ring_and_the_register_and_interrupt_are_those_of_hardware
        ),
        case!(
            alone,
            a_device_with_flow_control_loses_nothing_and_its_interrupt_triggers
        ),
        case!(
            alone,
            faults_during_a_recording_are_gaps_that_the_index_names
        ),
        case!(
            alone,
            the_how_to_brings_a_recorder_up_and_finds_what_the_device_does_not_keep
        ),
    ]
    .into_iter()
    .chain(bring_up::cases())
    .map(|case| case.needs(Need::DeviceNode).needs(Need::WideAddresses))
    .map(|case| case.needs(Need::MemoryAtZero).limit(600))
    .collect()
}

/// Runs `work` in a machine with the rings, as [`with_nodes`] does.
fn with_rings(
    name: &str,
    shape: impl FnOnce(&mut Machine<'_>),
    work: impl FnOnce(&mut Guest, &Machine<'_>) -> Result<()>,
) -> Result<()> {
    with_nodes(name, (MEMORY, DRIVERS), shape, work)
}

/// Runs `work` in a machine with these nodes for memory and drivers, and an ext4 file system on its disk, mounted at /mnt.
/// The guest is healthy afterwards.
pub fn with_nodes(
    name: &str,
    (memory, drivers): (&str, &str),
    shape: impl FnOnce(&mut Machine<'_>),
    work: impl FnOnce(&mut Guest, &Machine<'_>) -> Result<()>,
) -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, &format!("recorder-{name}")))?;
    let disk = Disk::ext4(&folder.join("ext4.img"), 192 << 20)?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.nodes = Some(Nodes {
        memory: memory.to_owned(),
        drivers: drivers.to_owned(),
        root: String::new(),
    });
    machine.tools = true;
    machine.disks = vec![disk];
    shape(&mut machine);
    let mut guest = machine.start()?;
    let done = guest
        .wait_for_shell()
        .and_then(|_| guest.check("mount -t ext4 /dev/vda /mnt"))
        .and_then(|_| work(&mut guest, &machine))
        .and_then(|()| guest.check_health(TAINT_OUT_OF_TREE));
    if let Err(error) = done {
        bail!("{error:#}\n{}", guest.report());
    }
    let status = guest.power_off()?;
    ensure!(status.success(), "QEMU ended with {status}");
    Ok(())
}

/// What is printed, or that it is not as expected.
fn expect(guest: &mut Guest, command: &str, wanted: &str) -> Result<()> {
    let output = guest.run(command)?;
    ensure!(
        output.text.contains(wanted),
        "{command}: expected {wanted}: {}",
        output.text
    );
    Ok(())
}

/// The last object of what a recorder has printed; those before it are events, of which a slow machine has some.
pub fn totals(text: &str) -> &str {
    let mut lines = text.lines();
    lines.rfind(|line| line.starts_with('{')).unwrap_or("")
}

/// Nothing in the recording `folder` that its index calls whole is wrong; the numbers that the probe found.
fn no_word_is_wrong(guest: &mut Guest, folder: &str) -> Result<String> {
    let checked = guest.check(&format!("probe ring check {folder}"))?;
    ensure!(
        checked.contains(" wrong 0 ") && !checked.contains("words 0 "),
        "{folder}: {checked}"
    );
    Ok(checked)
}
