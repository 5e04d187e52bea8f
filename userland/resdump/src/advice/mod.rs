// SPDX-License-Identifier: MIT

//! The one table from errno to exit status and advice. What an errno means depends on what was being
//! done: `EINVAL` of a write is an alignment, that of a connection an address.
//!
//! Advice sends a reader to the kernel log only for what the kernel writes there.

#![forbid(unsafe_code)]

use nix::{errno::Errno, unistd::geteuid};

use crate::exit_codes::ExitCode;

mod general;
mod special;

/// What was being done when a system call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Opening a region's node.
    OpenRegion,
    /// Opening or inspecting a file, device or manifest that is to be read.
    OpenSource,
    /// Reading a region, a saved file or device, or a target back.
    Read,
    /// Opening, creating, inspecting, sizing or renaming a target.
    OpenTarget,
    /// Making, opening or inspecting a folder to record into, and its files.
    OpenFolder,
    /// Asking a region where its device is, waiting for that, or writing to the device what was taken.
    Position,
    /// Writing to a target through a buffer of this program.
    Write,
    /// Making a target durable.
    Sync,
    /// Writing, renaming or removing a manifest.
    Manifest,
    /// Printing to standard output or standard error.
    Print,
    /// Connecting to a receiver.
    Connect,
    /// Waiting for a sender.
    Listen,
    /// Sending to a receiver or down a pipe.
    Send,
    /// Taking what a sender sends.
    Receive,
    /// Opening a serial line.
    OpenLine,
    /// Sending to a serial line or receiving from it.
    Serial,
    /// Opening or mapping `/dev/mem`.
    DevMem,
    /// Preparing an engine: its buffers and mappings.
    Pin,
    /// Moving bytes between memory of a region and a target, without a buffer.
    Transfer,
    /// Moving bytes from a file or device into a region.
    Load,
    /// Copying a live region to memory.
    Snapshot,
    /// Anything else.
    Else,
}

impl Doing {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::OpenRegion,
        Self::OpenSource,
        Self::Read,
        Self::OpenTarget,
        Self::OpenFolder,
        Self::Position,
        Self::Write,
        Self::Sync,
        Self::Manifest,
        Self::Print,
        Self::Connect,
        Self::Listen,
        Self::Send,
        Self::Receive,
        Self::OpenLine,
        Self::Serial,
        Self::DevMem,
        Self::Pin,
        Self::Transfer,
        Self::Load,
        Self::Snapshot,
        Self::Else,
    ];

    /// The status for an errno that has none of its own.
    const fn status(self) -> ExitCode {
        match self {
            Self::OpenRegion => ExitCode::NoRegion,
            Self::OpenTarget | Self::OpenFolder | Self::Connect => ExitCode::Target,
            Self::Receive => ExitCode::Incomplete,
            Self::DevMem | Self::Pin => ExitCode::Engine,
            Self::OpenSource
            | Self::OpenLine
            | Self::Manifest
            | Self::Print
            | Self::Listen
            | Self::Else => ExitCode::Other,
            Self::Read
            | Self::Position
            | Self::Write
            | Self::Sync
            | Self::Send
            | Self::Serial
            | Self::Transfer
            | Self::Load
            | Self::Snapshot => ExitCode::Io,
        }
    }
}

/// Exit status and advice for `errno` while `doing`, for the user who runs this program.
pub fn of(errno: Errno, doing: Doing) -> (ExitCode, &'static str) {
    look_up(errno, doing, geteuid().is_root())
}

fn look_up(errno: Errno, doing: Doing, root: bool) -> (ExitCode, &'static str) {
    let (status, advice) = special::row(errno, doing, root)
        .or_else(|| general::row(errno, root))
        .unwrap_or((
            None,
            "not expected here: run it again with -vv, and see 'resdump doctor'",
        ));
    (status.unwrap_or_else(|| doing.status()), advice)
}

/// A status that differs from the usual one of what was being done, and advice.
type Row = (Option<ExitCode>, &'static str);

#[cfg(test)]
mod tests;
