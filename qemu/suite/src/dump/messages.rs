// SPDX-License-Identifier: MIT
//! What `resdump` says of a device that is in the way, word for word. `UPDATE_EXPECT=1` takes over
//! what has changed. The errors that need no device are in the dumper's own tests.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use board::Need;
use host::settings;

use crate::frame::{Case, Running, case};

/// With the ext4 disk on /mnt.
const LINES: [&str; 17] = [
    "resdump dump nosuch /dev/vda",
    "resdump load /dev/vda capture",
    "resdump load /dev/vdc scratch --length 2M",
    "resdump dump capture /dev/vdb",
    "resdump dump capture /dev/vdc",
    "resdump dump capture /dev/resmem/odd",
    "resdump dump capture /dev/vda --offset 64M --length 4096",
    "resdump dump capture /dev/vda --seek 7",
    "resdump dump capture /dev/vda --resume",
    "resdump dump capture /dev/vda --zero-skip",
    "resdump dump capture /dev/vda --keep-free 1M",
    "resdump dump capture /dev/vda --compress lz4",
    "resdump dump capture /dev/vda --engine devmem",
    "resdump dump capture /dev/vda --engine read --strict",
    "resdump dump scratch /tmp/file --strict",
    "resdump snapshot capture /dev/vda --engine kernel",
    "su nobody -c 'resdump show capture'",
];

/// The bed's regions, as the first of these names them.
const ALL: &str = "capture, odd, ring, scratch";

pub fn cases() -> Vec<Case> {
    vec![case!(Low, what_is_in_the_way_is_named, messages).needs(Need::SeveralDisks)]
}

fn messages(bed: &mut Running) -> Result<()> {
    let said = bed.mounted(|bed| {
        let mut said = String::new();
        for line in LINES {
            let output = bed.run(line)?;
            writeln!(said, "$ {line}\n{}[{}]\n", output.text, output.status)?;
        }
        Ok(said)
    })?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dump/messages.txt");
    if settings::get().update_expect {
        fs::write(&file, &said)?;
    }
    // Not every board has all of the bed's regions.
    let labels = bed.labels();
    let expected = fs::read_to_string(&file)?.replace(ALL, &labels.join(", "));
    ensure!(
        said == expected,
        "{} is\n{expected}\nand the guest says\n{said}",
        file.display()
    );
    Ok(())
}
