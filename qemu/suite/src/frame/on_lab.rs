// SPDX-License-Identifier: MIT
//! How a board behind the commands of a lab file is started for a bed, and what the tests may do there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use board::Lab;
use board::devicetree::Region;
use board::firmware::{self, cannot_reserve};
use host::paths::Paths;
use machine::guest::Guest;
use machine::lab::{self, Start};
use machine::medium::{self, TOOLS};
use machine::scratch::take_scratch_disk;

use super::bed::{Bed, board, image};
use super::folders::{below, name_of_start};
use super::regions;
use super::running::Running;

/// The medium is written once in a run.
static WRITTEN: AtomicBool = AtomicBool::new(false);

/// Starts the board for a bed.
pub fn start(bed: Bed, lab: &Lab) -> Result<Running> {
    let paths = Paths::discover()?;
    let board = board(&paths)?;
    let image = image(&paths, &board, bed.flavour())?;
    let folder = paths.fresh_out(&below(&board, &name_of_start(bed)))?;
    let regions = own_regions(bed, board.page());
    let medium = match WRITTEN.load(Ordering::SeqCst) {
        true => None,
        false => Some(medium::make(&image, &folder)?),
    };
    let how = Start {
        medium: medium.as_deref(),
        extra: &firmware::command_line(&regions)?,
    };
    let mut guest = lab::start(lab, &board, &image, &folder, &how)?;
    WRITTEN.store(true, Ordering::SeqCst);
    match prepare(&mut guest, lab, &regions) {
        Ok((bases, sizes, content)) => Ok(Running {
            guest,
            disks: None,
            sizes,
            content,
            page: board.page(),
            board,
            bed,
            folder,
            bases,
        }),
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    }
}

/// The regions of a bed that the kernel can reserve, besides the one that the board has.
fn own_regions(bed: Bed, page: u64) -> Vec<Region> {
    let mut regions = regions::of(bed, page).unwrap_or_default();
    regions.retain(|region| cannot_reserve(region).is_none() && region.driver_label() != "capture");
    regions
}

type Prepared = (
    BTreeMap<String, u64>,
    BTreeMap<String, u64>,
    BTreeMap<String, Vec<u8>>,
);

/// From the shell's first prompt to where tests may begin: bases, sizes and known content of the regions.
fn prepare(guest: &mut Guest, lab: &Lab, regions: &[Region]) -> Result<Prepared> {
    guest.check(&format!(
        "export PATH=$PATH:{TOOLS} DATA=$(sed -n 's/ \\/data .*//p' /proc/mounts)"
    ))?;
    take_scratch_disk(guest, lab)?;
    let content = fill(guest, regions)?;
    let said: Value = serde_json::from_str(&guest.check("resdump list --json")?)?;
    let (mut bases, mut sizes) = (BTreeMap::new(), BTreeMap::new());
    for region in said["regions"].as_array().context("no list of regions")? {
        let text = |name: &str| region[name].as_str().map(str::to_owned);
        let label = text("label").context("a region without a label")?;
        let number = |name: &str| region[name].as_u64().context("a region without a place");
        bases.insert(label.clone(), number("base")?);
        sizes.insert(label, number("size")?);
    }
    for region in regions {
        let label = region.driver_label();
        ensure!(
            sizes.get(label) == Some(&region.size),
            "the board has no region {label} of {} bytes: {said}",
            region.size
        );
    }
    Ok((bases, sizes, content))
}

/// Puts known content into the suite's own regions, none of which repeats itself.
fn fill(guest: &mut Guest, regions: &[Region]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut fills = Vec::new();
    let mut content = BTreeMap::new();
    for (index, region) in regions.iter().enumerate() {
        let label = region.driver_label().to_owned();
        let file = format!("/data/{label}.fill");
        let first = 1 + 4_000_000 * index as u64;
        let size = region.size;
        guest.check_within(
            &format!("seq {first} {} | head -c {size} >{file}", first + size),
            300,
        )?;
        content.insert(label.clone(), counted(first, size)?);
        fills.push((label, file));
    }
    for command in firmware::filling(&fills) {
        guest.check(&command)?;
    }
    if !fills.is_empty() {
        guest.check("rm /data/*.fill")?;
    }
    Ok(content)
}

/// What `seq` prints from a number on, `size` bytes of it.
fn counted(first: u64, size: u64) -> Result<Vec<u8>> {
    let size = usize::try_from(size)?;
    let mut bytes = Vec::with_capacity(size + 16);
    let mut number = first;
    while bytes.len() < size {
        bytes.extend(format!("{number}\n").bytes());
        number += 1;
    }
    bytes.truncate(size);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boards_own_region_is_not_reserved_again() {
        let own = own_regions(Bed::Low, 4096);
        let labels: Vec<&str> = own.iter().map(Region::driver_label).collect();
        assert_eq!(labels, ["odd", "scratch"]);
        assert!(own_regions(Bed::Disk, 4096).is_empty());
    }

    #[test]
    fn known_content_is_what_seq_prints() {
        assert_eq!(counted(9, 7).unwrap(), b"9\n10\n11");
    }
}
