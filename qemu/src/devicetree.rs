// SPDX-License-Identifier: MIT
//! Device trees: the one that QEMU makes for a machine, with a board's (or a test's) regions in it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use crate::step::output_of;

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
            name: None,
        }
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

    /// The same, writable.
    pub fn writable(mut self) -> Self {
        self.writable = true;
        self
    }
}

/// Source of an overlay that reserves `regions` and gives each a driver's node.
pub fn overlay(regions: &[Region]) -> String {
    let (mut memory, mut drivers) = (String::new(), String::new());
    for (index, region) in regions.iter().enumerate() {
        let cells = |value: u64| format!("{:#x} {:#x}", value >> 32, value & 0xffff_ffff);
        let _ = writeln!(
            memory,
            "r{index}: {}@{:x} {{ reg = <{} {}>; {} }};",
            region.label,
            region.base,
            cells(region.base),
            cells(region.size),
            if region.no_map { "no-map;" } else { "" }
        );
        let names = match &region.name {
            Some(name) => format!("memory-region-names = \"{name}\";"),
            None => String::new(),
        };
        let _ = writeln!(
            drivers,
            "resmem-{index} {{ compatible = \"resdump,resmem\"; memory-region = <&r{index}>; {names} {} {} }};",
            if region.writable { "writable;" } else { "" },
            if region.device_writes {
                "device-writes;"
            } else {
                ""
            }
        );
    }
    format!(
        "/dts-v1/;\n/plugin/;\n&{{/}} {{\nreserved-memory {{ #address-cells = <2>; #size-cells = <2>; \
         ranges;\n{memory}}};\nresmem-bus {{ compatible = \"simple-bus\"; #address-cells = <1>; \
         #size-cells = <1>; ranges;\n{drivers}}};\n}};\n"
    )
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
    let blob = fs::read(tree).with_context(|| format!("cannot read {}", tree.display()))?;
    let tree = fdt::Fdt::new(&blob).map_err(|error| anyhow!("{}: {error}", tree.display()))?;
    let cells = tree
        .find_node("/reserved-memory")
        .into_iter()
        .flat_map(|node| node.children())
        .find(|node| node.name.split('@').next() == Some(label))
        .and_then(|node| node.property("reg"))
        .with_context(|| format!("the device tree reserves no region {label}"))?;
    let number = |range: std::ops::Range<usize>| -> Result<u64> {
        let bytes = cells
            .value
            .get(range)
            .context("reg is not two 64-bit numbers")?;
        Ok(u64::from_be_bytes(bytes.try_into()?))
    };
    Ok((number(0..8)?, number(8..16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_names_every_region_and_gives_each_a_driver() {
        let source = overlay(&[
            Region::new("low", 0x1000_0000, 0x10_0000),
            Region::new("high", 0x1_2000_0000, 0x1000).writable(),
        ]);
        assert!(source.contains("low@10000000 { reg = <0x0 0x10000000 0x0 0x100000>;"));
        assert!(source.contains("high@120000000 { reg = <0x1 0x20000000 0x0 0x1000>;"));
        assert_eq!(source.matches("resdump,resmem").count(), 2);
        assert_eq!(source.matches("writable;").count(), 1);
    }
}
