// SPDX-License-Identifier: MIT
//! A ring that a program fills as a device would, who waits for it, and a recording of it.
//!
//! Each word says which word of the stream it is.

use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use io_uring::{IoUring, opcode, types};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use resdump_format::recording::layout::{index_name, number as segment_number, segment_name};
use resdump_format::recording::planner::{Cause, Event};
use resdump_format::recording::summary::Summary;
use resmem::abi::{RingConsumed, RingDoorbell, RingPosition, RingWatch};
use resmem::ioctl;

use crate::{errno_of, number, open};

#[derive(Args)]
pub struct Ring {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Fill it with BYTES more, in bursts, and ring the doorbell after each.
    Produce {
        node: PathBuf,
        #[arg(value_parser = number)]
        bytes: u64,
        #[arg(long, value_parser = number, default_value = "4096")]
        burst: u64,
        /// Bytes a second; 0: as fast as can be.
        #[arg(long, value_parser = number, default_value = "0")]
        rate: u64,
        /// Where the position goes, if it is a word of the ring's own.
        #[arg(long, value_parser = number)]
        word: Option<u64>,
    },
    /// Ring the doorbell.
    Doorbell {
        node: PathBuf,
        #[arg(value_parser = number)]
        raw: u64,
    },
    /// Tell its device that everything before POSITION was taken.
    Consumed {
        node: PathBuf,
        #[arg(value_parser = number)]
        position: u64,
    },
    /// Where its device is.
    Position { node: PathBuf },
    /// Compare a file with the stream from FROM on.
    Compare {
        file: PathBuf,
        #[arg(value_parser = number)]
        from: u64,
    },
    /// Wait for its device to get to a position.
    Wait {
        node: PathBuf,
        #[arg(value_parser = number)]
        position: u64,
        #[arg(long, value_enum)]
        by: By,
        /// No longer than this.
        #[arg(long, default_value = "10")]
        seconds: u16,
    },
    /// End a ring with a command that waits for a position.
    Cancel { node: PathBuf },
    /// Compare every word of a recording that is called whole.
    Check { folder: PathBuf },
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Poll,
    Eventfd,
    Uring,
}

/// A word of the stream.
fn word(index: u64) -> u32 {
    (index as u32).wrapping_mul(0x9e37_79b1)
}

/// Which word this is.
fn index(word: u32) -> u32 {
    // Each step doubles the bits of the inverse that are right.
    let mut inverse = 0x9e37_79b1u32;
    for _ in 0..4 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(inverse.wrapping_mul(0x9e37_79b1)));
    }
    word.wrapping_mul(inverse)
}

impl Ring {
    pub fn run(&self) -> Result<String, Errno> {
        match &self.what {
            What::Produce {
                node,
                bytes,
                burst,
                rate,
                word,
            } => produce(node, *bytes, *burst, *rate, *word),
            What::Doorbell { node, raw } => ring(&open(node, false)?, *raw).map(|()| String::new()),
            What::Consumed { node, position } => {
                consumed(&open(node, false)?, *position).map(|()| String::new())
            }
            What::Position { node } => position(&open(node, false)?).map(|it| {
                format!(
                    "position {} breaks {} evidence {} flags {} raw {} triggers {} trigger {}",
                    it.position, it.breaks, it.evidence, it.flags, it.raw, it.triggers, it.trigger
                )
            }),
            What::Wait {
                node,
                position,
                by,
                seconds,
            } => wait(&open(node, false)?, *position, *by, *seconds),
            What::Cancel { node } => cancel(&open(node, false)?),
            What::Compare { file, from } => compare(file, *from).map_err(errno_of),
            What::Check { folder } => check(folder).map_err(errno_of),
        }
    }
}

fn position(node: &File) -> Result<RingPosition, Errno> {
    let mut answer = RingPosition::default();
    // SAFETY: The descriptor is open, and the answer is valid for writes.
    unsafe { ioctl::position(node.as_raw_fd(), &raw mut answer) }?;
    Ok(answer)
}

fn ring(node: &File, raw: u64) -> Result<(), Errno> {
    let doorbell = RingDoorbell {
        raw,
        ..Default::default()
    };
    // SAFETY: The descriptor is open, and the argument is valid.
    unsafe { ioctl::doorbell(node.as_raw_fd(), &raw const doorbell) }.map(drop)
}

