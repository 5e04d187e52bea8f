// SPDX-License-Identifier: MIT
//! A V4L2 camera whose driver fills a region that is a ring, frame after frame, by dma-bufs of it.

use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use resmem::abi::{EXPORT_CLOEXEC, EXPORT_WRITE, RegionExport, RingDoorbell};

use crate::{errno_of, open};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
/// Bytes of a frame, 8 bits a pixel: whole pages of 4 KiB.
const FRAME: u64 = (WIDTH * HEIGHT) as u64;
/// Frames that the driver has at a time.
const QUEUED: u32 = 4;

/// From the kernel's `linux/videodev2.h`.
const CAPTURE: u32 = 1;
const DMABUF: u32 = 4;
const PROGRESSIVE: u32 = 1;
const GREY: u32 = u32::from_le_bytes(*b"GREY");

#[repr(C)]
#[derive(Clone, Copy)]
struct Format {
    kind: u32,
    description: Description,
}

#[repr(C)]
#[derive(Clone, Copy)]
union Description {
    pixels: [u32; 50],
    _align: usize,
}

#[repr(C)]
#[derive(Default)]
struct Request {
    count: u32,
    kind: u32,
    memory: u32,
    rest: [u32; 2],
}

#[repr(C)]
#[derive(Default)]
struct Buffer {
    index: u32,
    kind: u32,
    used: u32,
    flags: u32,
    field: u32,
    timestamp: [i64; 2],
    timecode: [u32; 4],
    sequence: u32,
    memory: u32,
    fd: [i32; size_of::<usize>() / 4],
    length: u32,
    rest: [u32; 2],
}

#[repr(C)]
struct Parameters {
    kind: u32,
    /// Two words, and seconds a frame as a fraction.
    words: [u32; 50],
}

/// As slow as an emulated processor and disk can follow.
const FRAMES_A_SECOND: u32 = 5;

nix::ioctl_readwrite!(set_format, b'V', 5, Format);
nix::ioctl_readwrite!(set_parameters, b'V', 22, Parameters);
nix::ioctl_readwrite!(request, b'V', 8, Request);
nix::ioctl_readwrite!(queue, b'V', 15, Buffer);
nix::ioctl_readwrite!(dequeue, b'V', 17, Buffer);
nix::ioctl_write_ptr!(start, b'V', 18, u32);

#[derive(Args)]
pub struct Camera {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Have it fill the ring, and ring the doorbell for each frame, whose digest goes to a file.
    Fill {
        camera: PathBuf,
        node: PathBuf,
        frames: u64,
        digests: PathBuf,
    },
    /// Compare a file with the frames that were filled.
    Compare { file: PathBuf, digests: PathBuf },
}

impl Camera {
    pub fn run(&self) -> Result<String, Errno> {
        match &self.what {
            What::Fill {
                camera,
                node,
                frames,
                digests,
            } => {
                let camera = open(camera, true)?;
                let text = fill(&camera, &open(node, true)?, *frames)?.join("\n") + "\n";
                fs::write(digests, text).map_err(errno_of)?;
                Ok(format!("frames {frames}"))
            }
            What::Compare { file, digests } => {
                let digests = fs::read_to_string(digests).map_err(errno_of)?;
                let mut file = File::open(file).map_err(errno_of)?;
                let mut frame = vec![0; FRAME as usize];
                let (mut same, mut other) = (0, 0);
                for known in digests.lines() {
                    file.read_exact(&mut frame).map_err(errno_of)?;
                    *if digest(&frame) == known {
                        &mut same
                    } else {
                        &mut other
                    } += 1;
                }
                let mut distinct: Vec<&str> = digests.lines().collect();
                distinct.dedup();
                Ok(format!(
                    "same {same} other {other} distinct {}",
                    distinct.len()
                ))
            }
        }
    }
}

