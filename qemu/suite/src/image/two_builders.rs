// SPDX-License-Identifier: MIT
//! The two image builders make the same thing: compared where both have left an image.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use board::image::Manifest;
use host::paths::Paths;
use machine::disk::Disk;

use crate::frame::{self, Case};

/// Kernel options in which the two may differ: what the compilers are, what follows from that, and
/// what Buildroot sets by itself.
const MAY_DIFFER: [&str; 12] = [
    "AS_",
    "BINDGEN_VERSION",
    "BUILDTIME_TABLE_SORT",
    "CC_",
    "CLANG_",
    "GCC_",
    "HAVE_DYNAMIC_FTRACE_NO_PATCHABLE",
    "LD_",
    "PAHOLE_",
    "PPC_DISABLE_WERROR",
    "PPC_WERROR",
    "RUSTC_",
];

/// The folders of a flavour's images: the quick one's, Buildroot's.
type Folders = [PathBuf; 2];

/// A test of each kind for each flavour, left out unless both images exist.
pub fn cases() -> Vec<Case> {
    /// A comparison, for both flavours.
    macro_rules! compared {
        ($name:ident, $check:expr) => {
            ["appliance", "lab"].map(|flavour| {
                let run = move || $check(&folders(flavour)?);
                let case = Case::host(module_path!(), stringify!($name), run);
                case.of(flavour).flavour(flavour).unless(missing(flavour))
            })
        };
    }
    [
        compared!(the_kernels_are_configured_alike, kernels),
        compared!(both_are_made_of_the_same_sources, same_sources),
        compared!(both_consist_of_the_same_files, same_files),
        compared!(the_disks_are_laid_out_alike, same_layout),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Which image of a flavour there is not, if so.
fn missing(flavour: &str) -> Option<String> {
    let folders = folders(flavour).ok()?;
    let missing = folders
        .iter()
        .find(|folder| !folder.join("manifest.json").is_file())?;
    Some(format!("no image in {}", missing.display()))
}

fn folders(flavour: &str) -> Result<Folders> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let folder = |builder: &str| paths.out.join(builder).join(&board.name).join(flavour);
    Ok(["quick", "buildroot"].map(folder))
}

fn manifests(folders: &Folders) -> Result<[Manifest; 2]> {
    Ok([Manifest::read(&folders[0])?, Manifest::read(&folders[1])?])
}

/// Options that are set, by name; those that are not set and those that do not exist are alike.
fn options(config: &str) -> BTreeMap<&str, &str> {
    config
        .lines()
        .filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='))
        .filter(|(name, _)| !MAY_DIFFER.iter().any(|prefix| name.starts_with(prefix)))
        .collect()
}

/// Both kernels are configured alike.
fn kernels(folders: &Folders) -> Result<()> {
    let [quick, buildroot] = [0, 1].map(|at| fs::read_to_string(folders[at].join("linux.config")));
    let (quick, buildroot) = (quick?, buildroot?);
    let (quick, buildroot) = (options(&quick), options(&buildroot));
    let names: BTreeSet<_> = quick.keys().chain(buildroot.keys()).collect();
    let differences: Vec<String> = names
        .into_iter()
        .filter(|name| quick.get(*name) != buildroot.get(*name))
        .map(|name| {
            let value = |of: &BTreeMap<&str, &str>| of.get(name).copied().unwrap_or("n").to_owned();
            format!("{name}: {} / {}", value(&quick), value(&buildroot))
        })
        .collect();
    ensure!(
        differences.is_empty(),
        "quick / buildroot:\n{}",
        differences.join("\n")
    );
    Ok(())
}

/// Module, dumper and overlay come from the same sources.
fn same_sources(folders: &Folders) -> Result<()> {
    let [quick, buildroot] = manifests(folders)?;
    ensure!(
        quick.sources == buildroot.sources,
        "quick: {:?}\nbuildroot: {:?}\nbuild both again: make quick-image, make image",
        quick.sources,
        buildroot.sources
    );
    Ok(())
}

/// Both leave the same files.
fn same_files(folders: &Folders) -> Result<()> {
    let [quick, buildroot] = manifests(folders)?;
    let names = |manifest: &Manifest| manifest.files.keys().cloned().collect::<Vec<_>>();
    let (quick, buildroot) = (names(&quick), names(&buildroot));
    ensure!(quick == buildroot, "{quick:?} / {buildroot:?}");
    Ok(())
}

/// Both disk images have the same partition table, and the same files on the boot partition.
fn same_layout(folders: &Folders) -> Result<()> {
    let layout = |folder: &PathBuf| -> Result<(Vec<u8>, Vec<String>)> {
        let disk = Disk {
            path: folder.join("sdcard.img"),
            offset: 0,
            options: String::new(),
        };
        // The disk signature, two reserved bytes, four entries.
        let table = disk.read(440, 6 + 4 * 16)?;
        Ok((table, disk.partition(1)?.list_ext4("/")?))
    };
    let (quick, buildroot) = (layout(&folders[0])?, layout(&folders[1])?);
    ensure!(quick == buildroot, "{quick:x?} / {buildroot:x?}");
    ensure!(quick.1.iter().any(|name| name == "boot.scr"), "{quick:?}");
    Ok(())
}
