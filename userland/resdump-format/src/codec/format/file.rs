// SPDX-License-Identifier: MIT

//! A file as what a layout is read from.

use std::{fs::File, io};

use super::ReadAt;

#[cfg(unix)]
fn once(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn once(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        loop {
            match once(self, buffer, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // No file goes so far.
                Err(error)
                    if error.kind() == io::ErrorKind::InvalidInput && at > i64::MAX as u64 =>
                {
                    return Ok(0);
                }
                result => return result,
            }
        }
    }
}
