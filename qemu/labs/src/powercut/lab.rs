// SPDX-License-Identifier: MIT
//! What all machines of a run have in common: the image, the region and what is in it, and the disks
//! that a dump begins on.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use fastrand::Rng;

use super::plan::{FileSystem, Kind, SIZE, Variant};
use board::Board;
use board::Image;
use board::devicetree::Region;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

/// Where the region is.
const BASE: u64 = 0x1000_0000;
/// Bytes of a disk with a file system.
const DISK: u64 = 40 << 20;
/// What is left out of a dump with holes.
const HOLE: usize = 64 << 10;

/// Disks, and what an old dump's manifest says.
pub struct Base {
    /// The file system's, the raw one.
    pub disks: Vec<Arc<Vec<u8>>>,
    /// Manifest of the old dump, if there is one.
    pub old: Option<String>,
}

/// A file system, without and with old dumps.
struct Prepared {
    file_system: FileSystem,
    fresh: Arc<Vec<u8>>,
    used: Arc<Vec<u8>>,
    /// Manifest of the old dump in a file.
    file: String,
    /// Manifest of the old dump on the raw disk.
    device: String,
}

/// What all machines have in common.
pub struct Lab<'a> {
    board: &'a Board,
    image: &'a Image,
    folder: &'a Path,
    content: PathBuf,
    /// What the region holds.
    pub bytes: Vec<u8>,
    prepared: Vec<Prepared>,
    /// The raw disk, without and with an old dump.
    raw: [Arc<Vec<u8>>; 2],
}

impl<'a> Lab<'a> {
    /// Fills the region and makes the disks. The old dumps are made by the dumper, in a machine.
    pub fn prepare(
        board: &'a Board,
        image: &'a Image,
        folder: &'a Path,
        seed: u64,
    ) -> Result<Self> {
        let noise = Arc::new(content(seed.wrapping_add(1)));
        let mut lab = Self {
            board,
            image,
            folder,
            content: folder.join("content.bin"),
            bytes: content(seed),
            prepared: Vec::new(),
            raw: [Arc::clone(&noise), noise],
        };
        fs::write(&lab.content, &lab.bytes)?;
        let old = folder.join("old.bin");
        fs::write(&old, content(!seed))?;

        let raw = store(&folder.join("raw.img"), &lab.raw[0])?;
        let mut disks = vec![raw.clone()];
        for file_system in FileSystem::ALL {
            let path = folder.join(format!("{file_system:?}.img"));
            disks.push(Disk::ext4_with(&path, DISK, file_system.options())?);
            let fresh = Arc::new(fs::read(&path)?);
            lab.prepared.push(Prepared {
                file_system,
                used: Arc::clone(&fresh),
                fresh,
                file: String::new(),
                device: String::new(),
            });
        }
        let mut guest = lab.boot("old", &old, disks.clone())?;
        if let Err(error) = old_dumps(&mut guest, &mut lab.prepared) {
            bail!("{error:#}\n{}", guest.report());
        }
        guest.power_off()?;
        lab.raw[1] = Arc::new(fs::read(&raw.path)?);
        for (prepared, disk) in lab.prepared.iter_mut().zip(&disks[1..]) {
            prepared.used = Arc::new(fs::read(&disk.path)?);
        }
        Ok(lab)
    }

    /// What a dump begins on.
    pub fn base(&self, variant: &Variant) -> Result<Base> {
        let mut prepared = self.prepared.iter();
        let prepared = prepared
            .find(|it| it.file_system == variant.file_system)
            .context("no such file system")?;
        let old = match variant.kind {
            Kind::Device => &prepared.device,
            _ => &prepared.file,
        };
        let [raw, used] = &self.raw;
        Ok(if variant.existing {
            Base {
                disks: vec![Arc::clone(&prepared.used), Arc::clone(used)],
                old: Some(old.clone()),
            }
        } else {
            Base {
                disks: vec![Arc::clone(&prepared.fresh), Arc::clone(raw)],
                old: None,
            }
        })
    }

    /// A machine at its prompt, with the region and some disks. Its files are in `name`.
    pub fn start(&self, name: &str, disks: Vec<Disk>) -> Result<Guest> {
        self.boot(name, &self.content, disks)
    }

    fn boot(&self, name: &str, content: &Path, disks: Vec<Disk>) -> Result<Guest> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        let mut machine = Machine::new(self.board, self.image, &folder);
        machine.regions = Some(vec![Region::new("capture", BASE, SIZE)]);
        machine.fill("capture", content)?;
        machine.disks = disks;
        let mut guest = machine.start()?;
        // The emulated board has no clock. A file that is deleted in 1970 has a time of deletion that
        // e2fsck takes for the number of an inode.
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let ready = guest
            .wait_for_shell()
            .and_then(|_| guest.check(&format!("date -s @{now}")));
        match ready {
            Ok(_) => Ok(guest),
            Err(error) => bail!("{error:#}\n{}", guest.report()),
        }
    }
}

/// Dumps into each file system, and onto the first disk.
fn old_dumps(guest: &mut Guest, prepared: &mut [Prepared]) -> Result<()> {
    for (prepared, disk) in prepared.iter_mut().zip(["/dev/vdb", "/dev/vdc"]) {
        guest.check(&format!("mount -t ext4 {disk} /mnt"))?;
        for target in ["/mnt/dump", "/dev/vda --manifest /mnt/raw.json"] {
            guest.check(&format!(
                "resdump dump capture {target} --digest sha256 --quiet"
            ))?;
        }
        prepared.file = guest.check("cat /mnt/dump.json")?;
        prepared.device = guest.check("cat /mnt/raw.json")?;
        guest.check("umount /mnt")?;
    }
    guest.check_health(TAINT_OUT_OF_TREE)
}

/// Bytes from a seed, with holes.
fn content(seed: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut bytes = vec![0; SIZE as usize];
    for block in bytes.chunks_mut(HOLE) {
        if rng.u8(..4) > 0 {
            rng.fill(block);
        }
    }
    bytes
}

/// Writes a disk to a file, holes where it is zero.
pub fn store(path: &Path, bytes: &[u8]) -> Result<Disk> {
    let disk = Disk::empty(path, bytes.len() as u64)?;
    let mut file = File::options().write(true).open(path)?;
    for (number, block) in bytes.chunks(HOLE).enumerate() {
        if block.iter().any(|&byte| byte != 0) {
            file.seek(SeekFrom::Start((number * HOLE) as u64))?;
            file.write_all(block)?;
        }
    }
    Ok(disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_stored_as_it_is() {
        let scratch = tempfile::tempdir().unwrap();
        let mut bytes = vec![0; 5 * HOLE + 100];
        bytes[2 * HOLE + 7] = 1;
        bytes[5 * HOLE + 99] = 2;
        let disk = store(&scratch.path().join("disk"), &bytes).unwrap();
        assert_eq!(fs::read(disk.path).unwrap(), bytes);
    }

    #[test]
    fn a_region_has_holes_and_differs_from_another() {
        let bytes = content(1);
        let holes = bytes
            .chunks(HOLE)
            .filter(|it| it.iter().all(|&b| b == 0))
            .count();
        assert!(holes > 10 && holes < 60, "{holes}");
        assert_eq!(bytes, content(1));
        assert_ne!(bytes, content(!1));
    }
}
