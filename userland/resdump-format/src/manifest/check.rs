// SPDX-License-Identifier: MIT

//! Reads a manifest, and looks whether it can be right.

use super::{Manifest, SCHEMA, SCHEMA_RANGES};
use crate::codec::format::Format;

/// Why a text is not a manifest that can be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Manifest {
    /// Reads a manifest. What contradicts itself is refused, and a later version by its number.
    pub fn parse(text: &[u8]) -> Result<Self, Invalid> {
        let manifest: Self = serde_json::from_slice(text)
            .map_err(|error| Invalid(newer(text).unwrap_or_else(|| error.to_string())))?;
        match manifest.contradiction() {
            Some(why) => Err(Invalid(why)),
            None => Ok(manifest),
        }
    }

    /// Why it cannot be right, if it cannot.
    fn contradiction(&self) -> Option<String> {
        let several = self.ranges.len() > 1;
        match self.schema {
            SCHEMA if self.ranges.is_empty() => {}
            SCHEMA_RANGES if several => {}
            SCHEMA | SCHEMA_RANGES => {
                return Some(format!("it has schema {}, and other fields", self.schema));
            }
            other => return Some(unknown(other.into())),
        }
        let (bytes, length) = (self.bytes, self.origin.length);
        if bytes > length || (self.complete && bytes < length) {
            return Some(format!(
                "it has {bytes} of {length} bytes, and complete is {}",
                self.complete
            ));
        }
        if self.complete && self.error.is_some() {
            return Some("it is complete, and has an error".into());
        }
        self.is_beyond_64_bits()
            .or_else(|| self.has_no_digest())
            .or_else(|| self.counts_wrong())
            .or_else(|| self.lies_elsewhere())
    }

    fn is_beyond_64_bits(&self) -> Option<String> {
        let (bytes, length) = (self.bytes, self.origin.length);
        let leaves =
            |start: u64, length: u64| start.checked_add(length.saturating_sub(1)).is_none();
        let start = self
            .origin
            .base
            .unwrap_or(0)
            .checked_add(self.origin.offset);
        let parts = self.ranges.iter();
        let is_beyond = start.is_none_or(|start| leaves(start, length))
            || leaves(self.data_offset, bytes)
            || parts
                .flat_map(|part| {
                    [
                        (part.base.unwrap_or(0), part.length),
                        (part.data_offset, part.length),
                    ]
                })
                .any(|(start, length)| leaves(start, length));
        is_beyond.then(|| "its addresses or offsets leave 64 bits".into())
    }

    fn has_no_digest(&self) -> Option<String> {
        let digest = [&self.digest, &self.headers]
            .into_iter()
            .flatten()
            .find(|it| !it.is_well_formed())?;
        Some(format!("{digest} is no digest"))
    }

    /// Every byte came in one way. Checkpoints do not count them yet, and versions that did not say whether it is
    /// durable took over what a sender had said of them.
    fn counts_wrong(&self) -> Option<String> {
        let length = self.origin.length;
        let sum = sum([self.direct, self.copied, self.skipped, self.resumed]);
        let all = self.complete && self.durable.is_some();
        let is_right = sum.is_some_and(|sum| sum == length || (sum < length && !all));
        (!is_right).then(|| {
            format!("direct, copied, skipped and resumed do not add up to its {length} bytes")
        })
    }

    /// Whether it puts the bytes where its format does not have them.
    fn lies_elsewhere(&self) -> Option<String> {
        let seek = self.seek.unwrap_or(match self.format {
            Format::Raw => self.data_offset,
            Format::Elf | Format::Lime => 0,
        });
        let is_bare = self.format == Format::Raw && self.ranges.len() < 2;
        let wrong = match self.compression {
            Some(_) if !is_bare || (seek, self.data_offset) != (0, 0) => {
                "it is compressed, and has a layout"
            }
            None if self.stored.is_some() => "it is not compressed, and has a compressed length",
            _ if seek > self.data_offset || (is_bare && seek < self.data_offset) => {
                "seek and data_offset do not fit its format"
            }
            _ => return self.has_wrong_ranges().map(Into::into),
        };
        Some(wrong.into())
    }

    fn has_wrong_ranges(&self) -> Option<&'static str> {
        let first = self.ranges.first()?;
        let is_all = sum(self.ranges.iter().map(|range| range.length)) == Some(self.origin.length);
        let is_empty = self.ranges.iter().any(|range| range.length == 0);
        if !is_all || is_empty || first.data_offset != self.data_offset {
            return Some("its ranges are not those of its length");
        }
        let base = self.origin.start().zip(first.base);
        if base.is_some_and(|(said, first)| said != first) {
            return Some("its base is not that of its first range");
        }
        let overlap = self
            .ranges
            .windows(2)
            .any(|pair| pair[0].data_offset.saturating_add(pair[0].length) > pair[1].data_offset);
        overlap.then_some("its ranges overlap in the file")
    }
}

fn sum(numbers: impl IntoIterator<Item = u64>) -> Option<u64> {
    let mut numbers = numbers.into_iter();
    numbers.try_fold(0u64, |sum, number| sum.checked_add(number))
}

