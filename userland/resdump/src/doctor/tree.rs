// SPDX-License-Identifier: MIT

//! The module's nodes in the device tree: which of them are devices, and which of these the module has taken.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use super::Finding;
use crate::devicetree::{self, TREE};

/// What the kernel made of the tree, and of the module.
const SYSFS: &str = "/sys";

/// One finding for the nodes that are as they should be, and one for each other; none where there is no tree.
pub fn findings() -> Vec<Finding> {
    of(Path::new(TREE), Path::new(SYSFS))
}

fn of(tree: &Path, sysfs: &Path) -> Vec<Finding> {
    let devices = devices(&sysfs.join("bus/platform/devices"));
    let loaded = sysfs.join("bus/platform/drivers/resmem").exists();
    let (mut good, mut findings) = (Vec::new(), Vec::new());
    for node in devicetree::nodes(tree) {
        let name = format!("/{}", node.strip_prefix(tree).unwrap_or(&node).display());
        if !devicetree::is_enabled(&node) {
            good.push(format!("{name} (disabled)"));
        } else if let Some((errno, detail)) = problem(tree, &node, &devices, loaded) {
            findings.push(Finding::bad(format!("node {name}"), errno, detail));
        } else {
            good.push(name);
        }
    }
    if !good.is_empty() {
        findings.insert(0, Finding::good("device tree", good.join(", ")));
    }
    findings
}

/// Each device that is one of the tree's nodes, and that node's folder.
fn devices(folder: &Path) -> Vec<(PathBuf, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let with_node = |device: PathBuf| {
        let node = fs::canonicalize(device.join("of_node")).ok()?;
        Some((device, node))
    };
    entries
        .filter_map(|entry| with_node(entry.path()))
        .collect()
}

/// What is wrong with an enabled node, if anything is.
fn problem(
    tree: &Path,
    node: &Path,
    devices: &[(PathBuf, PathBuf)],
    loaded: bool,
) -> Option<(Errno, String)> {
    let real = fs::canonicalize(node).unwrap_or_default();
    let device = devices.iter().find(|(_, its)| *its == real);
    let detail = match device {
        _ if !loaded => "the module is not loaded: modprobe resmem",
        None if node.parent() == Some(tree) => {
            "the module made no device of it: see the kernel log"
        }
        None => {
            "the kernel made no device of it, for its parent is no bus: move it to the root, or give its parent \
             compatible = \"simple-bus\" and ranges"
        }
        Some((device, _)) if !device.join("driver").exists() => {
            "the module refused it, and the kernel log says why: dmesg | grep resmem"
        }
        Some(_) => return second_entry(tree, node).map(|detail| (Errno::ERANGE, detail)),
    };
    Some((Errno::ENODEV, detail.into()))
}

fn second_entry(tree: &Path, node: &Path) -> Option<String> {
    let regions = devicetree::regions(tree, node);
    let several = |region: &&PathBuf| devicetree::reg_entries(tree, region) > 1;
    let region = regions.iter().find(several)?;
    Some(format!(
        "reg of {} has {} entries, and the kernel reserves the first only: give each a node of its own",
        region.file_name().unwrap_or_default().to_string_lossy(),
        devicetree::reg_entries(tree, region)
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::devicetree::tests::{make, tree};

    const OURS: (&str, &[u8]) = ("compatible", b"resdump,resmem\0");

    /// What is said of the node, whose device is there, and bound.
    fn said(node: &str, properties: &[(&str, &[u8])], device: bool, bound: bool) -> Finding {
        let tree = tree();
        make(tree.path(), node, &[OURS]);
        make(tree.path(), node, properties);
        let sysfs = tempfile::tempdir().unwrap();
        let driver = sysfs.path().join("bus/platform/drivers/resmem");
        fs::create_dir_all(&driver).unwrap();
        let devices = sysfs.path().join("bus/platform/devices");
        let own = devices.join("resmem");
        fs::create_dir_all(if device { &own } else { &devices }).unwrap();
        if device {
            symlink(tree.path().join(node), own.join("of_node")).unwrap();
        }
        if bound {
            symlink(&driver, own.join("driver")).unwrap();
        }
        let mut findings = of(tree.path(), sysfs.path());
        assert_eq!(findings.len(), 1);
        let finding = findings.remove(0);
        match finding.ok {
            true => assert!(finding.detail.starts_with(&format!("/{node}"))),
            false => assert_eq!(finding.check, format!("node /{node}")),
        }
        finding
    }

    #[test]
    fn what_the_module_has_taken_is_good() {
        let names: (&str, &[u8]) = ("memory-region", &[0, 0, 0, 1]);
        assert!(said("bus/resmem", &[names], true, true).ok);
    }

    #[test]
    fn a_node_off_any_bus_is_explained() {
        let finding = said("soc/resmem", &[], false, false);
        assert!(!finding.ok && finding.detail.contains("simple-bus"));
        let finding = said("resmem", &[], false, false);
        assert!(!finding.ok && !finding.detail.contains("simple-bus"));
    }

    #[test]
    fn a_node_that_was_refused_points_to_the_log() {
        let finding = said("bus/resmem", &[], true, false);
        assert!(!finding.ok && finding.detail.contains("dmesg"));
    }

    #[test]
    fn a_disabled_node_is_not_missed() {
        let finding = said("resmem", &[("status", b"disabled\0")], false, false);
        assert!(finding.ok && finding.detail == "/resmem (disabled)");
    }

    #[test]
    fn a_second_entry_is_reported() {
        let names: (&str, &[u8]) = ("memory-region", &[0, 0, 0, 1, 0, 0, 0, 2]);
        let finding = said("resmem", &[names], true, true);
        assert!(!finding.ok && finding.detail.starts_with("reg of two@0 has 2 entries"));
    }

    #[test]
    fn a_module_that_is_not_loaded_comes_first() {
        let tree = tree();
        make(tree.path(), "resmem", &[OURS]);
        let findings = of(tree.path(), Path::new("/nowhere"));
        assert!(findings[0].detail.contains("modprobe"));
    }
}
