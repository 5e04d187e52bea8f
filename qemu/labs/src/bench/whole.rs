// SPDX-License-Identifier: MIT
//! What a user does, start to end: a dump onto a raw disk or into a file, with all that belongs to it, next to the
//! other programs that could.

use anyhow::Result;
use serde::Serialize;

use super::LABEL;
use super::cost::metered;
use machine::guest::Guest;

/// Where a dump goes to.
const TARGETS: [(&str, &str); 2] = [("raw disk", "/dev/vda"), ("ext4 file", "/mnt/dump")];

/// Bytes that are dumped by the program itself, up to the region.
const SIZES: [u64; 6] = [4 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 1 << 30];

/// What is measured with all of the region; `{}` is the target.
const PEERS: [(&str, &str); 6] = [
    (
        "registered ordinary memory",
        "probe ordinary {} --chunk 0x1000000 --length {length}",
    ),
    (
        "resdump --engine read",
        "resdump dump {region} {} --engine read --force --quiet",
    ),
    (
        "dd, direct",
        "dd if=/dev/resmem/{region} of={} bs=1M oflag=direct conv=fsync,notrunc",
    ),
    (
        "dd, buffered",
        "dd if=/dev/resmem/{region} of={} bs=1M conv=fsync,notrunc",
    ),
    ("cat", "sh -c \"cat /dev/resmem/{region} >{} && sync\""),
    ("cp", "sh -c \"cp /dev/resmem/{region} {} && sync\""),
];

/// A program from its start to its end, everything counted.
#[derive(Clone, Debug, Serialize)]
pub struct Whole {
    /// Which one.
    pub program: String,
    /// Onto what.
    pub target: &'static str,
    /// Bytes.
    pub bytes: u64,
    /// Guest instructions.
    pub instructions: f64,
}

/// Measures the program with every size, and the peers with all of the region, if it is not too large for those
/// that copy.
pub fn whole(guest: &mut Guest, size: u64) -> Result<Vec<Whole>> {
    guest.check("mount -t ext4 -o noatime /dev/vdb /mnt")?;
    let mut found = vec![Whole {
        program: "resdump --version".to_owned(),
        target: "-",
        bytes: 0,
        instructions: metered(guest, "resdump --version", 9)?,
    }];
    for (target, path) in TARGETS {
        let mut add = |program: &str, command: &str, bytes, rounds| -> Result<()> {
            found.push(Whole {
                program: program.to_owned(),
                target,
                bytes,
                instructions: metered(guest, command, rounds)?,
            });
            Ok(())
        };
        for bytes in SIZES.into_iter().filter(|bytes| *bytes <= size) {
            let command = format!("resdump dump {LABEL} {path} --force --quiet --length {bytes}");
            add("resdump", &command, bytes, 9)?;
        }
        if size > 64 << 20 {
            continue;
        }
        for (program, command) in PEERS {
            let command = command
                .replace("{}", path)
                .replace("{region}", LABEL)
                .replace("{length}", &size.to_string());
            // As a raw disk has it, which nothing truncates.
            let command = match path.starts_with("/dev") && program == "cp" {
                true => continue,
                false => command,
            };
            add(program, &command, size, 2)?;
        }
    }
    Ok(found)
}
