// SPDX-License-Identifier: MIT

//! Which users may read what was in memory.
//!
//! A file that is made is for its owner (0600). One that was there keeps owner and group. Of its mode it
//! keeps what owner and group may do; the world's rights go. A file that was empty had no content to choose
//! rights for, as what a shell makes by `> FILE`: it becomes 0600.

#![forbid(unsafe_code)]

use std::{
    fs::{File, Metadata, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::Path,
};

use nix::errno::Errno;

use crate::{
    advice::Doing,
    error::{Error, Result, errno_of},
    text,
};

/// The mode that a file that was there gets.
fn tightened(metadata: &Metadata) -> u32 {
    let kept = match metadata.len() {
        0 => 0o700,
        _ => 0o770,
    };
    metadata.mode() & kept
}

/// Takes rights to `file` away before something is written to it. File systems without rights of their
/// own keep what their mount says.
pub(super) fn tighten(file: &File, path: &Path) {
    let tightened = file.metadata().and_then(|metadata| {
        let (mode, wanted) = (metadata.mode() & 0o7777, tightened(&metadata));
        if mode != wanted {
            log::warn!(
                "{}: its mode was {mode:03o} and is {wanted:03o} now: it holds what was in memory",
                text::name(path)
            );
            file.set_permissions(Permissions::from_mode(wanted))?;
        }
        Ok(())
    });
    if let Err(error) = tightened {
        log::warn!("{}: its mode stays: {error}", text::name(path));
    }
}

/// Gives `new`, which is to take the name of `old`, its owner, its group and what is left of its mode.
pub(super) fn copy(old: &File, new: &File, path: &Path) -> Result<()> {
    let failed = |error: io::Error| {
        Error::during(
            Doing::OpenTarget,
            "cannot open target",
            text::name(path),
            &error,
        )
    };
    let (before, now) = (
        old.metadata().map_err(failed)?,
        new.metadata().map_err(failed)?,
    );
    if (before.uid(), before.gid()) != (now.uid(), now.gid()) {
        fchown(new, Some(before.uid()), Some(before.gid())).map_err(|error| {
            let error = match errno_of(&error) {
                // What it would be the owner of is another's.
                Errno::EINVAL | Errno::EOPNOTSUPP => Errno::EPERM.into(),
                _ => error,
            };
            failed(error)
        })?;
    }
    let wanted = tightened(&before);
    if now.mode() & 0o7777 != wanted
        && let Err(error) = new.set_permissions(Permissions::from_mode(wanted))
    {
        log::warn!("{}: its mode is not kept: {error}", text::name(path));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_world_has_no_rights_to_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (content, before, after) in [
            ("", 0o644, 0o600),
            ("", 0o600, 0o600),
            ("old", 0o644, 0o640),
            ("old", 0o664, 0o660),
            ("old", 0o600, 0o600),
            ("old", 0o400, 0o400),
        ] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            let file = File::open(&path).unwrap();
            let other = tempfile::tempfile().unwrap();
            copy(&file, &other, &path).unwrap();
            tighten(&file, &path);
            for file in [file, other] {
                let mode = file.metadata().unwrap().mode() & 0o7777;
                assert_eq!(mode, after, "{before:o} {content}");
            }
            fs::remove_file(&path).unwrap();
        }
    }
}
