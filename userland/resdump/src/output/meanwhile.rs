// SPDX-License-Identifier: MIT

//! What another program may do to a file while it is written: truncate it, remove it, put another in its
//! place. Nothing forbids that, so nothing is promised before it has been looked for.

use std::{fs, fs::File, io, os::unix::fs::MetadataExt, path::Path};

use nix::errno::Errno;

use crate::{
    advice::Doing,
    error::{Error, Result, errno_of},
    exit_codes::ExitCode,
    span::Span,
    sys, text,
};

/// Which parts of a file may be holes after it was written.
#[derive(Clone, Copy)]
pub enum Holes<'a> {
    /// Any.
    Anywhere,
    /// Those of which this says that the source has zeros there, given offset and length from the start of
    /// the dump: some file systems keep zeros so.
    ForZeros(&'a dyn Fn(u64, u64) -> Result<bool>),
    /// None.
    Nowhere,
}

/// Fails unless `path` still names the open `file`.
pub(super) fn is_named(file: &File, path: &Path) -> Result<()> {
    let inspect = |error: io::Error| {
        Error::during(
            Doing::OpenTarget,
            "cannot inspect target",
            text::name(path),
            &error,
        )
    };
    let open = file.metadata().map_err(inspect)?;
    let errno = match fs::metadata(path) {
        Ok(named) if (named.dev(), named.ino()) == (open.dev(), open.ino()) => return Ok(()),
        Ok(_) => Errno::ESTALE,
        Err(error) => errno_of(&error),
    };
    Err(changed(
        path,
        errno,
        "it was removed, renamed or replaced meanwhile",
    ))
}

/// Fails unless `data` of the open `file` is there, `path` being its name.
///
/// What was cut off before something was written behind it is a hole that must not be.
pub(super) fn check(file: &File, path: &Path, data: Span, holes: Holes<'_>) -> Result<()> {
    is_named(file, path)?;
    let end = data.offset + data.length;
    reaches(file, path, end)?;
    let mut rest = data;
    while let Some(hole) = sys::file::hole(file, rest) {
        let stands = match holes {
            Holes::Anywhere => return Ok(()),
            Holes::ForZeros(is_zero) => is_zero(hole.offset - data.offset, hole.length)?,
            Holes::Nowhere => false,
        };
        if !stands {
            return Err(cut(path, hole.offset));
        }
        rest.offset = hole.offset + hole.length;
        rest.length = end - rest.offset;
    }
    Ok(())
}

/// Fails unless the open `file` has `end` bytes or more, `path` being its name.
pub(super) fn reaches(file: &File, path: &Path, end: u64) -> Result<()> {
    let metadata = file.metadata().map_err(|error| {
        Error::during(
            Doing::OpenTarget,
            "cannot inspect target",
            text::name(path),
            &error,
        )
    })?;
    match metadata.len() {
        length if length < end => Err(cut(path, length)),
        _ => Ok(()),
    }
}

fn cut(path: &Path, at: u64) -> Error {
    let advice = format!("it was truncated meanwhile, at byte {at:#x}");
    changed(path, Errno::ENODATA, &advice)
}

fn changed(path: &Path, errno: Errno, what: &str) -> Error {
    Error::new(
        ExitCode::Mismatch,
        "target was changed meanwhile",
        text::name(path),
        errno,
        format!("{what}: start again with --force"),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::source::{How, Saved, Source};

    const SIZE: u64 = 4 << 20;

    /// A folder with a file of random bytes but for `zeros`, and a copy that is open.
    fn copy(zeros: std::ops::Range<usize>) -> (tempfile::TempDir, Saved, File) {
        let folder = tempfile::TempDir::new_in(".").unwrap();
        let mut bytes: Vec<u8> = (0..SIZE as u32).map(|n| (n / 7) as u8 | 1).collect();
        bytes[zeros].fill(0);
        fs::write(folder.path().join("source"), &bytes).unwrap();
        fs::write(folder.path().join("copy"), &bytes).unwrap();
        let source = Saved::open(&folder.path().join("source"), &How::default()).unwrap();
        let file = File::options().write(true).open(folder.path().join("copy"));
        (folder, source, file.unwrap())
    }

    fn look(folder: &tempfile::TempDir, source: &Saved, file: &File) -> Result<()> {
        let data = Span {
            offset: 0,
            length: SIZE,
        };
        let is_zero = |offset, length| source.is_zero(offset, length);
        let holes = Holes::ForZeros(&is_zero);
        check(file, &folder.path().join("copy"), data, holes)
    }

    #[test]
    fn what_was_not_touched_is_there() {
        let (folder, source, file) = copy(0..0);
        look(&folder, &source, &file).unwrap();
    }

    #[test]
    fn what_was_cut_is_missed_also_where_something_follows() {
        let (folder, source, file) = copy(0..0);
        file.set_len(SIZE - 1).unwrap();
        let error = look(&folder, &source, &file).unwrap_err();
        assert_eq!(
            (error.code, error.errno),
            (ExitCode::Mismatch, Errno::ENODATA)
        );
        file.set_len(1 << 20).unwrap();
        file.write_all_at(&[1; 1 << 20], 3 << 20).unwrap();
        let error = look(&folder, &source, &file).unwrap_err();
        assert!(error.advice.contains("at byte 0x100000"), "{error}");
    }

    #[test]
    fn zeros_may_be_holes() {
        let (folder, source, file) = copy(1 << 20..3 << 20);
        let mut behind = vec![0; 1 << 20];
        source.read_at(&mut behind, 3 << 20).unwrap();
        file.set_len(1 << 20).unwrap();
        file.write_all_at(&behind, 3 << 20).unwrap();
        look(&folder, &source, &file).unwrap();
    }

    #[test]
    fn another_file_of_that_name_is_not_it() {
        let (folder, source, file) = copy(0..0);
        let path = folder.path().join("copy");
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        let error = look(&folder, &source, &file).unwrap_err();
        assert_eq!(error.errno, Errno::ENOENT);
        fs::copy(folder.path().join("source"), &path).unwrap();
        let error = look(&folder, &source, &file).unwrap_err();
        assert_eq!(error.errno, Errno::ESTALE);
    }
}