/// FNV-1a.
fn digest(bytes: &[u8]) -> String {
    let step = |digest: u64, byte: &u8| (digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

fn fill(camera: &File, node: &File, frames: u64) -> Result<Vec<String>, Errno> {
    let mut pixels = [0; 50];
    pixels[..4].copy_from_slice(&[WIDTH, HEIGHT, GREY, PROGRESSIVE]);
    let mut format = Format {
        kind: CAPTURE,
        description: Description { pixels },
    };
    // SAFETY: The argument is as large as the number says.
    unsafe { set_format(camera.as_raw_fd(), &mut format) }?;
    let mut words = [0; 50];
    words[2..4].copy_from_slice(&[1, FRAMES_A_SECOND]);
    let kind = CAPTURE;
    // SAFETY: As above.
    unsafe { set_parameters(camera.as_raw_fd(), &mut Parameters { kind, words }) }?;
    let buffers = exports(node)?;
    let slots = buffers.len() as u64;
    let mut asked = Request {
        count: slots as u32,
        kind: CAPTURE,
        memory: DMABUF,
        ..Request::default()
    };
    // SAFETY: As above.
    unsafe { request(camera.as_raw_fd(), &mut asked) }?;
    let give = |frame: u64| {
        let slot = (frame % slots) as usize;
        let mut buffer = Buffer {
            index: slot as u32,
            kind: CAPTURE,
            memory: DMABUF,
            length: FRAME as u32,
            ..Buffer::default()
        };
        buffer.fd[0] = buffers[slot].as_raw_fd();
        // SAFETY: As above.
        unsafe { queue(camera.as_raw_fd(), &mut buffer) }
    };
    for frame in 0..u64::from(QUEUED) {
        give(frame)?;
    }
    let whole = NonZeroUsize::new((slots * FRAME) as usize).ok_or(Errno::EINVAL)?;
    // SAFETY: A new mapping, known here alone.
    let memory = unsafe {
        mmap(
            None,
            whole,
            ProtFlags::PROT_READ,
            MapFlags::MAP_SHARED,
            node,
            0,
        )
    }?;
    // SAFETY: As above.
    unsafe { start(camera.as_raw_fd(), &CAPTURE) }?;
    let mut digests = Vec::new();
    for frame in 0..frames {
        let mut filled = Buffer {
            kind: CAPTURE,
            memory: DMABUF,
            ..Buffer::default()
        };
        // SAFETY: As above.
        unsafe { dequeue(camera.as_raw_fd(), &mut filled) }?;
        if u64::from(filled.index) != frame % slots || u64::from(filled.used) != FRAME {
            return Err(Errno::EILSEQ);
        }
        let at = (frame % slots * FRAME) as usize;
        // SAFETY: It is mapped, and nothing writes to it: the driver has given it back.
        let bytes = unsafe {
            std::slice::from_raw_parts(memory.cast::<u8>().as_ptr().add(at), FRAME as usize)
        };
        digests.push(digest(bytes));
        let doorbell = RingDoorbell {
            raw: (frame + 1) * FRAME,
            ..RingDoorbell::default()
        };
        // SAFETY: The node is one of the driver's, the argument is valid.
        unsafe { resmem::ioctl::doorbell(node.as_raw_fd(), &doorbell) }?;
        let next = frame + u64::from(QUEUED);
        if next < frames {
            give(next)?;
        }
    }
    Ok(digests)
}

/// A dma-buf for each frame that the ring has room for.
fn exports(node: &File) -> Result<Vec<OwnedFd>, Errno> {
    let mut buffers = Vec::new();
    loop {
        let mut export = RegionExport {
            region_offset: buffers.len() as u64 * FRAME,
            length: FRAME,
            flags: EXPORT_WRITE | EXPORT_CLOEXEC,
            ..RegionExport::default()
        };
        // SAFETY: The node is one of the driver's, the argument is valid.
        match unsafe { resmem::ioctl::export(node.as_raw_fd(), &mut export) } {
            // SAFETY: The command has made it, for us alone.
            Ok(_) => buffers.push(unsafe { OwnedFd::from_raw_fd(export.fd) }),
            Err(Errno::ERANGE) => return Ok(buffers),
            Err(errno) => return Err(errno),
        }
    }
}
