// SPDX-License-Identifier: MIT
//! Whether kernel and driver take what a device tree reserves. The kernel ignores *all* reservations of a tree whose
//! `/reserved-memory` counts its cells differently from the root, and a node outside a bus gets no driver: both without
//! a word that a user would find.

use std::path::Path;

use anyhow::{Result, ensure};
use fdt::node::FdtNode;

use crate::devicetree::{COMPATIBLE, Cells, with_tree};

/// An error that says what is ignored in a compiled tree with its overlay, and what to write instead.
pub fn check(tree: &Path) -> Result<()> {
    with_tree(tree, |tree| {
        let (root, memory) = (Cells::of(tree, "/")?, Cells::of(tree, "/reserved-memory")?);
        ensure!(
            memory == root,
            "/reserved-memory has #address-cells = <{}> and #size-cells = <{}>, and the root of this tree has <{}> and \
             <{}>: the kernel would ignore all reservations; write the root's, and reg in as many cells",
            memory.address,
            memory.size,
            root.address,
            root.size
        );
        let ranges = tree
            .find_node("/reserved-memory")
            .and_then(|node| node.property("ranges"));
        ensure!(
            ranges.is_some(),
            "/reserved-memory has no ranges: the kernel would ignore all reservations; write 'ranges;'"
        );
        match tree.find_node("/") {
            Some(root) => drivers(&root, ""),
            None => Ok(()),
        }
    })
}

/// Looks for the driver's nodes below `node`, at `path`, which the kernel makes devices of.
fn drivers(node: &FdtNode<'_, '_>, path: &str) -> Result<()> {
    for child in node.children() {
        let here = format!("{path}/{}", child.name);
        let is = |name: &str| {
            let names = child.compatible();
            names.is_some_and(|names| names.all().any(|one| one == name))
        };
        match is("simple-bus") {
            true => drivers(&child, &here)?,
            false => outside(&child, &here)?,
        }
    }
    Ok(())
}

/// An error for a driver's node below one that is no bus.
fn outside(node: &FdtNode<'_, '_>, path: &str) -> Result<()> {
    for child in node.children() {
        let here = format!("{path}/{}", child.name);
        let names = child.compatible();
        ensure!(
            !names.is_some_and(|names| names.all().any(|name| name == COMPATIBLE)),
            "{here}: {path} is no bus (compatible = \"simple-bus\"), so the kernel would make no device of this node: move \
             it to the root, or onto a bus"
        );
        outside(&child, &here)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devicetree::{apply, compile};

    const DRIVER: &str = "resmem { compatible = \"resdump,resmem\"; memory-region = <&one>; };";

    /// What is said of an overlay with these cells (root, reserved memory) and nodes.
    fn said(root: u32, memory: u32, more: &str, nodes: &str) -> String {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        let cells = |count| format!("#address-cells = <{count}>; #size-cells = <{count}>;");
        let base = format!("/dts-v1/; / {{ {} soc {{ }}; }};", cells(root));
        compile(&base, &at("base.dtb")).unwrap();
        let reg = ["0x1000 0x1000", "0x0 0x1000 0x0 0x1000"][memory as usize - 1];
        let overlay = format!(
            "/dts-v1/; /plugin/; &{{/}} {{ reserved-memory {{ {} {more} one: one@1000 {{ reg = <{reg}>; }}; }}; {nodes} }};",
            cells(memory)
        );
        compile(&overlay, &at("over.dtbo")).unwrap();
        apply(&at("base.dtb"), &at("over.dtbo"), &at("tree.dtb")).unwrap();
        match check(&at("tree.dtb")) {
            Ok(()) => String::new(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn a_driver_at_the_root_or_on_a_bus_is_taken() {
        let bus = format!("bus {{ compatible = \"x\", \"simple-bus\"; {DRIVER} }};");
        for nodes in [DRIVER, &bus] {
            for cells in [1, 2] {
                assert_eq!(said(cells, cells, "ranges;", nodes), "");
            }
        }
    }

    #[test]
    fn cells_that_are_not_the_roots_are_refused() {
        let error = said(1, 2, "ranges;", DRIVER);
        assert!(error.contains("ignore all reservations"), "{error}");
        assert!(said(2, 2, "", DRIVER).contains("no ranges"));
    }

    #[test]
    fn a_driver_outside_a_bus_is_refused() {
        let error = said(2, 2, "ranges;", &format!("soc {{ {DRIVER} }};"));
        assert!(error.contains("/soc/resmem: /soc is no bus"), "{error}");
        let nested = format!("soc {{ deep {{ compatible = \"simple-bus\"; {DRIVER} }}; }};");
        assert!(said(2, 2, "ranges;", &nested).contains("/soc/deep/resmem"));
    }
}
