// SPDX-License-Identifier: MIT

//! `resdump list`: the regions below `/dev/resmem`.
//!
//! ```text
//! LABEL    BASE                SIZE               ACCESS     ENGINES
//! capture  0x0000000010000000  67108864 (64 MiB)  read-only  kernel,mmap
//! ```

use std::{io::Write, path::Path};

use serde::Serialize;

use crate::{
    console::{self, Console},
    devicetree::{self, TREE},
    engine::{self, Name},
    error::Result,
    exit_codes::ExitCode,
    size,
    source::{self, DIRECTORY, Region, Source},
};

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Debug, Serialize)]
struct Entry {
    label: String,
    base: u64,
    size: u64,
    page_size: u32,
    writable: bool,
    engines: Vec<Name>,
    abi: u32,
    /// Of its node; the region is the first.
    reg_entries: usize,
}

#[derive(Debug, Serialize)]
struct Listing {
    regions: Vec<Entry>,
}

/// Runs `list`.
pub fn run(_args: &Args, console: &Console) -> Result<ExitCode> {
    let labels = source::labels(Path::new(DIRECTORY));
    if labels.is_empty() {
        return Err(source::none_found());
    }
    let regions = labels
        .iter()
        .map(|label| Region::open(label).map(|region| Entry::of(&region)))
        .collect::<Result<Vec<_>>>()?;
    if console.is_json() {
        console.object(&Listing { regions }, None)?;
    } else {
        console.text(|out| table(&regions, out))?;
        for region in regions.iter().filter(|region| region.reg_entries > 1) {
            console::say(format_args!(
                "{}: its reg has {} entries, and the kernel reserves the first only: give each a node of its own",
                region.label, region.reg_entries
            ));
        }
    }
    Ok(ExitCode::Ok)
}

impl Entry {
    fn of(region: &Region) -> Self {
        Self {
            label: region.name().into(),
            base: region.base(),
            size: region.size(),
            page_size: region.page_size(),
            writable: region.writable(),
            engines: engine::candidates(region),
            abi: region.abi(),
            reg_entries: devicetree::reg_entries_at(Path::new(TREE), region.base()),
        }
    }
}

fn table(regions: &[Entry], out: &mut dyn Write) -> std::io::Result<()> {
    let rows: Vec<[String; 5]> = regions
        .iter()
        .map(|region| {
            let engines: Vec<_> = region.engines.iter().map(|name| name.as_str()).collect();
            [
                region.label.clone(),
                format!("{:#018x}", region.base),
                size::display(region.size),
                if region.writable {
                    "writable"
                } else {
                    "read-only"
                }
                .into(),
                engines.join(","),
            ]
        })
        .collect();
    console::columns(&["LABEL", "BASE", "SIZE", "ACCESS", "ENGINES"], &rows, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_addresses_have_64_bits() {
        let entry = |label: &str, base, size, writable| Entry {
            label: label.into(),
            base,
            size,
            page_size: 4096,
            writable,
            engines: vec![Name::Kernel, Name::Mmap],
            abi: 1,
            reg_entries: 1,
        };
        let regions = [
            entry("capture", 0x1000_0000, 64 << 20, false),
            entry("a", 0xf_c000_0000, 5 << 30, true),
        ];
        let mut out = Vec::new();
        table(&regions, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
LABEL    BASE                SIZE                ACCESS     ENGINES
capture  0x0000000010000000  67108864 (64 MiB)   read-only  kernel,mmap
a        0x0000000fc0000000  5368709120 (5 GiB)  writable   kernel,mmap
"
        );
    }
}
