// SPDX-License-Identifier: MIT
//! Device trees that say all sorts of things: many nodes in one boot, by hand and at random. Each of the driver's nodes
//! works, or is refused with a word about it, and none hurts another.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail, ensure};

use board::Need;
use board::devicetree::{Cells, Nodes};
use host::paths::Paths;
use host::settings;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::guest::Guest;

use crate::frame::{self, Case, case};

/// Of a tree that QEMU makes for the board.
const CELLS: Cells = Cells {
    address: 2,
    size: 2,
};

/// What becomes of a node: labels, or the end of a message.
type Outcome = Result<&'static [&'static str], &'static str>;

/// A region of memory, whose node is called as the case is.
struct Tree {
    name: &'static str,
    base: u64,
    size: u64,
    /// More of the region's node.
    region: &'static str,
    /// The driver's node; empty: it names the region.
    driver: &'static str,
    outcome: Outcome,
}

const fn tree(name: &'static str, base: u64, size: u64, outcome: Outcome) -> Tree {
    Tree {
        name,
        base,
        size,
        region: "",
        driver: "",
        outcome,
    }
}

const fn odd(name: &'static str, driver: &'static str, outcome: Outcome) -> Tree {
    Tree {
        driver,
        ..tree(name, 0x0c80_0000, 0x1000, outcome)
    }
}

const LONG: &str = "memory-region = <&region_plain>; memory-region-names = \"a234567890123456789012345678901234567890123456789012345678901234\";";

/// The kernel uses 256 MiB.
const CASES: [Tree; 26] = [
    tree("plain", 0x0c00_0000, 0x10_0000, Ok(&["plain"])),
    tree("overlapping", 0x0c08_0000, 0x10_0000, Ok(&["overlapping"])),
    tree("within", 0x0c04_0000, 0x1000, Ok(&["within"])),
    tree("same", 0x0c00_0000, 0x10_0000, Ok(&["same"])),
    tree(
        "zero",
        0x0c20_0000,
        0,
        Err(
            "memory-region 0: the kernel has not reserved it, and said why when it started: EINVAL",
        ),
    ),
    tree("unaligned", 0x0c30_0123, 0x1fff, Ok(&["unaligned"])),
    tree("byte", 0x0c40_0fff, 1, Ok(&["byte"])),
    tree("across", 0x0fff_0000, 0x2_0000, Ok(&["across"])),
    tree("absent", 0x1800_0000, 0x10_0000, Ok(&["absent"])),
    // More pages than 32 bits have bytes.
    tree("endless", 0x0ff0_0000, 1 << 33, Ok(&["endless"])),
    tree("vast", 0x1_0000_0000, 1 << 43, Ok(&["vast"])),
    tree(
        "nowhere",
        1 << 52,
        0x1000,
        Err(
            "memory-region 0: its range is empty, wraps, or is beyond what this kernel can address: EINVAL",
        ),
    ),
    tree(
        "wrapping",
        0xffff_ffff_ffff_f000,
        0x2000,
        Err("memory-region 0: its range is all memory, or wraps: EINVAL"),
    ),
    tree(
        "last",
        0xffff_ffff_ffff_f000,
        0x1000,
        Err(
            "memory-region 0: its range is empty, wraps, or is beyond what this kernel can address: EINVAL",
        ),
    ),
    Tree {
        region: "reusable;",
        ..tree(
            "lent",
            0x0c50_0000,
            0x1000,
            Err("memory-region 0: it is reusable: the kernel lends it to others: EBUSY"),
        )
    },
    Tree {
        region: "status = \"disabled\";",
        ..tree(
            "disabled",
            0x0c60_0000,
            0x1000,
            Err("memory-region 0: its node is disabled: ENODEV"),
        )
    },
    Tree {
        region: "reg = <0x0 0xc700000 0x0>;",
        ..tree(
            "short",
            0x0c70_0000,
            0x1000,
            Err("memory-region 0: its reg is not made of whole addresses and sizes: EINVAL"),
        )
    },
    Tree {
        region: "reg = <0x0 0xc710000 0x0 0x1000 0x0 0xc720000 0x0 0x1000>;",
        ..tree("pair", 0x0c71_0000, 0x1000, Ok(&["pair"]))
    },
    odd(
        "nothing",
        "writable;",
        Err("no usable memory-region property"),
    ),
    odd(
        "empty",
        "memory-region;",
        Err("no usable memory-region property"),
    ),
    odd(
        "dangling",
        "memory-region = <0xdead>;",
        Err("memory-region 0: there is no such node: ENODEV"),
    ),
    odd(
        "stranger",
        "memory-region = <&driver_0>;",
        Err("memory-region 0: its node is not below /reserved-memory: EINVAL"),
    ),
    odd(
        "number",
        "memory-region = <&region_plain>; memory-region-names = [61 62];",
        Err("memory-region 0: no usable label: EILSEQ"),
    ),
    odd(
        "few",
        "memory-region = <&region_within &region_byte>; memory-region-names = \"one\";",
        Err("memory-region 1: no usable label: ENODATA"),
    ),
    odd(
        "long",
        LONG,
        Err("memory-region 0: its label is no plain file name of 1 to 63 characters: EINVAL"),
    ),
    odd(
        "several",
        "memory-region = <&region_within &region_byte>; memory-region-names = \"first\", \"second\"; writable;",
        Ok(&["first", "second"]),
    ),
];

