// SPDX-License-Identifier: MIT
//! Takes memory and disk from everybody else, within bounds, for as long as a file exists.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;
use nix::errno::Errno;

use crate::{errno_of, number};

/// Taken at once: more than the C library's allocator would keep when it is given back.
const PIECE: usize = 1 << 20;
/// Written at once.
const BLOCK: usize = 1 << 18;
const PAGE: usize = 4096;

#[derive(Args)]
pub struct Pressure {
    /// A file to write, read back and write again.
    file: PathBuf,
    /// Goes on while this exists.
    #[arg(long = "while")]
    keep_on: PathBuf,
    /// Bytes of available memory that are left to others.
    #[arg(long, value_parser = number)]
    leave: u64,
    /// Bytes of the file.
    #[arg(long, value_parser = number)]
    size: u64,
}

impl Pressure {
    /// Prints how many bytes of memory were taken, and how many were written and found again.
    pub fn run(&self) -> Result<String, Errno> {
        // Whatever happens, others live.
        fs::write("/proc/self/oom_score_adj", "1000").map_err(errno_of)?;
        let (taken, moved) = thread::scope(|scope| {
            let memory = scope.spawn(|| self.memory());
            let disk = self.disk();
            (memory.join().unwrap_or(Err(Errno::ECHILD)), disk)
        });
        Ok(format!("taken={} moved={}", taken?, moved?))
    }

    fn goes_on(&self) -> bool {
        self.keep_on.exists()
    }

    /// Takes memory until little is left, gives half of it back, and again.
    fn memory(&self) -> Result<u64, Errno> {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut taken = 0;
        while self.goes_on() {
            if available()? < self.leave + PIECE as u64 {
                let half = pieces.len() / 2;
                pieces.truncate(half);
                thread::yield_now();
                continue;
            }
            let mut piece = vec![0; PIECE];
            for page in piece.chunks_mut(PAGE) {
                page[0] = 1;
            }
            taken += PIECE as u64;
            pieces.push(piece);
        }
        Ok(taken)
    }

    /// Writes the file, makes it durable, reads it back and compares, and again with other bytes.
    fn disk(&self) -> Result<u64, Errno> {
        let (mut moved, mut round) = (0, 0_u64);
        let mut found = vec![0; BLOCK];
        while self.goes_on() {
            let mut file = rewritten(&self.file)?;
            let blocks = self.size / BLOCK as u64;
            let mut written = 0;
            while written < blocks && self.goes_on() {
                file.write_all(&block(round, written)).map_err(errno_of)?;
                written += 1;
            }
            file.sync_all().map_err(errno_of)?;
            file.seek(SeekFrom::Start(0)).map_err(errno_of)?;
            for at in 0..written {
                file.read_exact(&mut found).map_err(errno_of)?;
                if found != block(round, at) {
                    return Err(Errno::EIO);
                }
                moved += BLOCK as u64;
            }
            round += 1;
        }
        fs::remove_file(&self.file).map_err(errno_of)?;
        Ok(moved)
    }
}

fn rewritten(path: &Path) -> Result<File, Errno> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(errno_of)
}

/// A block that no other is like.
fn block(round: u64, at: u64) -> Vec<u8> {
    let word = (round << 32 | at).to_be_bytes();
    word.repeat(BLOCK / word.len())
}

/// Memory that could be had without taking it from other processes, in bytes.
fn available() -> Result<u64, Errno> {
    crate::held::meminfo("MemAvailable:")
}
