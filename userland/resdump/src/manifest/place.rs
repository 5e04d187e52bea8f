// SPDX-License-Identifier: MIT

//! Where a manifest is, and what becomes of one that was there before.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use super::is_one;
use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
    output::{self, Identity, Kind, Output},
    text,
};

const SUFFIX: &str = ".json";

/// `<name>.json` next to `target`.
pub fn beside(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

/// Fails where `path`, which a user has named for the manifest of `target`, is next to another file: it would be
/// taken for the manifest of that one. `elsewhere` is what to do then.
pub fn expect_own(path: &Path, target: &Output, elsewhere: &str) -> Result<()> {
    let Some(other) = path.as_os_str().as_bytes().strip_suffix(SUFFIX.as_bytes()) else {
        return Ok(());
    };
    let other = Path::new(OsStr::from_bytes(other));
    let is_file = fs::metadata(other).is_ok_and(|it| it.is_file() && it.len() > 0);
    let own = target.identity()?;
    if !is_file || Identity::named(other).is_ok_and(|it| it.is(&own)) {
        return Ok(());
    }
    let other = text::name(other);
    Err(Error::new(
        ExitCode::Target,
        "manifest refused",
        text::name(path),
        Errno::EEXIST,
        format!("it would be taken for the manifest of {other}: {elsewhere}"),
    ))
}

/// Removes the manifests that are next to `target` and speak of what was there before, but for the one that
/// `is_kept`. A file of such a name that is not a manifest stays. Durable when this returns.
pub fn forget(target: &Output, is_kept: impl Fn(&Path) -> bool) -> Result<()> {
    if target.kind() != Kind::File {
        return Ok(());
    }
    for stale in [target.path(), target.real_path()].map(beside) {
        if !is_kept(&stale) {
            output::remove_record(&stale, is_one)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_beside_the_dump() {
        assert_eq!(
            beside(Path::new("/mnt/a.raw")),
            Path::new("/mnt/a.raw.json")
        );
    }
}
