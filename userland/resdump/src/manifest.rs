// SPDX-License-Identifier: MIT

//! What is known of a dump, in a file next to it: `<name>.json`.
//!
//! It is also the journal that `--resume` goes by: `bytes` never says more than what was durable
//! when it was written. A dump is complete when its manifest can be read and says so, and not
//! otherwise.

#![forbid(unsafe_code)]

use std::path::Path;

pub use resdump_format::manifest::{Manifest, Origin, Part, SCHEMA, SCHEMA_RANGES, is_one};

use crate::{
    advice::Doing,
    codec::format::Format,
    error::{Error, Result},
    output::{Claim, Identity, Record, Weight},
    system, text,
};

mod place;
mod read;

pub use place::{beside, expect_own, forget};
pub use read::load;

/// Of a dump of `origin` that is about to begin.
pub fn begin(origin: Origin, format: Format, data_offset: u64, abi: u32) -> Manifest {
    let (tool, system) = (env!("CARGO_PKG_VERSION"), system::current());
    Manifest {
        data_offset,
        abi,
        ..Manifest::begin(origin, format, tool, &system, system::now())
    }
}

/// Puts it in place of what is there: it is on the disk when this returns. There is room for another then, unless
/// it is the `last`. See [`Record::store`] for what a power cut leaves.
pub fn store(manifest: &mut Manifest, record: &mut Record, last: bool) -> Result<()> {
    manifest.written = system::now();
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| {
        Error::during(
            Doing::Manifest,
            "cannot write manifest",
            text::name(record.path()),
            &error.into(),
        )
    })?;
    text.push(b'\n');
    let weight = match (last, manifest.bytes) {
        (true, _) => Weight::Last,
        (false, 0) => Weight::Nothing,
        (false, _) => Weight::Promise,
    };
    record.store(&text, weight)
}

/// Takes `path` for the manifest of a dump, while what is `taken` is read and written. With `force`, for a
/// path that a person has named, what is there need not be a manifest. `elsewhere` is what to do where it
/// cannot be there.
pub fn claim(
    path: &Path,
    taken: &[Identity],
    force: bool,
    elsewhere: &'static str,
) -> Result<Record> {
    Record::claim(&Claim {
        path,
        taken,
        force,
        elsewhere,
        is_record: is_one,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::exit_codes::ExitCode;

    fn manifest() -> Manifest {
        let origin = Origin {
            region: "capture".into(),
            base: Some(0xf_c000_0000),
            offset: 4096,
            length: 5 << 30,
        };
        begin(origin, Format::Elf, 8192, 1)
    }

    #[test]
    fn it_is_read_as_it_was_written_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let mut manifest = manifest();
        manifest.bytes = 3 << 30;
        let mut record = claim(&path, &[], false, "").unwrap();
        store(&mut manifest, &mut record, false).unwrap();
        assert_eq!(load(&path).unwrap(), Some(manifest.clone()));
        (manifest.complete, manifest.bytes) = (true, 5 << 30);
        (manifest.direct, manifest.error) = (5 << 30, None);
        store(&mut manifest, &mut record, true).unwrap();
        assert_eq!(load(&path).unwrap(), Some(manifest));
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn none_is_not_an_error_and_nonsense_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        assert_eq!(load(&path).unwrap(), None);
        fs::write(&path, "{\"schema\": 1, \"complete\": tr").unwrap();
        let error = load(&path).unwrap_err();
        assert_eq!(error.code, ExitCode::Incomplete);
    }
}
