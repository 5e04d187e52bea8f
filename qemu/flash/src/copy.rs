// SPDX-License-Identifier: MIT
//! Bytes onto a medium, and back from it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use rustix::fs::{Advice, fadvise};

/// Bytes moved at a time.
const CHUNK: usize = 4 << 20;

/// Writes all of `source` to the start of `target`; it is on the medium when this returns.
pub fn write(source: &mut File, target: &mut File, bar: &ProgressBar) -> Result<()> {
    source.rewind()?;
    target.rewind()?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = fill(source, &mut buffer)?;
        if count == 0 {
            break;
        }
        target.write_all(&buffer[..count])?;
        // As it goes, so that the bar shows the medium and not the page cache.
        target.sync_data()?;
        bar.inc(count as u64);
    }
    target.sync_all()?;
    Ok(())
}

/// Compares the start of `target`, as it is on the medium, with all of `source`.
pub fn verify(source: &mut File, target: &mut File, bar: &ProgressBar) -> Result<()> {
    // What the page cache holds is what was written, not what arrived.
    fadvise(&*target, 0, None, Advice::DontNeed)?;
    source.rewind()?;
    target.rewind()?;
    let (mut wanted, mut found) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut at = 0;
    loop {
        let count = fill(source, &mut wanted)?;
        if count == 0 {
            return Ok(());
        }
        target.read_exact(&mut found[..count])?;
        let pairs = wanted[..count].iter().zip(&found[..count]);
        if let Some(index) = pairs.clone().position(|(one, other)| one != other) {
            let differ = pairs.filter(|(one, other)| one != other).count();
            bail!(
                "byte {:#x} is {:#04x} instead of {:#04x}, {differ} of the {count} bytes from {at:#x} on \
                 differ: the medium is bad, or another process writes to it",
                at + index,
                found[index],
                wanted[index]
            );
        }
        at += count;
        bar.inc(count as u64);
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        match file.read(&mut buffer[have..])? {
            0 => break,
            count => have += count,
        }
    }
    Ok(have)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_did_not_arrive_is_found() {
        let mut source = tempfile::tempfile().unwrap();
        let mut target = tempfile::tempfile().unwrap();
        source.write_all(&vec![7; CHUNK + 5]).unwrap();
        write(&mut source, &mut target, &ProgressBar::hidden()).unwrap();
        verify(&mut source, &mut target, &ProgressBar::hidden()).unwrap();
        target.seek(io::SeekFrom::Start(CHUNK as u64 + 3)).unwrap();
        target.write_all(&[8]).unwrap();
        let error = verify(&mut source, &mut target, &ProgressBar::hidden()).unwrap_err();
        assert!(
            error.to_string().contains("byte 0x400003 is 0x08"),
            "{error}"
        );
    }
}
