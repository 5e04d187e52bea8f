// SPDX-License-Identifier: MIT

//! What is known of a dump, in a file next to it: `<name>.json`.
//!
//! A dump is complete when its manifest can be read and says so, and not otherwise. `bytes` never says more than what was
//! durable when it was written.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::codec::{compression::Compression, digest::Digest, format::Format};

mod check;
mod system;

pub use check::Invalid;
pub use system::{Moment, System, Taken};

/// Version of the manifest. Grows when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// Version of the manifest of a dump of several ranges: `data_offset` and `bytes` alone do not say
/// where its bytes are.
pub const SCHEMA_RANGES: u32 = 2;

/// What is known of a dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Whether all of `length` is there, synced, and verified if that was asked for.
    pub complete: bool,
    /// What it was dumped from.
    #[serde(flatten)]
    pub origin: Origin,
    /// Layout of the file.
    pub format: Format,
    /// How the bytes are compressed in the file.
    #[serde(default)]
    pub compression: Option<Compression>,
    /// Bytes of the file, where they are compressed.
    #[serde(default)]
    pub stored: Option<u64>,
    /// Of a dump of a snapshot: when that was taken.
    #[serde(default)]
    pub snapshot: Option<Taken>,
    /// Where the first byte of the region is in the file or device.
    pub data_offset: u64,
    /// Where the layout begins in the file or device; not known of old manifests.
    #[serde(default)]
    pub seek: Option<u64>,
    /// Where each range is, if there are several. `bytes` and `length` are of all together, in this
    /// order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Part>,
    /// Of the bytes of the file that are the layout's and not the region's.
    #[serde(default)]
    pub headers: Option<Digest>,
    /// The contiguous prefix that was synced, in bytes.
    pub bytes: u64,
    /// Those that went by DMA from the region's own pages.
    pub direct: u64,
    /// Those that the CPU copied.
    pub copied: u64,
    /// Those that are holes, because they are zero.
    pub skipped: u64,
    /// Those that were there when the dump was resumed; not in the three before.
    pub resumed: u64,
    /// The engine.
    pub engine: String,
    /// Why that one.
    pub engine_reason: String,
    /// Of the region's bytes.
    pub digest: Option<Digest>,
    /// Whether the target was read back and found to be the same.
    pub verified: bool,
    /// Whether it survives the power: not so what is in memory. Older versions did not say.
    #[serde(default)]
    pub durable: Option<bool>,
    /// Why it is not complete.
    pub error: Option<String>,
    /// Version of the program that wrote it.
    pub tool: String,
    /// Revision of the module's ABI; 0 for a dump of a saved file.
    pub abi: u32,
    /// Where it was made.
    pub system: System,
    /// When it was begun.
    pub started: Moment,
    /// When this was written.
    pub written: Moment,
}

/// What tells one dump from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Label of the region, or path of the saved file.
    pub region: String,
    /// Physical address of the region's first byte.
    pub base: Option<u64>,
    /// First byte of the dump within the region.
    pub offset: u64,
    /// Bytes of the dump.
    pub length: u64,
}

/// One of several ranges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Label of its region, where it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Physical address of its first byte.
    pub base: Option<u64>,
    /// Its bytes.
    pub length: u64,
    /// Where its first byte is in the file or device.
    pub data_offset: u64,
}

impl Origin {
    /// Physical address of the first byte of the dump.
    pub fn start(&self) -> Option<u64> {
        self.base?.checked_add(self.offset)
    }
}

impl Manifest {
    /// Of a dump of `origin` that the program `tool` begins `now`: nothing is there yet.
    pub fn begin(origin: Origin, format: Format, tool: &str, system: &System, now: Moment) -> Self {
        Self {
            schema: SCHEMA,
            complete: false,
            origin,
            format,
            compression: None,
            stored: None,
            snapshot: None,
            data_offset: 0,
            seek: None,
            ranges: Vec::new(),
            headers: None,
            bytes: 0,
            direct: 0,
            copied: 0,
            skipped: 0,
            resumed: 0,
            engine: String::new(),
            engine_reason: String::new(),
            digest: None,
            verified: false,
            durable: Some(false),
            error: Some("begun".into()),
            tool: tool.into(),
            abi: 0,
            system: system.clone(),
            started: now,
            written: now,
        }
    }

    /// What the note of an ELF file says: what is known before the end.
    pub fn note(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Note<'a> {
            schema: u32,
            #[serde(flatten)]
            origin: &'a Origin,
            #[serde(skip_serializing_if = "<[Part]>::is_empty")]
            ranges: &'a [Part],
            tool: &'a str,
            abi: u32,
            system: &'a System,
            written: Moment,
        }
        let note = Note {
            schema: self.schema,
            origin: &self.origin,
            ranges: &self.ranges,
            tool: &self.tool,
            abi: self.abi,
            system: &self.system,
            written: self.written,
        };
        serde_json::to_vec(&note).unwrap_or_default()
    }

    /// Says where each range is: nothing for one range, which `data_offset` says already.
    pub fn set_ranges(&mut self, ranges: Vec<Part>) {
        let several = ranges.len() > 1;
        self.schema = if several { SCHEMA_RANGES } else { SCHEMA };
        self.ranges = if several { ranges } else { Vec::new() };
    }

    /// The part of the file or device that holds the dump so far.
    pub fn data(&self) -> Range<u64> {
        // What was read does not leave 64 bits.
        self.data_offset..self.data_offset.saturating_add(self.bytes)
    }
}

/// Whether `text` is a manifest, of this version or another.
pub fn is_one(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "that they are there is what counts")]
    struct Common {
        schema: u32,
        complete: bool,
        region: String,
        bytes: u64,
        tool: String,
    }
    serde_json::from_slice::<Common>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn manifest() -> Manifest {
        let origin = Origin {
            region: "capture".into(),
            base: Some(0xf_c000_0000),
            offset: 4096,
            length: 8192,
        };
        Manifest {
            data_offset: 8192,
            abi: 1,
            ..Manifest::begin(
                origin,
                Format::Elf,
                "0",
                &System::default(),
                Moment::default(),
            )
        }
    }

    #[test]
    fn the_region_and_its_range_are_at_the_top_level() {
        let json = serde_json::to_value(manifest()).unwrap();
        assert_eq!(json["region"], "capture");
        assert_eq!(json["base"], 0xf_c000_0000u64);
        assert_eq!(json["complete"], false);
        assert_eq!(json["format"], "elf");
    }

    #[test]
    fn one_of_another_version_is_a_manifest_and_other_json_is_not() {
        let mut json = serde_json::to_value(manifest()).unwrap();
        assert!(is_one(json.to_string().as_bytes()));
        json["schema"] = 9.into();
        json["new"] = "x".into();
        assert!(is_one(json.to_string().as_bytes()));
        for text in [
            "",
            "{}",
            "[]",
            "{\"mine\": 1}",
            "{\"schema\": 1, \"complete\": true}",
        ] {
            assert!(!is_one(text.as_bytes()), "{text}");
        }
    }
}
