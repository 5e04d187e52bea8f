// SPDX-License-Identifier: MIT

//! `snapshot LABEL FILE`: copies a region at one moment, and writes the copy to a new file: a device that goes on filling
//! the region changes nothing in it.

use std::{env, error::Error, fs::File, io};

use resmem::{Region, abi::SNAPSHOT_MAX};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, label, path] = &arguments[..] else {
        return Err("usage: snapshot LABEL FILE".into());
    };
    let region = Region::open(label).map_err(|error| format!("{label}: {error}"))?;
    if region.size() > SNAPSHOT_MAX {
        return Err(format!("{label}: a snapshot has at most {SNAPSHOT_MAX} bytes").into());
    }
    let mut file = File::create_new(path).map_err(|error| format!("{path}: {error}"))?;
    // In memory, so that the moment is short; the disk takes its time afterwards.
    let mut copy = region.snapshot(0..region.size(), || false)?;
    let bytes = io::copy(&mut copy, &mut file).map_err(|error| format!("{path}: {error}"))?;
    file.sync_all()?;
    println!("{label}: {bytes} bytes");
    Ok(())
}