/// That `text` is of another version, where that is why it cannot be read.
fn newer(text: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(text).ok()?;
    let schema = value.get("schema")?.as_u64()?;
    (schema > SCHEMA_RANGES.into()).then(|| unknown(schema))
}

fn unknown(schema: u64) -> String {
    format!("it has schema {schema}, this program knows {SCHEMA} and {SCHEMA_RANGES}")
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Origin, Part},
        *,
    };
    use crate::codec::{
        compression::Compression,
        digest::{Algorithm, Digest},
    };

    /// Address of the first byte.
    const START: u64 = 0x1000_1000;

    fn manifest() -> Manifest {
        Manifest {
            origin: Origin {
                region: "capture".into(),
                base: Some(0x1000_0000),
                offset: 4096,
                length: 8192,
            },
            format: Format::Raw,
            data_offset: 0,
            complete: true,
            bytes: 8192,
            error: None,
            direct: 8192,
            durable: Some(true),
            ..super::super::tests::manifest()
        }
    }

    fn part(base: u64, length: u64, data_offset: u64) -> Part {
        Part {
            region: None,
            base: Some(base),
            length,
            data_offset,
        }
    }

    fn digest(hex: &str) -> Option<Digest> {
        let (algorithm, hex) = (Algorithm::Crc32c, hex.into());
        Some(Digest { algorithm, hex })
    }

    #[test]
    fn a_manifest_that_contradicts_itself_is_none() {
        assert_eq!(manifest().contradiction(), None);
        type Change = fn(&mut Manifest);
        let changes: [Change; 32] = [
            |it| it.error = Some("no digest".into()),
            |it| it.bytes = 4096,
            |it| it.bytes = 8193,
            |it| (it.complete, it.bytes) = (false, 8193),
            |it| it.schema = 0,
            |it| it.schema = 2,
            |it| it.schema = 3,
            |it| it.origin.base = Some(u64::MAX - 4096),
            |it| it.origin.base = Some(u64::MAX - 4095),
            |it| {
                (it.compression, it.format) = (Some(Compression::Lz4), Format::Elf);
            },
            |it| it.ranges = vec![part(0, 4096, 0), part(8192, 4096, 4096)],
            |it| (it.schema, it.ranges) = (2, vec![part(0, 4096, 0), part(8192, 4095, 4096)]),
            |it| (it.origin.base, it.origin.offset) = (None, u64::MAX - 8190),
            |it| it.data_offset = u64::MAX - 8190,
            |it| it.digest = digest("00000000000"),
            |it| it.digest = digest("0000zz00"),
            |it| it.digest = digest(""),
            |it| it.direct = 8191,
            |it| it.copied = 1,
            |it| it.skipped = u64::MAX,
            |it| it.resumed = 4096,
            |it| (it.complete, it.bytes, it.direct) = (false, 0, 8193),
            |it| it.stored = Some(8192),
            |it| it.seek = Some(512),
            |it| (it.format, it.seek) = (Format::Elf, Some(512)),
            |it| (it.data_offset, it.seek) = (4096, Some(0)),
            |it| (it.compression, it.data_offset) = (Some(Compression::Lz4), 512),
            |it| (it.compression, it.seek) = (Some(Compression::Lz4), Some(512)),
            |it| (it.schema, it.ranges) = (2, vec![part(4096, 4096, 0), part(0, 4096, 4096)]),
            |it| (it.schema, it.ranges) = (2, vec![part(START, 4096, 0), part(0, 4096, 4095)]),
            |it| (it.schema, it.ranges) = (2, vec![part(START, 4096, 4096), part(0, 4096, 0)]),
            |it| {
                (it.schema, it.ranges) = (2, vec![part(START, 4096, 0), part(0, 4096, 4096)]);
                it.seek = Some(512);
            },
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut manifest = manifest();
            change(&mut manifest);
            assert!(manifest.contradiction().is_some(), "change {index}");
        }
        let right: [Change; 9] = [
            |it| (it.schema, it.ranges) = (2, vec![part(START, 4096, 0), part(0, 4096, 4096)]),
            |it| (it.direct, it.copied, it.skipped, it.resumed) = (1, 2, 3, 8186),
            |it| (it.complete, it.bytes, it.direct, it.resumed) = (false, 4096, 0, 4096),
            |it| (it.data_offset, it.seek) = (4096, Some(4096)),
            |it| it.data_offset = 4096,
            |it| (it.format, it.data_offset, it.seek) = (Format::Elf, 8192, Some(4096)),
            |it| (it.format, it.data_offset) = (Format::Lime, 32),
            |it| (it.compression, it.stored) = (Some(Compression::Lz4), Some(99)),
            // As a receiver of an older version wrote it.
            |it| (it.durable, it.direct) = (None, 0),
        ];
        for (index, change) in right.iter().enumerate() {
            let mut manifest = manifest();
            change(&mut manifest);
            assert_eq!(manifest.contradiction(), None, "change {index}");
        }
    }

    #[test]
    fn a_newer_schema_is_named_even_if_it_has_other_fields() {
        let error = Manifest::parse(b"{\"schema\": 9, \"whole\": true}").unwrap_err();
        assert!(error.to_string().contains("schema 9"), "{error}");
    }
}
