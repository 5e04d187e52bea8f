// SPDX-License-Identifier: MIT

//! Targets that are neither files nor devices, by their names.

use std::{
    fs::{self, File},
    io,
    net::TcpStream,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    process,
};

use super::folder;
use crate::sys;

/// Most links that are followed.
const LINKS_MAX: usize = 40;

/// Where a stream goes to.
pub enum Place {
    /// Standard output: the bytes, and nothing else.
    Output,
    /// `HOST:PORT`, where `resdump receive` waits.
    Tcp(String),
}

impl Place {
    /// `None` for the path of a file or device. Standard output may also be called by a name that the
    /// kernel gives it, such as `/dev/stdout`.
    pub fn of(target: &Path) -> Option<Self> {
        if is_output(target) {
            return Some(Self::Output);
        }
        let text = target.to_str()?;
        match (text, text.strip_prefix("tcp:")) {
            ("-", _) => Some(Self::Output),
            (_, Some(address)) => Some(Self::Tcp(address.into())),
            _ => None,
        }
    }

    /// Opens it; `EADDRNOTAVAIL` and the like where nothing listens, `EBADF` where this program was
    /// started without a standard output.
    pub fn connect(&self) -> io::Result<File> {
        let descriptor: OwnedFd = match self {
            Self::Output => {
                sys::standard::output()?;
                io::stdout().as_fd().try_clone_to_owned()?
            }
            Self::Tcp(address) => TcpStream::connect(address.as_str())?.into(),
        };
        Ok(descriptor.into())
    }

    /// Whether what goes there is framed, with a header and a trailer.
    pub fn is_framed(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }
}

/// Whether a path leads to this process's descriptor 1, and not merely to the same file.
fn is_output(path: &Path) -> bool {
    let own = PathBuf::from(format!("/proc/{}/fd", process::id()));
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Ok(folder) = fs::canonicalize(folder::of(&path)) else {
            return false;
        };
        let Some(name) = path.file_name() else {
            return false;
        };
        if folder == own {
            return name == "1";
        }
        match fs::read_link(&path) {
            Ok(to) => path = folder.join(to),
            Err(_) => return false,
        }
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
                matches!(Place::of(name.as_ref()), Some(Place::Output)),
                "{name}"
            );
        }
        assert!(matches!(Place::of(&link), Some(Place::Output)));
        for name in [
            "./-",
            "/dev/stdin",
            "/dev/stderr",
            "1",
            "/proc/1/fd/1",
            "tcp",
        ] {
            assert!(Place::of(name.as_ref()).is_none(), "{name}");
        }
    }
}