/// So many nodes at random.
const RANDOM: usize = 40;

pub fn cases() -> Vec<Case> {
    let case = case!(
        alone,
        whatever_a_device_tree_says_works_or_is_refused_with_a_word
    );
    let case = case.needs(Need::DeviceNode).needs(Need::WideAddresses);
    vec![case.needs(Need::MemoryAtZero).limit(600)]
}

/// Runs in a machine of its own.
fn whatever_a_device_tree_says_works_or_is_refused_with_a_word() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "device-tree"))?;
    let seed = match settings::get().seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    let mut nodes = Nodes::default();
    for (index, case) in CASES.iter().enumerate() {
        add(&mut nodes, case.name, (case.base, case.size), case.region);
        let driver = match case.driver {
            "" => format!("memory-region = <&{}>;", label(case.name)),
            driver => driver.to_owned(),
        };
        driver_node(&mut nodes, index, &driver);
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    for index in CASES.len()..CASES.len() + RANDOM {
        at_random(&mut rng, &mut nodes, index);
    }
    let mut machine = Machine::new(&board, &image, &folder);
    machine.nodes = Some(nodes);
    machine.append = "mem=256M".to_owned();
    machine.tools = true;
    let mut guest = machine.start()?;
    if let Err(error) = guest.wait_for_shell().and_then(|_| judge(&mut guest)) {
        bail!(
            "{error:#}\n{}\nrepeat: make test TEST=device_tree:: SEED={seed}",
            guest.report()
        );
    }
    let status = guest.power_off()?;
    ensure!(status.success(), "QEMU ended with {status}");
    Ok(())
}

fn add(nodes: &mut Nodes, name: &str, (base, size): (u64, u64), more: &str) {
    let [base_cells, size_cells] = [(CELLS.address, base), (CELLS.size, size)]
        .map(|(count, value)| Cells::number(count, value));
    let reg = match more.contains("reg = ") {
        true => String::new(),
        false => format!("reg = <{base_cells} {size_cells}>;"),
    };
    let _ = writeln!(
        nodes.memory,
        "{}: {name}@{base:x} {{ {reg} {more} }};",
        label(name)
    );
}

/// For the compiler: a name that an overlay can refer to.
fn label(name: &str) -> String {
    format!("region_{name}")
}

fn driver_node(nodes: &mut Nodes, index: usize, properties: &str) {
    let _ = writeln!(
        nodes.drivers,
        "driver_{index}: resmem-{index} {{ compatible = \"resdump,resmem\"; {properties} }};"
    );
}

