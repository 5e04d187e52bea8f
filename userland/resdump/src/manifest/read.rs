// SPDX-License-Identifier: MIT

//! Reads a manifest, and looks whether it can be right.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{errno::Errno, libc};

use super::{Manifest, SCHEMA, SCHEMA_RANGES};
use crate::{
    advice::Doing,
    codec::format::Format,
    error::{Error, Result},
    exit_codes::ExitCode,
    output::RECORD_MAX as SIZE_MAX,
    text,
};

impl Manifest {
    /// Reads a manifest. `Ok(None)` when there is none. Anything but a regular file of at most 16 MiB
    /// is refused before it is read, and what contradicts itself after that.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Error::during(
                    Doing::OpenSource,
                    "cannot read manifest",
                    text::name(path),
                    &error,
                ));
            }
        };
        let text = text.map_err(|kind| invalid(path, kind))?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| newer(&text).unwrap_or_else(|| error.to_string()))
            .map_err(|advice| invalid(path, advice))?;
        match manifest.contradiction() {
            Some(advice) => Err(invalid(path, advice)),
            None => Ok(Some(manifest)),
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
        let leaves =
            |start: u64, length: u64| start.checked_add(length.saturating_sub(1)).is_none();
        let start = self
            .origin
            .base
            .unwrap_or(0)
            .checked_add(self.origin.offset);
        let parts = self.ranges.iter();
        if start.is_none_or(|start| leaves(start, length))
            || leaves(self.data_offset, bytes)
            || parts
                .flat_map(|part| {
                    [
                        (part.base.unwrap_or(0), part.length),
                        (part.data_offset, part.length),
                    ]
                })
                .any(|(start, length)| leaves(start, length))
        {
            return Some("its addresses or offsets leave 64 bits".into());
        }
        if let Some(digest) = [&self.digest, &self.headers]
            .into_iter()
            .flatten()
            .find(|it| !it.is_well_formed())
        {
            return Some(format!("{digest} is no digest"));
        }
        if several {
            let sum = self
                .ranges
                .iter()
                .try_fold(0u64, |sum, range| sum.checked_add(range.length));
            let is_empty = self.ranges.iter().any(|range| range.length == 0);
            if sum != Some(length) || is_empty || self.ranges[0].data_offset != self.data_offset {
                return Some("its ranges are not those of its length".into());
            }
        }
        if self.compression.is_some() && (self.format != Format::Raw || several) {
            return Some("it is compressed, and has a layout".into());
        }
        None
    }
}

/// Reads a manifest; the inner error is what is wrong with the file.
fn read(path: &Path) -> io::Result<std::result::Result<Vec<u8>, String>> {
    const OTHER: &str = "it is not a regular file";
    // To open a device can do something, to open a pipe waits.
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(Errno::EISDIR.into());
    }
    if !kind.is_file() {
        return Ok(Err(OTHER.into()));
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(Err(OTHER.into()));
    }
    let mut text = Vec::new();
    file.take(SIZE_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > SIZE_MAX {
        return Ok(Err(format!("it has more than {SIZE_MAX} bytes")));
    }
    Ok(Ok(text))
}

fn invalid(path: &Path, advice: String) -> Error {
    Error::new(
        ExitCode::Incomplete,
        "not a manifest",
        text::name(path),
        Errno::EBADMSG,
        advice,
    )
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
    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::{super::Part, *};
    use crate::codec::digest::{Algorithm, Digest};
    use crate::manifest::Origin;

    fn manifest() -> Manifest {
        let origin = Origin {
            region: "capture".into(),
            base: Some(0x1000_0000),
            offset: 4096,
            length: 8192,
        };
        let mut manifest = Manifest::begin(origin, Format::Raw, 0, 1);
        (manifest.complete, manifest.bytes) = (true, 8192);
        manifest.error = None;
        manifest
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
        let changes: [Change; 17] = [
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
                (it.compression, it.format) = (
                    Some(crate::codec::compression::Compression::Lz4),
                    Format::Elf,
                )
            },
            |it| it.ranges = vec![part(0, 4096, 0), part(8192, 4096, 4096)],
            |it| (it.schema, it.ranges) = (2, vec![part(0, 4096, 0), part(8192, 4095, 4096)]),
            |it| (it.origin.base, it.origin.offset) = (None, u64::MAX - 8190),
            |it| it.data_offset = u64::MAX - 8190,
            |it| it.digest = digest("00000000000"),
            |it| it.digest = digest("0000zz00"),
            |it| it.digest = digest(""),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut manifest = manifest();
            change(&mut manifest);
            assert!(manifest.contradiction().is_some(), "change {index}");
        }
        let mut several = manifest();
        (several.schema, several.ranges) = (2, vec![part(0, 4096, 0), part(8192, 4096, 4096)]);
        assert_eq!(several.contradiction(), None);
    }

    #[test]
    fn what_is_not_a_regular_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        for path in [&fifo, Path::new("/dev/zero")] {
            let error = Manifest::load(path).unwrap_err();
            assert_eq!(error.code, ExitCode::Incomplete, "{error}");
        }
    }

    #[test]
    fn a_large_file_is_not_read_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        fs::File::create(&path)
            .and_then(|file| file.set_len(2 << 30))
            .unwrap();
        let error = Manifest::load(&path).unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
    }

    #[test]
    fn a_newer_schema_is_named_even_if_it_has_other_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        fs::write(&path, "{\"schema\": 9, \"whole\": true}").unwrap();
        let error = Manifest::load(&path).unwrap_err();
        assert!(error.to_string().contains("schema 9"), "{error}");
    }
}