fn consumed(node: &File, position: u64) -> Result<(), Errno> {
    let consumed = RingConsumed {
        position,
        ..Default::default()
    };
    // SAFETY: The descriptor is open, and the argument is valid.
    unsafe { ioctl::consumed(node.as_raw_fd(), &raw const consumed) }.map(drop)
}

fn produce(
    node: &Path,
    bytes: u64,
    burst: u64,
    rate: u64,
    place: Option<u64>,
) -> Result<String, Errno> {
    let file = open(node, true)?;
    let mut info = resmem::abi::RegionInfo {
        label: [0; 64],
        abi: 0,
        flags: 0,
        base: 0,
        size: 0,
        page_size: 0,
        features: 0,
        reserved: [0; 4],
    };
    // SAFETY: The descriptor is open, and the answer is valid for writes.
    unsafe { ioctl::info(file.as_raw_fd(), &raw mut info) }?;
    let size = usize::try_from(info.size).map_err(|_| Errno::EFBIG)?;
    let length = NonZeroUsize::new(size).ok_or(Errno::EINVAL)?;
    let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: A new mapping, known here alone.
    let memory = unsafe { mmap(None, length, both, MapFlags::MAP_SHARED, &file, 0) }?;
    let memory = memory.cast::<u32>().as_ptr();
    let (from, raw) = match position(&file) {
        Ok(answer) => (answer.position, answer.raw),
        Err(Errno::ENODATA) => (0, 0),
        Err(error) => return Err(error),
    };
    let begun = Instant::now();
    let mut at = from;
    while at < from + bytes {
        let to = (at + burst).min(from + bytes);
        for index in at / 4..to / 4 {
            let offset = (index * 4 % info.size / 4) as usize;
            // SAFETY: The offset is within the mapping. The kernel reads it meanwhile, and that is the test.
            unsafe { memory.add(offset).write_volatile(word(index)) };
        }
        at = to;
        match place {
            None => ring(&file, raw + (at - from))?,
            Some(place) => {
                std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
                // SAFETY: As above.
                unsafe {
                    memory
                        .add(place as usize / 4)
                        .write_volatile(((at % info.size) as u32).to_le())
                };
            }
        }
        if let Some(nanos) = ((at - from) * 1_000_000_000).checked_div(rate) {
            thread::sleep(Duration::from_nanos(nanos).saturating_sub(begun.elapsed()));
        }
    }
    Ok(format!("position {at}"))
}

fn watch(node: &File, position: u64, eventfd: i32) -> Result<(), Errno> {
    let watch = RingWatch {
        position,
        eventfd,
        ..Default::default()
    };
    // SAFETY: The descriptor is open, and the argument is valid.
    unsafe { ioctl::watch(node.as_raw_fd(), &raw const watch) }.map(drop)
}

fn reach(node: &File, position: u64) -> io_uring::squeue::Entry {
    let mut argument = [0; 16];
    argument[..8].copy_from_slice(&position.to_ne_bytes());
    opcode::UringCmd16::new(types::Fd(node.as_raw_fd()), ioctl::REACH)
        .cmd(argument)
        .build()
        .user_data(1)
}

fn wait(node: &File, wanted: u64, by: By, seconds: u16) -> Result<String, Errno> {
    let milliseconds = u32::from(seconds) * 1000;
    let timeout = PollTimeout::try_from(milliseconds).map_err(|_| Errno::EINVAL)?;
    match by {
        By::Poll => {
            watch(node, wanted, -1)?;
            let mut fds = [PollFd::new(node.as_fd(), PollFlags::POLLPRI)];
            poll(&mut fds, timeout)?;
            match fds[0].revents() {
                Some(flags) if flags.contains(PollFlags::POLLERR) => return Err(Errno::ENODEV),
                Some(flags) if flags.contains(PollFlags::POLLPRI) => {}
                _ => return Err(Errno::ETIMEDOUT),
            }
        }
        By::Eventfd => {
            let event = EventFd::new()?;
            watch(node, wanted, event.as_fd().as_raw_fd())?;
            let mut fds = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, timeout)? == 0 {
                return Err(Errno::ETIMEDOUT);
            }
        }
        By::Uring => {
            let mut ring = IoUring::new(2).map_err(errno_of)?;
            // SAFETY: The argument is part of the entry.
            unsafe { ring.submission().push(&reach(node, wanted)) }.map_err(|_| Errno::EBUSY)?;
            finish(&mut ring, seconds)?;
        }
    }
    let there = position(node)?.position;
    if there < wanted {
        return Err(Errno::EAGAIN);
    }
    Ok("reached".to_owned())
}

