// SPDX-License-Identifier: MIT

//! Reads a manifest, and looks whether it can be right.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{errno::Errno, libc};

use resdump_format::manifest::Manifest;

use crate::{
    advice::Doing,
    error::{Error, Result},
    exit_codes::ExitCode,
    output::RECORD_MAX as SIZE_MAX,
    text,
};

/// Reads a manifest. `Ok(None)` when there is none. Anything but a regular file of at most 16 MiB
/// is refused before it is read, and what contradicts itself after that.
pub fn load(path: &Path) -> Result<Option<Manifest>> {
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
    Manifest::parse(&text)
        .map(Some)
        .map_err(|error| invalid(path, error.0))
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

#[cfg(test)]
mod tests {
    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn what_is_not_a_regular_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        for path in [&fifo, Path::new("/dev/zero")] {
            let error = load(path).unwrap_err();
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
        let error = load(&path).unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        fs::write(&path, "{\"schema\": 9, \"whole\": true}").unwrap();
        let error = load(&path).unwrap_err();
        assert!(error.to_string().contains("schema 9"), "{error}");
    }
}
