// SPDX-License-Identifier: MIT
//! Makes one raw call on a `/dev/resmem` node and prints its result, `ok` or an errno name first.
//! What `resdump` refuses before it asks the kernel, this asks.

mod argument;
mod camera;
mod clock;
mod confined;
mod export;
mod failing;
mod fuseblk;
mod fuzz;
mod guard;
mod guarded;
mod held;
mod import;
mod killed;
mod map;
mod meter;
mod ordinary;
mod overwrite;
mod polled;
mod pressure;
mod register;
mod ring;
mod sleeper;
mod snapshot;
mod traced;
mod transfer;
mod watch;

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use nix::errno::Errno;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    call: Call,
}

#[derive(Subcommand)]
enum Call {
    /// Open the node, and that is all.
    Open {
        node: PathBuf,
        #[arg(long)]
        write: bool,
    },
    /// An ioctl with a command number of one's own, on a page of zeroes.
    Ioctl {
        node: PathBuf,
        #[arg(value_parser = number)]
        command: u64,
    },
    /// Describe the region.
    Info { node: PathBuf },
    /// Hand a range over between device (1) and processors (0).
    Sync {
        node: PathBuf,
        #[arg(long, value_parser = number, default_value = "0")]
        region_offset: u64,
        #[arg(long, value_parser = number)]
        length: u64,
        #[arg(long, default_value_t = 0)]
        direction: u32,
        #[arg(long, default_value_t = 0)]
        flags: u32,
        /// Open the node for writing as well.
        #[arg(long)]
        node_write: bool,
    },
    /// A command with an argument of another size, or in memory that cannot be written to.
    Argument(argument::Argument),
    /// The dump or the load command.
    Transfer(transfer::Transfer),
    /// Status of a snapshot that was never started.
    Idle { node: PathBuf },
    /// Poll a node on which a snapshot is being started.
    Polled(polled::Polled),
    /// Dumps that are killed.
    Killed(killed::Killed),
    /// Dump to a file that a process serves from a disk.
    Fuseblk(fuseblk::Fuseblk),
    /// Attach to a process as a tracer, stop it, and let it go.
    Traced { process: i32 },
    /// Sleep in poll while snapshots are started and end.
    Sleeper { node: PathBuf },
    /// Fill a buffer in the background, and write it to a file when it is there.
    Snapshot(snapshot::Snapshot),
    /// What a command costs the processor, in instructions (under -icount).
    Meter(meter::Meter),
    /// Ordinary memory to a target, registered with io_uring.
    Ordinary(ordinary::Ordinary),
    /// Nanoseconds since power-on, and those without work.
    Clock,
    /// Everything at random, judged.
    Fuzz(fuzz::Fuzz),
    /// Memory that the kernel holds while a dump runs.
    Held(held::Held),
    /// A mapping, and what can be done with it.
    Map(map::Map),
    /// A fixed buffer of an io_uring, and what can be done with it.
    Register(register::Register),
    /// A dma-buf of a region.
    Export(export::Export),
    /// A camera whose driver fills a region.
    Camera(camera::Camera),
    /// The suite's importer of dma-bufs.
    Import(import::Import),
    /// A ring that a program fills, who waits for it, and a recording of it.
    Ring(ring::Ring),
    /// Take memory and disk from others.
    Pressure(pressure::Pressure),
    /// Become a command that has no right to raw memory.
    Confined(confined::Confined),
    /// Keep other processes from writing.
    Guard(guard::Guard),
    /// Write to a file that something is in the way of.
    Guarded(guarded::Guarded),
    /// What a watcher of a file is notified of.
    Watch(watch::Watch),
    /// One of these, again and again, each time with another allocation of the kernel's that fails.
    Failing(failing::Failing),
}

