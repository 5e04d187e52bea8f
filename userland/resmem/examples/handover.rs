// SPDX-License-Identifier: MIT

//! A region for a program that may not open it.
//!
//! `handover give LABEL PROGRAM [ARGUMENT]...` opens the region, starts the program with a socket as its standard input,
//! and sends the open descriptor by it (`SCM_RIGHTS`). `handover take FILE` is such a program: it receives a region and
//! dumps it.

use std::{
    env,
    error::Error,
    fs::{File, OpenOptions},
    io::{IoSlice, IoSliceMut, stdin},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::{fs::OpenOptionsExt, net::UnixStream},
    },
    process::Command,
};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use resmem::{Options, Region};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[1..] {
        ["give", label, program, ref rest @ ..] => give(label, program, rest),
        ["take", path] => take(path),
        _ => Err("usage: handover give LABEL PROGRAM [ARGUMENT]... | handover take FILE".into()),
    }
}

fn give(label: &str, program: &str, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let region = Region::open(label).map_err(|error| format!("{label}: {error}"))?;
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(OwnedFd::from(theirs))
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let descriptors = [region.as_fd().as_raw_fd()];
    let message = [ControlMessage::ScmRights(&descriptors)];
    // A message has one byte at least.
    let byte = [IoSlice::new(&[0])];
    sendmsg::<()>(
        ours.as_raw_fd(),
        &byte,
        &message,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    let status = child.wait()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| format!("{program}: {status}").into())
}

fn take(path: &str) -> Result<(), Box<dyn Error>> {
    // What it may be used for is what it was opened for; this process's rights are not asked.
    let region = Region::from_file(receive(stdin().as_fd())?)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)
        .map_err(|error| format!("{path}: {error}"))?;
    let moved = region.dump(0..region.size(), &file, 0, Options::default())?;
    file.sync_all()?;
    println!("{}: {} bytes", region.label().display(), moved.bytes());
    Ok(())
}

fn receive(socket: BorrowedFd<'_>) -> Result<File, Box<dyn Error>> {
    let (mut byte, mut space) = ([0], nix::cmsg_space!(RawFd));
    let mut byte = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut byte, Some(&mut space), flags)?;
    match message.cmsgs()?.next() {
        Some(ControlMessageOwned::ScmRights(received)) if received.len() == 1 => {
            // SAFETY: The kernel has made the descriptor of the message for us alone.
            Ok(unsafe { File::from_raw_fd(received[0]) })
        }
        _ => Err("a message without a descriptor".into()),
    }
}
