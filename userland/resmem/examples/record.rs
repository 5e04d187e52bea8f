// SPDX-License-Identifier: MIT

//! `record LABEL FILE BYTES`: writes a ring that a device fills to a file, and proves each chunk, or names the bytes of it
//! that may have been overwritten while the disk read them: wait, check, write, check again.

use std::{
    env,
    error::Error,
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    sync::Arc,
    time::Duration,
};

use resmem::{Region, RegionRing};

/// Bytes of a request.
const CHUNK: u64 = 256 << 10;
/// Requests in flight.
const DEPTH: u32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, label, path, bytes] = &arguments[..] else {
        return Err("usage: record LABEL FILE BYTES".into());
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)?;
    let region = Arc::new(Region::open(label)?);
    if !region.size().is_multiple_of(CHUNK) {
        return Err(format!("{label}: its ring is no multiple of {CHUNK} bytes").into());
    }
    let (from, written, suspect) = record(&region, &Arc::new(file), bytes.parse()?)?;
    println!("from {from}: {written} bytes, {suspect} of them suspect");
    Ok(())
}

/// Writes at least `bytes`; where they begin in the stream, how many were written, and how many of them are not proven.
fn record(
    region: &Arc<Region>,
    file: &Arc<File>,
    bytes: u64,
) -> Result<(u64, u64, u64), Box<dyn Error>> {
    let mut ring = RegionRing::new(region, 0..region.size(), DEPTH)?;
    let first = region.position()?;
    // The first byte that is not in memory yet, where the disk can begin: at a chunk of the ring.
    let begin = first.position.next_multiple_of(CHUNK);
    let end = begin + bytes.next_multiple_of(CHUNK);
    let (mut next, mut suspect) = (begin, 0);
    let mut flying = [None; DEPTH as usize];
    let mut in_flight = 0;
    while next < end || in_flight > 0 {
        // Check: is there a chunk that the device has written, all of it?
        let now = region.position()?;
        if now.breaks != first.breaks {
            return Err("the position was lost: what was written meanwhile is not known".into());
        }
        let is_there = now.position.saturating_sub(now.lag) >= next + CHUNK;
        if next < end
            && is_there
            && let Some(slot) = ring.free()
        {
            let offset = next % region.size();
            ring.write(slot, offset, CHUNK as u32, file, next - begin)?;
            flying[slot] = Some(next);
            (next, in_flight) = (next + CHUNK, in_flight + 1);
            continue;
        }
        // Wait: for the disk, or for the device.
        let wanted = (next < end).then_some(next + CHUNK + now.lag);
        ring.wait_for(wanted, Duration::from_secs(1))?;
        while let Some((slot, result)) = ring.ended() {
            if u64::from(result?) != CHUNK {
                return Err("the file has no more room".into());
            }
            let chunk = flying[slot].take().ok_or("a slot that was not given")?;
            in_flight -= 1;
            // Check again: the device may have been as far as this while the disk read the chunk.
            let after = region.position()?;
            let oldest = (after.position + after.lead).saturating_sub(region.size());
            suspect += oldest.clamp(chunk, chunk + CHUNK) - chunk;
        }
    }
    file.sync_all()?;
    Ok((begin, end - begin, suspect))
}
