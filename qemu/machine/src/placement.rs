// SPDX-License-Identifier: MIT
//! How regions get into a machine, and what the host puts into them: by the device tree, where they are known before the
//! start, or reserved by the kernel, wherever there is room.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use board::devicetree::{self, Region};
use board::{Placement, Tree, firmware};

use crate::guest::Guest;
use crate::{Boot, Machine};

impl Machine<'_> {
    /// Gives the machine regions of its own instead of the board's, without those that it cannot have.
    pub fn set_regions(&mut self, mut regions: Vec<Region>) {
        if *self.board.placement() == Placement::ReserveMem {
            regions.retain(|region| firmware::cannot_reserve(region).is_none());
        }
        self.regions = Some(regions);
    }

    /// Where the board's own region is, from the beginning of the memory on, if that is known before it
    /// runs, and its size.
    pub fn own_region(&self, label: &str) -> Result<(Option<u64>, u64)> {
        if let Placement::Overlay(_) = self.board.placement() {
            let (base, size) = devicetree::reserved_region(&self.device_tree()?, label)?;
            let base = base.checked_sub(self.board.memory_base());
            return Ok((Some(base.context("a region below the memory")?), size));
        }
        let line = self.board.conf.cmdline.as_deref().unwrap_or_default();
        let size = firmware::reserved_size(line, label)
            .with_context(|| format!("CMDLINE reserves no MiB for {label}: {line}"))?;
        Ok((None, size))
    }

    /// Makes a region hold a file's bytes when the shell is there. The machine's own regions, if any,
    /// have been set.
    pub fn fill(&mut self, label: &str, file: &Path) -> Result<()> {
        let base = match (&self.regions, self.board.placement()) {
            (_, Placement::ReserveMem) => None,
            (None, _) => self.own_region(label)?.0,
            (Some(regions), _) => {
                let region = regions.iter().find(|one| one.driver_label() == label);
                Some(region.with_context(|| format!("no region {label}"))?.base)
            }
        };
        match base {
            Some(base) => self.loads.push((file.to_path_buf(), base)),
            None => self.fills.push((file.to_path_buf(), label.to_owned())),
        }
        Ok(())
    }

    /// Physical addresses of the machine's own regions: as its device tree has them, or, where the kernel chose, as
    /// the driver lists them.
    pub fn bases(&self, guest: &mut Guest) -> Result<BTreeMap<String, u64>> {
        let Some(regions) = &self.regions else {
            return Ok(BTreeMap::new());
        };
        if let Placement::Overlay(_) = self.board.placement() {
            let memory = self.board.memory_base();
            let base = |region: &Region| (region.driver_label().to_owned(), memory + region.base);
            return Ok(regions.iter().map(base).collect());
        }
        let said: Value = serde_json::from_str(&guest.check("resdump list --json")?)?;
        let listed = said["regions"].as_array().context("no list of regions")?;
        let base = |region: &Value| {
            Some((
                region["label"].as_str()?.to_owned(),
                region["base"].as_u64()?,
            ))
        };
        let bases: Option<_> = listed.iter().map(base).collect();
        bases.with_context(|| format!("a region without a label or a base: {said}"))
    }

    /// What the kernel's command line says of the regions.
    pub(crate) fn placement_words(&self) -> Result<String> {
        match (&self.regions, self.board.placement()) {
            (None, _) => Ok(self.board.conf.cmdline.clone().unwrap_or_default()),
            (Some(regions), Placement::ReserveMem) => firmware::command_line(regions),
            (Some(_), Placement::Overlay(_)) => Ok(String::new()),
        }
    }

    /// Arguments that make the machine use its device tree.
    pub(crate) fn tree_arguments(&self) -> Result<Vec<String>> {
        if self.boot == Boot::Loader {
            return Ok(Vec::new());
        }
        let words = match self.board.placement() {
            Placement::ReserveMem => {
                ensure!(
                    self.loads.is_empty() || self.firmware.is_some(),
                    "board {}: a region's place is not known before the kernel runs",
                    self.board.name
                );
                return Ok(Vec::new());
            }
            // The folder in which QEMU looks first.
            Placement::Overlay(Tree::File(_)) => {
                self.device_tree()?;
                ["-L".to_owned(), self.folder.display().to_string()]
            }
            Placement::Overlay(Tree::Generated) => {
                let tree = self.device_tree()?;
                ["-dtb".to_owned(), tree.display().to_string()]
            }
        };
        Ok(words.to_vec())
    }

    /// What is typed when the shell is there.
    pub(crate) fn preparation(&self) -> Vec<String> {
        let names = ('a'..='z').skip(self.disks.len());
        let fills: Vec<_> = self
            .fills
            .iter()
            .zip(names)
            .map(|((_, label), name)| (label.clone(), format!("/dev/vd{name}")))
            .collect();
        firmware::filling(&fills)
    }
}
