// SPDX-License-Identifier: MIT

//! The device tree as the kernel shows it: the module's nodes, and the regions that they name.

#![forbid(unsafe_code)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the kernel shows the tree.
pub const TREE: &str = "/proc/device-tree";

const COMPATIBLE: &[u8] = b"resdump,resmem";
const RESERVED: &str = "reserved-memory";

/// Folders of the nodes that the module is compatible with, anywhere in `tree`.
pub fn nodes(tree: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![tree.to_owned()]);
    while let Some(node) = left.pop() {
        left.extend(children(&node));
        let compatible = property(&node, "compatible");
        if compatible
            .split(|byte| *byte == 0)
            .any(|it| it == COMPATIBLE)
        {
            found.push(node);
        }
    }
    found.sort();
    found
}

/// Whether `node` is not disabled.
pub fn is_enabled(node: &Path) -> bool {
    matches!(&*property(node, "status"), b"" | b"okay\0" | b"ok\0")
}

/// Folders of the regions that `node` names.
pub fn regions(tree: &Path, node: &Path) -> Vec<PathBuf> {
    let named = property(node, "memory-region");
    let is_named = |region: &PathBuf| {
        let phandle = property(region, "phandle");
        phandle.len() == 4 && named.chunks(4).any(|one| one == phandle)
    };
    let mut regions = children(&tree.join(RESERVED));
    regions.retain(is_named);
    regions
}

/// Number of entries of the `reg` of a region's node. The kernel reserves the first only.
pub fn reg_entries(tree: &Path, region: &Path) -> usize {
    let entry = 4 * (cells(tree, "#address-cells") + cells(tree, "#size-cells"));
    property(region, "reg").len() / entry.max(1)
}

/// The same of the region whose first entry is at physical address `base`; 1 where no node has that.
pub fn reg_entries_at(tree: &Path, base: u64) -> usize {
    let regions = children(&tree.join(RESERVED));
    let region = regions.iter().find(|region| is_at(tree, region, base));
    region.map_or(1, |region| reg_entries(tree, region))
}

/// A property of the module's node whose region's first entry is at physical address `base`; 0 where there is none.
pub fn number_at(tree: &Path, base: u64, name: &str) -> u64 {
    let names = |node: &&PathBuf| {
        let regions = regions(tree, node);
        regions.iter().any(|region| is_at(tree, region, base))
    };
    let nodes = nodes(tree);
    let mut ours = nodes.iter().filter(|node| is_enabled(node)).filter(names);
    ours.find_map(|node| Some(property(node, name)).filter(|value| !value.is_empty()))
        .map_or(0, |value| number(&value))
}

/// Whether the first entry of a region is at physical address `base`.
fn is_at(tree: &Path, region: &Path, base: u64) -> bool {
    let address = 4 * cells(tree, "#address-cells");
    let reg = property(region, "reg");
    address > 0 && reg.get(..address).is_some_and(|it| number(it) == base)
}

fn cells(tree: &Path, name: &str) -> usize {
    // No tree has more than three; a larger number would overflow below.
    (number(&property(&tree.join(RESERVED), name)) as usize).min(4)
}

fn number(cells: &[u8]) -> u64 {
    cells
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Empty where there is none.
fn property(node: &Path, name: &str) -> Vec<u8> {
    fs::read(node.join(name)).unwrap_or_default()
}

fn children(node: &Path) -> Vec<PathBuf> {
    let mut children: Vec<PathBuf> = fs::read_dir(node)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    children.sort();
    children
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Makes a node with properties below `tree`.
    pub(crate) fn make(tree: &Path, node: &str, properties: &[(&str, &[u8])]) {
        let folder = tree.join(node);
        fs::create_dir_all(&folder).unwrap();
        for (name, value) in properties {
            fs::write(folder.join(name), value).unwrap();
        }
    }

    /// A tree with a region of one entry (1, at 4 GiB) and one of two (2).
    pub(crate) fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let two: &[u8] = &[0, 0, 0, 2];
        let cells = [("#address-cells", two), ("#size-cells", two)];
        make(tree.path(), RESERVED, &cells);
        let one = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0];
        let region = |name: &str, phandle: u8, reg: &[u8]| {
            let node = format!("{RESERVED}/{name}");
            make(
                tree.path(),
                &node,
                &[("phandle", &[0, 0, 0, phandle]), ("reg", reg)],
            );
        };
        region("one@100000000", 1, &one);
        region("two@0", 2, &[0; 32]);
        tree
    }

    #[test]
    fn nodes_are_found_where_they_are() {
        let tree = tree();
        let ours: (&str, &[u8]) = ("compatible", b"some,thing\0resdump,resmem\0");
        make(tree.path(), "bus/resmem", &[ours]);
        make(tree.path(), "resmem", &[ours, ("status", b"disabled\0")]);
        make(
            tree.path(),
            "other",
            &[("compatible", b"resdump,resmem2\0")],
        );
        let nodes = nodes(tree.path());
        let wanted = ["bus/resmem", "resmem"].map(|name| tree.path().join(name));
        assert_eq!(nodes, wanted);
        assert!(is_enabled(&nodes[0]) && !is_enabled(&nodes[1]));
    }

    #[test]
    fn entries_of_a_region_are_counted() {
        let tree = tree();
        let names: (&str, &[u8]) = ("memory-region", &[0, 0, 0, 2, 0, 0, 0, 9]);
        make(tree.path(), "resmem", &[names]);
        let regions = regions(tree.path(), &tree.path().join("resmem"));
        assert_eq!(regions, [tree.path().join("reserved-memory/two@0")]);
        assert_eq!(reg_entries(tree.path(), &regions[0]), 2);
        assert_eq!(reg_entries_at(tree.path(), 0), 2);
        assert_eq!(reg_entries_at(tree.path(), 1 << 32), 1);
        assert_eq!(reg_entries_at(tree.path(), 77), 1);
    }

    #[test]
    fn what_the_node_of_a_region_says_is_found() {
        let tree = tree();
        let ours: (&str, &[u8]) = ("compatible", b"resdump,resmem\0");
        let rate: (&str, &[u8]) = ("resdump,max-rate", &[0, 0, 1, 0]);
        let region = |phandle: &'static [u8]| ("memory-region", phandle);
        let (one, two) = (region(&[0, 0, 0, 1]), region(&[0, 0, 0, 2]));
        let disabled: (&str, &[u8]) = ("status", b"disabled\0");
        make(tree.path(), "old", &[ours, rate, two, disabled]);
        make(tree.path(), "adc", &[ours, rate, one]);
        make(tree.path(), "dac", &[ours, two]);
        let at = |base, name| number_at(tree.path(), base, name);
        assert_eq!(at(1 << 32, "resdump,max-rate"), 256);
        assert_eq!(at(1 << 32, "resdump,lead-bytes"), 0);
        assert_eq!(at(0, "resdump,max-rate"), 0);
        assert_eq!(at(77, "resdump,max-rate"), 0);
    }

    #[test]
    fn a_machine_without_a_tree_has_nothing() {
        let none = Path::new("/nowhere");
        assert!(nodes(none).is_empty());
        assert_eq!(reg_entries_at(none, 0), 1);
    }
}