impl Call {
    fn run(&self) -> Result<String, Errno> {
        match self {
            Call::Open { node, write } => open(node, *write).map(|_| String::new()),
            Call::Ioctl { node, command } => ioctl(node, *command),
            Call::Info { node } => info(node),
            Call::Sync {
                node,
                region_offset,
                length,
                direction,
                flags,
                node_write,
            } => sync(
                node,
                *node_write,
                &resmem::abi::RegionSync {
                    region_offset: *region_offset,
                    length: *length,
                    direction: *direction,
                    flags: *flags,
                    ..Default::default()
                },
            ),
            Call::Argument(call) => call.run(),
            Call::Transfer(call) => call.run(),
            Call::Clock => clock::run(),
            Call::Fuzz(call) => call.run(),
            Call::Held(call) => call.run(),
            Call::Map(call) => call.run(),
            Call::Register(call) => call.run(),
            Call::Export(call) => call.run(),
            Call::Import(call) => call.run(),
            Call::Camera(call) => call.run(),
            Call::Ring(call) => call.run(),
            Call::Meter(call) => call.run(),
            Call::Ordinary(ordinary) => ordinary.run(),
            Call::Pressure(call) => call.run(),
            Call::Polled(call) => call.run(),
            Call::Killed(call) => call.run(),
            Call::Fuseblk(call) => call.run(),
            Call::Traced { process } => traced::run(*process),
            Call::Sleeper { node } => sleeper::run(node),
            Call::Idle { node } => snapshot::idle(node),
            Call::Snapshot(call) => call.run(),
            Call::Failing(call) => call.run(),
            Call::Confined(call) => call.run(),
            Call::Guard(call) => call.run(),
            Call::Guarded(call) => call.run(),
            Call::Watch(call) => call.run(),
        }
    }
}

fn main() {
    match Arguments::parse().call.run() {
        Ok(text) => println!("ok {text}"),
        Err(errno) => println!("{errno:?}"),
    }
}

/// A number in decimal or, with 0x, in hexadecimal.
fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| error.to_string())
}

/// Opens a node; `fd:N` is a descriptor that was inherited, and stays its giver's.
fn open(node: &Path, write: bool) -> Result<File, Errno> {
    let inherited = node.to_str().and_then(|name| name.strip_prefix("fd:"));
    if let Some(number) = inherited {
        let number: i32 = number.parse().map_err(|_| Errno::EBADF)?;
        // SAFETY: Only duplicated, which fails if it is not open.
        let copy = Errno::result(unsafe { libc::dup(number) })?;
        // SAFETY: It was just made, for us alone.
        return Ok(unsafe { File::from_raw_fd(copy) });
    }
    OpenOptions::new()
        .read(true)
        .write(write)
        .open(node)
        .map_err(errno_of)
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn ioctl(node: &Path, command: u64) -> Result<String, Errno> {
    let file = open(node, false)?;
    let mut page = [0u8; 4096];
    // SAFETY: Whatever the command is, what it can read or write is a page of ours: sizes of ioctl
    // arguments are below that.
    let ret = unsafe { libc::ioctl(file.as_raw_fd(), command as _, page.as_mut_ptr()) };
    Errno::result(ret).map(|ret| ret.to_string())
}

fn sync(node: &Path, write: bool, argument: &resmem::abi::RegionSync) -> Result<String, Errno> {
    let file = open(node, write)?;
    // SAFETY: The file is a node of the driver, the argument is valid.
    unsafe { resmem::ioctl::sync(file.as_raw_fd(), argument) }.map(|_| String::new())
}

fn info(node: &Path) -> Result<String, Errno> {
    let file = open(node, false)?;
    // SAFETY: Integers and arrays of integers: zeroes are a value.
    let mut info: resmem::abi::RegionInfo = unsafe { std::mem::zeroed() };
    // SAFETY: The file is a node of the driver, `info` is valid.
    unsafe { resmem::ioctl::info(file.as_raw_fd(), &mut info) }?;
    let label = info
        .label
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    Ok(format!(
        "abi={} features={:#x} flags={:#x} base={:#x} size={:#x} page={} label={} zero={}",
        info.abi,
        info.features,
        info.flags,
        info.base,
        info.size,
        info.page_size,
        String::from_utf8_lossy(label),
        info.reserved == [0; 4]
    ))
}
