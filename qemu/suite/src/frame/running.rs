// SPDX-License-Identifier: MIT
//! A machine that tests share, while it runs, and what they do with it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use board::Board;
use machine::disk::Disk;
use machine::guest::{Guest, Output};

use super::bed::Bed;

/// A machine that runs, with its disks and what the host put into its regions.
pub struct Running {
    pub guest: Guest,
    /// `/dev/vda`, empty; with a system disk `/dev/vdb`, and so on.
    pub raw: Disk,
    /// `/dev/vdb`, ext4.
    pub ext4: Disk,
    /// `/dev/vdc`, empty, [`SMALL`] bytes.
    pub small: Disk,
    /// The disk that the system was started from, `/dev/vda`.
    pub system: Option<Disk>,
    /// What each region held when its first test began.
    pub content: BTreeMap<String, Vec<u8>>,
    /// Which machine it is.
    pub board: Board,
    /// Bytes of a page.
    pub page: u64,
    pub(super) bed: Bed,
    pub(super) folder: PathBuf,
    pub(super) bases: BTreeMap<String, u64>,
}

impl Running {
    /// Runs a test, after which the kernel log must be clean. A failure has the console with it.
    pub(super) fn test(&mut self, run: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let taint = self.bed.taint();
        let result = run(self).and_then(|()| self.guest.check_health(taint));
        let Err(error) = result else {
            return Ok(());
        };
        if self.bed.provokes() {
            // Onto the console, where this bed does not show it. A guest that has ended has its report all the
            // same.
            drop(self.guest.run("dmesg | tail -n 40"));
        }
        bail!("{error:#}\n{}", self.guest.report())
    }
}

impl Running {
    /// Runs a command that must succeed.
    pub fn check(&mut self, command: &str) -> Result<String> {
        self.guest.check(command)
    }

    /// Runs a command, whatever its exit status.
    pub fn run(&mut self, command: &str) -> Result<Output> {
        self.guest.run(command)
    }

    /// Makes one raw call and returns what it said: `ok …`, or the name of an error.
    pub fn probe(&mut self, call: &str) -> Result<String> {
        Ok(self.check(&format!("probe {call}"))?.trim().to_owned())
    }

    /// A raw call that must end as expected: `ok …`, or the name of an error.
    pub fn says(&mut self, call: &str, errno: &str) -> Result<()> {
        let said = self.probe(call)?;
        ensure!(said == errno, "probe {call}: {said}, expected {errno}");
        Ok(())
    }

    /// A dump with `resdump` that must succeed; returns its JSON.
    pub fn dump(&mut self, arguments: &str) -> Result<Value> {
        let text = self.check(&format!("resdump dump {arguments} --force --quiet --json"))?;
        serde_json::from_str(text.trim()).with_context(|| format!("resdump printed {text:?}"))
    }

    /// Content of a region as the host put it there.
    pub fn expected(&self, label: &str) -> Result<&[u8]> {
        match self.content.get(label) {
            Some(content) => Ok(content),
            None => bail!("no region {label}"),
        }
    }

    /// Physical address of a region of the bed's own.
    pub fn base(&self, label: &str) -> Result<u64> {
        let base = self.bases.get(label).copied();
        base.with_context(|| format!("no region {label}"))
    }

    /// Checks that a disk holds the whole content of a region at an offset.
    pub fn same_on(&self, disk: &Disk, offset: u64, label: &str) -> Result<()> {
        let expected = self.expected(label)?;
        same(&disk.read(offset, expected.len() as u64)?, expected)
    }

    /// Runs a command with the ext4 disk on /mnt, and takes it away again.
    pub fn mounted<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.check("mount -t ext4 /dev/vdb /mnt")?;
        let result = work(self);
        self.check("umount /mnt")?;
        result
    }

    /// What a path in the guest hashes to.
    pub fn sha256(&mut self, path: &str) -> Result<String> {
        let text = self.check(&format!("sha256sum {path}"))?;
        Ok(text
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned())
    }
}

/// Checks that two pieces are the same, and says where they first differ.
pub fn same(found: &[u8], expected: &[u8]) -> Result<()> {
    ensure!(
        found.len() == expected.len(),
        "{} bytes instead of {}",
        found.len(),
        expected.len()
    );
    if let Some(at) = found
        .iter()
        .zip(expected)
        .position(|(one, other)| one != other)
    {
        bail!(
            "byte {at:#x} is {:#04x} instead of {:#04x}",
            found[at],
            expected[at]
        );
    }
    Ok(())
}
