// SPDX-License-Identifier: MIT
//! Device trees: the one that QEMU makes for a machine, with a board's (or a test's) regions in it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use host::command::output_of;

/// What the driver's nodes are compatible with.
pub(crate) const COMPATIBLE: &str = "resdump,resmem";

/// A reserved region of a test's own making.
#[derive(Clone, Debug)]
pub struct Region {
    /// Name of the region's node, and the label unless `name` is given.
    pub label: String,
    /// Physical address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
    /// Whether the driver's node carries `writable`.
    pub writable: bool,
    /// Whether the region's node carries `no-map`.
    pub no_map: bool,
    /// Whether the driver's node carries `device-writes`.
    pub device_writes: bool,
    /// Whether the driver's node carries `device-reads`.
    pub device_reads: bool,
    /// What `memory-region-names` says, if it is there.
    pub name: Option<String>,
}

impl Region {
    /// A read-only region, named by its own node.
    pub fn new(label: &str, base: u64, size: u64) -> Self {
        Self {
            label: label.to_owned(),
            base,
            size,
            writable: false,
            no_map: false,
            device_writes: false,
            device_reads: false,
            name: None,
        }
    }

    /// The label that the driver gives it.
    pub fn driver_label(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.label)
    }

    /// The same, with a label other than the name of its node.
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The same, without a mapping by the kernel.
    pub fn no_map(mut self) -> Self {
        self.no_map = true;
        self
    }

    /// The same, written by a device.
    pub fn device_writes(mut self) -> Self {
        self.device_writes = true;
        self
    }

    /// The same, read by a device.
    pub fn device_reads(mut self) -> Self {
        self.device_reads = true;
        self
    }

    /// The same, writable.
    pub fn writable(mut self) -> Self {
        self.writable = true;
        self
    }
}

/// How many 32-bit cells the numbers of a `reg` property take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    /// Cells of an address.
    pub address: usize,
    /// Cells of a size.
    pub size: usize,
}

impl Cells {
    /// What the root of a compiled tree says. The kernel wants the same of /reserved-memory.
    pub fn of_root(tree: &Path) -> Result<Self> {
        with_tree(tree, |tree| Self::of(tree, "/"))
    }

    pub(crate) fn of(tree: &fdt::Fdt<'_>, path: &str) -> Result<Self> {
        let cells = |property| -> Result<usize> {
            tree.find_node(path)
                .and_then(|node| node.property(property))
                .and_then(|property| property.as_usize())
                .with_context(|| format!("the device tree has no {property} at {path}"))
        };
        Ok(Self {
            address: cells("#address-cells")?,
            size: cells("#size-cells")?,
        })
    }

    /// Address and size of a node.
    fn range(self, node: &fdt::node::FdtNode<'_, '_>) -> Result<(u64, u64)> {
        let reg = node
            .property("reg")
            .with_context(|| format!("{} has no reg", node.name))?;
        let (base, size) = reg
            .value
            .split_at_checked(4 * self.address)
            .filter(|(_, size)| size.len() == 4 * self.size)
            .with_context(|| format!("reg of {} is not an address and a size", node.name))?;
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        Ok((number(base), number(size)))
    }

