// SPDX-License-Identifier: MIT

//! Targets that are neither files nor devices, by their names.

use std::{
    fs::File,
    io,
    net::TcpStream,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

/// Where a stream goes to.
pub enum Place {
    /// Standard output: the bytes, and nothing else.
    Output,
    /// `HOST:PORT`, where `resdump receive` waits.
    Tcp(String),
}

impl Place {
    /// `None` for the path of a file or device.
    pub fn of(target: &Path) -> Option<Self> {
        let text = target.to_str()?;
        match (text, text.strip_prefix("tcp:")) {
            ("-", _) => Some(Self::Output),
            (_, Some(address)) => Some(Self::Tcp(address.into())),
            _ => None,
        }
    }

    /// Opens it; `EADDRNOTAVAIL` and the like where nothing listens.
    pub fn connect(&self) -> io::Result<File> {
        let descriptor: OwnedFd = match self {
            Self::Output => io::stdout().as_fd().try_clone_to_owned()?,
            Self::Tcp(address) => TcpStream::connect(address.as_str())?.into(),
        };
        Ok(descriptor.into())
    }

    /// Whether what goes there is framed, with a header and a trailer.
    pub fn is_framed(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }
}
