// SPDX-License-Identifier: MIT

//! Which processes record: those that hold the lock of a folder, or of a region's node. The kernel names them.

use std::{fs, io, os::unix::fs::MetadataExt};

use nix::{
    errno::Errno,
    libc::SIGUSR1,
    sys::stat::{major, minor},
};

use crate::sys;

/// Triggers the recorders that hold a lock of the file or folder `metadata` is of; their processes. One that does not
/// handle SIGUSR1 is none.
pub fn trigger(metadata: &fs::Metadata) -> io::Result<Vec<i32>> {
    let mut triggered = Vec::new();
    for process in holders(metadata)? {
        match signal(process, metadata) {
            Ok(true) => triggered.push(process),
            Ok(false) => {}
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(triggered)
}

/// Whether `process` has the lock and has got the signal.
fn signal(process: i32, metadata: &fs::Metadata) -> io::Result<bool> {
    let handle = sys::process::open(process)?;
    // The number may have been another process's until here, and is not from here on.
    if !holders(metadata)?.contains(&process) || !handles(process)? {
        return Ok(false);
    }
    sys::process::signal(&handle, SIGUSR1).map(|()| true)
}

fn holders(metadata: &fs::Metadata) -> io::Result<Vec<i32>> {
    let device = metadata.dev();
    let file = format!(
        "{:02x}:{:02x}:{}",
        major(device),
        minor(device),
        metadata.ino()
    );
    Ok(parse(&fs::read_to_string("/proc/locks")?, &file))
}

/// `1: FLOCK  ADVISORY  WRITE 123 fd:01:456 0 EOF`. What waits for a lock has an arrow before its kind.
fn parse(locks: &str, file: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for line in locks.lines() {
        let mut words = line.split_whitespace().skip(1);
        if words.next() != Some("FLOCK") {
            continue;
        }
        let mut words = words.skip(2);
        let process = words.next().and_then(|word| word.parse().ok());
        if let Some(process @ 1..) = process
            && words.next() == Some(file)
            && !found.contains(&process)
        {
            found.push(process);
        }
    }
    found
}

/// Whether `process` handles SIGUSR1, by the mask in its `status`.
fn handles(process: i32) -> io::Result<bool> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .ok_or(Errno::EBADMSG)?;
    Ok(mask & 1 << (SIGUSR1 - 1) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_waits_for_a_lock_does_not_hold_it() {
        let locks = "1: FLOCK  ADVISORY  WRITE 123 fd:01:456 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 124 fd:01:456 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 125 fd:01:456 0 EOF\n\
                     3: FLOCK  ADVISORY  READ  126 fd:01:456 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 127 fd:01:4567 0 EOF\n\
                     5: FLOCK  ADVISORY  WRITE 0 fd:01:456 0 EOF\n\
                     6: OFDLCK ADVISORY  WRITE -1 fd:01:456 0 EOF\n\
                     7: FLOCK\n";
        assert_eq!(parse(locks, "fd:01:456"), [123, 126]);
        assert!(parse(locks, "fd:02:456").is_empty());
    }
}