    /// A number in so many cells.
    pub fn number(count: usize, value: u64) -> String {
        let words = (0..count).rev().map(|cell| match cell {
            0 | 1 => format!("{:#x}", (value >> (32 * cell)) & 0xffff_ffff),
            _ => "0x0".to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Nodes as source.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    /// Children of /reserved-memory.
    pub memory: String,
    /// Those that name them, on a bus of their own.
    pub drivers: String,
    /// More children of the root.
    pub root: String,
}

/// Source of an overlay that reserves `regions` and gives each a driver's node.
pub fn overlay(regions: &[Region], cells: Cells) -> String {
    let (mut memory, mut drivers) = (String::new(), String::new());
    for (index, region) in regions.iter().enumerate() {
        let _ = writeln!(
            memory,
            "r{index}: {}@{:x} {{ reg = <{} {}>; {} }};",
            region.label,
            region.base,
            Cells::number(cells.address, region.base),
            Cells::number(cells.size, region.size),
            if region.no_map { "no-map;" } else { "" }
        );
        let names = match &region.name {
            Some(name) => format!("memory-region-names = \"{name}\";"),
            None => String::new(),
        };
        let _ = writeln!(
            drivers,
            "resmem-{index} {{ compatible = \"resdump,resmem\"; memory-region = <&r{index}>; {names} {} {} {} }};",
            if region.writable { "writable;" } else { "" },
            if region.device_writes {
                "device-writes;"
            } else {
                ""
            },
            if region.device_reads {
                "device-reads;"
            } else {
                ""
            }
        );
    }
    let root = String::new();
    Nodes {
        memory,
        drivers,
        root,
    }
    .overlay(cells)
}

impl Nodes {
    /// Source of an overlay that has them.
    pub fn overlay(&self, cells: Cells) -> String {
        let Self {
            memory,
            drivers,
            root,
        } = self;
        format!(
            "/dts-v1/;\n/plugin/;\n&{{/}} {{\nreserved-memory {{ #address-cells = <{}>; #size-cells = <{}>; \
             ranges;\n{memory}}};\nresmem-bus {{ compatible = \"simple-bus\"; #address-cells = <1>; \
             #size-cells = <1>; ranges;\n{drivers}}};\n{root}}};\n",
            cells.address, cells.size
        )
    }
}

/// What stands in source for the controller of the serial line's interrupts.
const INTERRUPTS: &str = "<&interrupts>";

/// `source` with the phandle that `tree` has for what `<&interrupts>` means: QEMU's trees have no labels.
pub fn with_interrupts(source: &str, tree: &Path) -> Result<String> {
    if !source.contains(INTERRUPTS) {
        return Ok(source.to_owned());
    }
    with_tree(tree, |tree| {
        let parent = tree
            .chosen()
            .stdout()
            .and_then(|console| console.property("interrupt-parent"))
            .and_then(|parent| parent.as_usize())
            .context("the console has no interrupt-parent")?;
        Ok(source.replace(INTERRUPTS, &format!("<{parent:#x}>")))
    })
}

/// Compiles overlay source to `target`.
pub fn compile(source: &str, target: &Path) -> Result<()> {
    let file = target.with_extension("dtso");
    fs::write(&file, source)?;
    output_of(
        Command::new("dtc")
            .args(["-q", "-@", "-I", "dts", "-O", "dtb", "-o"])
            .arg(target)
            .arg(&file),
    )?;
    Ok(())
}

/// Applies a compiled overlay to a compiled tree.
pub fn apply(base: &Path, overlay: &Path, target: &Path) -> Result<()> {
    output_of(
        Command::new("fdtoverlay")
            .arg("-i")
            .arg(base)
            .arg("-o")
            .arg(target)
            .arg(overlay),
    )?;
    Ok(())
}

/// Physical address and size of the node of /reserved-memory whose name, without its address, is
/// `label`.
pub fn reserved_region(tree: &Path, label: &str) -> Result<(u64, u64)> {
    with_tree(tree, |tree| {
        let cells = Cells::of(tree, "/reserved-memory")?;
        let region = tree
            .find_node("/reserved-memory")
            .into_iter()
            .flat_map(|node| node.children())
            .find(|node| node.name.split('@').next() == Some(label))
            .with_context(|| format!("the device tree reserves no region {label}"))?;
        cells.range(&region)
    })
}

/// Physical address and size of each region that a node of the driver names.
pub fn captured(tree: &Path) -> Result<Vec<(u64, u64)>> {
    with_tree(tree, |tree| {
        let cells = Cells::of(tree, "/reserved-memory")?;
        let mut regions = Vec::new();
        for node in tree.all_nodes() {
            let ours = node.compatible();
            if !ours.is_some_and(|names| names.all().any(|name| name == COMPATIBLE)) {
                continue;
            }
            let region = node
                .property("memory-region")
                .and_then(|property| property.as_usize())
                .and_then(|phandle| tree.find_phandle(phandle.try_into().ok()?))
                .with_context(|| format!("{} names no region", node.name))?;
            regions.push(cells.range(&region)?);
        }
        Ok(regions)
    })
}

pub(crate) fn with_tree<T>(
    path: &Path,
    read: impl FnOnce(&fdt::Fdt<'_>) -> Result<T>,
) -> Result<T> {
    let blob = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let tree = fdt::Fdt::new(&blob).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    read(&tree).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_names_every_region_and_gives_each_a_driver() {
        let cells = Cells {
            address: 2,
            size: 2,
        };
        let regions = [
            Region::new("low", 0x1000_0000, 0x10_0000),
            Region::new("high", 0x1_2000_0000, 0x1000).writable(),
        ];
        let source = overlay(&regions, cells);
        assert!(source.contains("low@10000000 { reg = <0x0 0x10000000 0x0 0x100000>;"));
        assert!(source.contains("high@120000000 { reg = <0x1 0x20000000 0x0 0x1000>;"));
        assert_eq!(source.matches("resdump,resmem").count(), 2);
        assert_eq!(source.matches("writable;").count(), 1);
    }

    #[test]
    fn numbers_take_the_cells_that_the_tree_gives_them() {
        let scratch = tempfile::tempdir().unwrap();
        let (base, over, tree) = ("base.dtb", "over.dtbo", "tree.dtb");
        let at = |name: &str| scratch.path().join(name);
        for (address, size) in [(2, 1), (2, 2), (1, 1)] {
            let root = format!("#address-cells = <{address}>; #size-cells = <{size}>;");
            compile(&format!("/dts-v1/; / {{ {root} }};"), &at(base)).unwrap();
            let cells = Cells::of_root(&at(base)).unwrap();
            assert_eq!(cells, Cells { address, size });
            let regions = [Region::new("one", 0x1000_0000, 0x30_3000)];
            compile(&overlay(&regions, cells), &at(over)).unwrap();
            apply(&at(base), &at(over), &at(tree)).unwrap();
            let found = reserved_region(&at(tree), "one").unwrap();
            assert_eq!(found, (0x1000_0000, 0x30_3000));
            assert_eq!(captured(&at(tree)).unwrap(), [found]);
        }
    }
}
