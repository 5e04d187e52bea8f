// SPDX-License-Identifier: MIT

//! Targets that are neither files nor devices, by their names.

use std::{
    fs::{self, File},
    io,
    os::fd::AsFd,
    path::Path,
    process,
};

use super::folder;
use crate::{address::Address, error::Result, sys};

/// Most links that are followed.
const LINKS_MAX: usize = 40;

/// Where a stream goes to.
#[derive(Clone, Debug)]
pub enum Place {
    /// Standard output: the bytes, and nothing else.
    Output,
    /// Where `resdump receive` waits.
    Tcp(Address),
}

impl Place {
    /// `None` for the path of a file or device. Standard output may also be called by a name that the
    /// kernel gives it, such as `/dev/stdout`. An address that cannot be one is refused.
    pub fn of(target: &Path) -> Result<Option<Self>> {
        if is_output(target) {
            return Ok(Some(Self::Output));
        }
        match target.to_str() {
            Some(text) => Ok(Address::to_connect(text)?.map(Self::Tcp)),
            None => Ok(None),
        }
    }
}

/// Standard output; `EBADF` where this program was started without.
pub fn output() -> io::Result<File> {
    sys::standard::output()?;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

/// Whether a path stands for standard output: it is `-`, or leads to this process's descriptor 1, and not
/// merely to the same file.
pub fn is_output(path: &Path) -> bool {
    if path == Path::new("-") {
        return true;
    }
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Some(name) = path.file_name() else {
            return false;
        };
        // The kernel's name for it is a link as well.
        let Ok(to) = fs::read_link(&path) else {
            return false;
        };
        let Ok(folder) = fs::canonicalize(folder::of(&path)) else {
            return false;
        };
        if folder == Path::new(&format!("/proc/{}/fd", process::id())) {
            return name == "1";
        }
        path = folder.join(to);
    }
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn standard_output_has_several_names_and_a_file_that_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("/dev/fd/1", &link).unwrap();
        for name in ["-", "/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"] {
            assert!(
                matches!(Place::of(name.as_ref()), Ok(Some(Place::Output))),
                "{name}"
            );
        }
        assert!(matches!(Place::of(&link), Ok(Some(Place::Output))));
        for name in [
            "./-",
            "/dev/stdin",
            "/dev/stderr",
            "1",
            "/proc/1/fd/1",
            "tcp",
        ] {
            assert!(Place::of(name.as_ref()).unwrap().is_none(), "{name}");
        }
    }
}
