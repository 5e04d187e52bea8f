// SPDX-License-Identifier: MIT

//! `load LABEL FILE`: fills a region from a file, from its first byte on, by direct I/O into the region's own pages.

use std::{
    env,
    error::Error,
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
};

use resmem::{Moved, Options, Region};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, label, path] = &arguments[..] else {
        return Err("usage: load LABEL FILE".into());
    };
    let region = Region::open_writable(label).map_err(|error| format!("{label}: {error}"))?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)
        .map_err(|error| format!("{path}: {error}"))?;
    let length = file.metadata()?.len();
    if length > region.size() {
        return Err(format!("{path}: {length} bytes, and {label} has {}", region.size()).into());
    }
    let moved = load(&region, &file, length).map_err(|error| format!("{path}: {error}"))?;
    println!(
        "{label}: {} bytes, {} direct, {} copied",
        moved.bytes(),
        moved.direct,
        moved.copied
    );
    Ok(())
}

/// All of the file. A debugger that has a look interrupts a transfer, and that is no error.
fn load(region: &Region, file: &File, length: u64) -> Result<Moved, Box<dyn Error>> {
    let mut all = Moved::default();
    while all.bytes() < length {
        let from = all.bytes();
        let moved = match region.load(from..length, file, from, Options::default()) {
            Ok(moved) => moved,
            Err(stopped) if stopped.error.raw_os_error() == Some(libc::EINTR) => stopped.moved,
            Err(stopped) => return Err(stopped.into()),
        };
        all.direct += moved.direct;
        all.copied += moved.copied;
    }
    Ok(all)
}
