// SPDX-License-Identifier: MIT
//! A machine's device tree: QEMU's own for the machine, kept for the next start, with the regions in it.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use board::devicetree::{self, Cells};
use board::{Placement, Tree};
use host::command::output_of;
use host::paths::Paths;
use host::settings;
use host::step::Key;

use crate::Machine;

impl Machine<'_> {
    /// Writes the machine's device tree and returns its path: what QEMU generates for this machine, or what it would
    /// read, with the regions in it.
    pub fn device_tree(&self) -> Result<PathBuf> {
        let (base, tree) = match self.board.placement() {
            Placement::Overlay(Tree::Generated) => {
                (self.generated()?, self.folder.join("machine.dtb"))
            }
            Placement::Overlay(Tree::File(name)) => (self.data_file(name)?, self.folder.join(name)),
            Placement::ReserveMem => bail!(
                "board {}: the firmware makes the device tree, nothing can be added to it",
                self.board.name
            ),
        };
        let cells = Cells::of_root(&base)?;
        let source = match (&self.nodes, &self.regions) {
            (Some(nodes), _) => Some(nodes.overlay(cells)),
            (None, Some(regions)) => {
                let mut regions = regions.clone();
                for region in &mut regions {
                    region.base += self.board.memory_base();
                }
                Some(devicetree::overlay(&regions, cells))
            }
            (None, None) => None,
        };
        let overlay = match source {
            None => self.image.file("resmem.dtbo"),
            Some(source) => {
                let overlay = self.folder.join("regions.dtbo");
                devicetree::compile(&devicetree::with_interrupts(&source, &base)?, &overlay)?;
                overlay
            }
        };
        devicetree::apply(&base, &overlay, &tree)?;
        Ok(tree)
    }

    /// What QEMU generates. That depends on the machine's shape and on the sizes of what is in memory at the start, and
    /// not on its disks.
    fn generated(&self) -> Result<PathBuf> {
        let qemu = self.board.qemu()?;
        let shape = self.shape()?;
        let mut key = self.key("generated tree")?.text(&qemu.machine);
        for argument in &shape {
            let path = Path::new(argument);
            key = match path.is_absolute() && path.is_file() {
                true => key.path(path)?,
                false => key.text(argument),
            };
        }
        kept(&key.finish(), |target| {
            let mut dump = Command::new(&qemu.program);
            let machine = &qemu.machine;
            dump.args([
                "-machine",
                &format!("{machine},dumpdtb={}", target.display()),
            ])
            .args(&shape)
            .args(["-display", "none", "-serial", "null", "-monitor", "none"]);
            output_of(&mut dump).context("QEMU did not write its device tree")?;
            Ok(())
        })
    }

    /// A file of QEMU's own data folders.
    fn data_file(&self, name: &str) -> Result<PathBuf> {
        kept(&self.key("data file")?.text(name).finish(), |target| {
            let program = &self.board.qemu()?.program;
            let folders = output_of(Command::new(program).args(["-L", "help"]))?;
            let mut files = folders.lines().map(|folder| Path::new(folder).join(name));
            let file = files
                .find(|file| file.is_file())
                .with_context(|| format!("QEMU's data folders hold no {name}: {folders}"))?;
            fs::copy(file, target)?;
            Ok(())
        })
    }

    /// A key for what comes from the emulator that is installed.
    fn key(&self, what: &str) -> Result<Key> {
        let program = &self.board.qemu()?.program;
        let path = settings::system("PATH").unwrap_or_default();
        let found = env::split_paths(&path)
            .map(|folder| folder.join(program))
            .find_map(|file| Some((fs::metadata(&file).ok()?, file)));
        let (data, file) = found.with_context(|| format!("{program} is not installed"))?;
        let (size, time) = (data.len(), (data.mtime(), data.mtime_nsec()));
        Ok(Key::new(what).text(&format!("{} {size} {time:?}", file.display())))
    }
}

/// A file that is made once for a key.
fn kept(key: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = Paths::discover()?.out.join("trees");
    let file = folder.join(format!("{key}.dtb"));
    if !file.is_file() {
        fs::create_dir_all(&folder)?;
        // Another test may make the same.
        let scratch = tempfile::tempdir_in(&folder)?;
        let partial = scratch.path().join("tree.dtb");
        make(&partial)?;
        fs::rename(partial, &file)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_once_is_kept() {
        let key = format!("test-{}", std::process::id());
        let make = |target: &Path| Ok(fs::write(target, "tree")?);
        let file = kept(&key, make).unwrap();
        let again = kept(&key, |_| bail!("made twice")).unwrap();
        assert_eq!(file, again);
        assert_eq!(fs::read_to_string(&file).unwrap(), "tree");
        fs::remove_file(file).unwrap();
        assert!(kept(&key, |_| bail!("it cannot be made")).is_err());
    }
}