/// A region and a node of the driver's, of what a tree can say.
fn at_random(rng: &mut fastrand::Rng, nodes: &mut Nodes, index: usize) {
    let pick = |rng: &mut fastrand::Rng, list: &[u64]| list[rng.usize(..list.len())];
    let base = pick(
        rng,
        &[
            0x0d00_0000,
            0x0dff_f000,
            0x0fff_f000,
            0x1000_0000,
            0x1fff_f000,
            0xffff_f000,
            1 << 36,
            1 << 44,
        ],
    ) + pick(rng, &[0, 0, 0, 1, 0x800, 0xfff])
        + 0x1_0000 * rng.u64(..64);
    let mut size = pick(rng, &[0, 1, 0xfff, 0x1000, 0x1001, 0x1_0000, 0x10_0000]);
    if base >= 0x1000_0000 {
        size = pick(rng, &[size, size, 1 << 32, 1 << 40, 1 << 43, u64::MAX]);
    }
    let name = format!("random-{index}").replace('-', "_");
    let more = ["", "", "", "no-map;", "reusable;", "status = \"disabled\";"][rng.usize(..6)];
    add(nodes, &name, (base, size), more);
    let own = label(&name);
    let regions = match rng.u8(..12) {
        0 => format!("<&{own} &{}>", label("few")),
        1 => format!("<&{own} {:#x}>", rng.u32(..)),
        2 => format!("<{:#x}>", rng.u32(..64)),
        3 => "[01 02 03]".to_owned(),
        4 => "\"text\"".to_owned(),
        _ => format!("<&{own}>"),
    };
    let names = match rng.u8(..12) {
        0 => "memory-region-names = \"\";",
        1 => "memory-region-names = \"a/b\";",
        2 => "memory-region-names = <0>;",
        3 => "memory-region-names = [ff];",
        4 => "memory-region-names;",
        5 => "memory-region-names = \"twin\";",
        _ => "",
    };
    let flags = [
        "",
        "",
        "writable;",
        "device-writes;",
        "writable; device-writes;",
        "writable; device-reads;",
        "device-writes; device-reads; dma-noncoherent;",
    ][rng.usize(..7)];
    driver_node(
        nodes,
        index,
        &format!("memory-region = {regions}; {names} {flags}"),
    );
}

fn judge(guest: &mut Guest) -> Result<()> {
    let log = guest.check("dmesg | grep resmem")?;
    let bound = guest.check("ls /sys/bus/platform/drivers/resmem")?;
    let mut working = 0;
    for index in 0..CASES.len() + RANDOM {
        let device = format!("resmem-bus:resmem-{index}");
        let said = format!("{device}: ");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&said)).collect();
        let works = bound.split_whitespace().any(|name| name == device);
        working += usize::from(works);
        ensure!(
            works
                || lines
                    .iter()
                    .any(|line| !line.contains("[mem ") && !line.contains("probe with driver")),
            "{device} is refused without a word: {lines:?}"
        );
        let Some(case) = CASES.get(index) else {
            continue;
        };
        match case.outcome {
            Ok(labels) => {
                ensure!(works, "{}: {lines:?}", case.name);
                for label in labels {
                    guest.check(&format!("test -c /dev/resmem/{label}"))?;
                }
            }
            Err(message) => ensure!(
                !works && lines.iter().any(|line| line.contains(message)),
                "{}: expected {message}: {lines:?}",
                case.name
            ),
        }
    }
    ensure!(
        log.contains(
            "memory-region 0: its reg has several entries, the kernel reserves the first only"
        ),
        "of a second entry nothing is said"
    );
    println!("{working} of {} nodes work", CASES.len() + RANDOM);
    // Those that work do: they are described, and their first byte can be read where there is memory.
    guest.check(
        "! for node in /dev/resmem/*; do probe info $node | grep -q '^ok abi' || echo $node; done | grep .",
    )?;
    for label in [
        "plain",
        "overlapping",
        "same",
        "unaligned",
        "byte",
        "across",
        "absent",
        "first",
    ] {
        guest.check(&format!("resdump show {label} --length 1"))?;
    }
    // A read that begins where 4 GiB have no page ends all the same.
    guest.check("dd if=/dev/resmem/endless of=/dev/null bs=4096 skip=256 count=1")?;
    guest.check_health(TAINT_OUT_OF_TREE)
}
