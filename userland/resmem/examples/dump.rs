// SPDX-License-Identifier: MIT

//! `dump LABEL FILE`: writes a region to a new file, by direct I/O from the region's own pages.

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
        return Err("usage: dump LABEL FILE".into());
    };
    let region = Region::open(label).map_err(|error| format!("{label}: {error}"))?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)
        .map_err(|error| format!("{path}: {error}"))?;
    let moved = dump(&region, &file).map_err(|error| format!("{path}: {error}"))?;
    // What was moved has reached the disk, perhaps not its medium.
    file.sync_all()?;
    println!(
        "{label}: {} bytes, {} direct, {} copied",
        moved.bytes(),
        moved.direct,
        moved.copied
    );
    Ok(())
}

/// All of the region. A debugger that has a look interrupts a transfer, and that is no error.
fn dump(region: &Region, file: &File) -> Result<Moved, Box<dyn Error>> {
    let mut all = Moved::default();
    while all.bytes() < region.size() {
        let from = all.bytes();
        let moved = match region.dump(from..region.size(), file, from, Options::default()) {
            Ok(moved) => moved,
            Err(stopped) if stopped.error.raw_os_error() == Some(libc::EINTR) => stopped.moved,
            Err(stopped) => return Err(stopped.into()),
        };
        all.direct += moved.direct;
        all.copied += moved.copied;
    }
    Ok(all)
}