/// Waits for the command that waits.
fn finish(ring: &mut IoUring, seconds: u16) -> Result<(), Errno> {
    let time = types::Timespec::new().sec(seconds.into());
    let arguments = types::SubmitArgs::new().timespec(&time);
    loop {
        let of_command = |entry: &io_uring::cqueue::Entry| entry.user_data() == 1;
        if let Some(entry) = ring.completion().find(of_command) {
            return match entry.result() {
                0.. => Ok(()),
                error => Err(Errno::from_raw(-error)),
            };
        }
        ring.submitter()
            .submit_with_args(1, &arguments)
            .map_err(errno_of)?;
    }
}

/// Ends a ring with a command that waits for ever.
fn cancel(node: &File) -> Result<String, Errno> {
    let mut ring = IoUring::new(2).map_err(errno_of)?;
    // SAFETY: The argument is part of the entry.
    unsafe { ring.submission().push(&reach(node, u64::MAX)) }.map_err(|_| Errno::EBUSY)?;
    ring.submit().map_err(errno_of)?;
    let waits = ring.completion().is_empty();
    drop(ring);
    match waits {
        true => Ok("ended".to_owned()),
        false => Err(Errno::EALREADY),
    }
}

/// Compares a file with the stream.
fn compare(file: &Path, from: u64) -> std::io::Result<String> {
    let mut file = File::open(file)?;
    let (mut words, mut wrong) = (0u64, 0u64);
    let mut bytes = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut bytes)?;
        if count == 0 {
            return Ok(format!("words {words} wrong {wrong}"));
        }
        for found in bytes[..count].as_chunks::<4>().0 {
            wrong += u64::from(u32::from_ne_bytes(*found) != word(from / 4 + words));
            words += 1;
        }
    }
}

/// Compares what the indexes call whole with what belongs there. Behind bytes of which the index does not know how many
/// were lost, it belongs to any lap of the ring.
fn check(folder: &Path) -> std::io::Result<String> {
    let (mut words, mut wrong, mut suspect, mut lost) = (0u64, 0u64, 0, 0);
    let mut indexes = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        if name.ends_with(".index") {
            indexes.extend(segment_number(&name));
        }
    }
    for first in indexes {
        let mut bytes = Vec::new();
        File::open(folder.join(index_name(first)))?.read_to_end(&mut bytes)?;
        let summary = Summary::read(&*bytes)?;
        let origin = summary.origin.unwrap_or_default();
        suspect += summary.totals().suspect;
        lost += summary.totals().gap;
        // Words that were lost without being counted; none while that is not known.
        let mut uncounted = Some(0);
        for part in &summary.parts {
            let (from, to, place) = match *part {
                Event::Data { from, to, place } => (from, to, place),
                Event::Gap { cause, .. } => {
                    uncounted = uncounted.filter(|_| cause != Cause::Unknown);
                    continue;
                }
                Event::Suspect { .. } => continue,
            };
            let mut at = from;
            while at < to {
                let place = place + (at - from);
                let (segment, offset) = (place / origin.segment, place % origin.segment);
                let length = (to - at).min(origin.segment - offset).min(1 << 20);
                let mut bytes = vec![0; length as usize];
                File::open(folder.join(segment_name(segment)))?
                    .read_exact_at(&mut bytes, offset)?;
                let position = at.wrapping_add(origin.shift);
                let (whole, _) = bytes.as_chunks::<4>();
                for (number, found) in whole.iter().enumerate() {
                    let found = u32::from_ne_bytes(*found);
                    let expected = (position / 4 + number as u64) as u32;
                    let lap = (origin.ring / 4) as u32;
                    let ahead = *uncounted.get_or_insert_with(|| {
                        let ahead = index(found).wrapping_sub(expected);
                        ahead - ahead % lap
                    });
                    words += 1;
                    wrong += u64::from(found != word(u64::from(expected.wrapping_add(ahead))));
                }
                at += length;
            }
        }
    }
    Ok(format!(
        "words {words} wrong {wrong} suspect {suspect} lost {lost}"
    ))
}
