// SPDX-License-Identifier: MIT
//! A dma-buf of a region, allowed and not, and a program that inherits it.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::PathBuf;
use std::process::Command;

use clap::{Args, Subcommand};
use nix::errno::Errno;
use resmem::abi::{EXPORT_CLOEXEC, EXPORT_WRITE, RegionExport};

use crate::{errno_of, number, open};

#[derive(Args)]
pub struct Export {
    node: PathBuf,
    #[arg(long, value_parser = number, default_value = "0")]
    offset: u64,
    /// 0: to the end.
    #[arg(long, value_parser = number, default_value = "0")]
    length: u64,
    /// That may be written to; the node is open for writing then.
    #[arg(long)]
    write: bool,
    /// The same, of a node that is open for reading.
    #[arg(long)]
    write_only_asked: bool,
    /// Of a node that is open for writing only.
    #[arg(long)]
    node_write_only: bool,
    #[arg(long)]
    close_on_exec: bool,
    /// More flags.
    #[arg(long, value_parser = number, default_value = "0")]
    flags: u64,
    #[arg(long, value_parser = number, default_value = "0")]
    reserved: u64,
    #[command(subcommand)]
    then: Option<Then>,
}

#[derive(Subcommand)]
enum Then {
    /// Close the node, and run a command, in which the word fd:FD stands for the descriptor, as $FD does for its
    /// number in the environment.
    Run {
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Fill the table of descriptors first.
    Full,
}

impl Export {
    pub fn run(&self) -> Result<String, Errno> {
        let node = match self.node_write_only {
            true => OpenOptions::new()
                .write(true)
                .open(&self.node)
                .map_err(errno_of)?,
            false => open(&self.node, self.write)?,
        };
        let mut flags = self.flags as u32;
        if self.write || self.write_only_asked {
            flags |= EXPORT_WRITE;
        }
        if self.close_on_exec {
            flags |= EXPORT_CLOEXEC;
        }
        let mut argument = RegionExport {
            region_offset: self.offset,
            length: self.length,
            flags,
            fd: -1,
            reserved: [0, 0, 0, self.reserved],
        };
        if matches!(self.then, Some(Then::Full)) {
            while node.try_clone().map(std::mem::forget).is_ok() {}
        }
        // SAFETY: The file is a node of the driver, the argument is valid.
        unsafe { resmem::ioctl::export(node.as_raw_fd(), &mut argument) }?;
        // SAFETY: The command has made it, for us alone.
        let mut buffer = unsafe { File::from_raw_fd(argument.fd) };
        drop(node);
        let size = buffer.seek(SeekFrom::End(0)).map_err(errno_of)?;
        match &self.then {
            Some(Then::Run { command }) => run(command, &buffer),
            _ => Ok(format!("length={:#x} size={size:#x}", argument.length)),
        }
    }
}

/// What the command prints.
fn run(command: &[String], buffer: &File) -> Result<String, Errno> {
    let number = buffer.as_raw_fd().to_string();
    let mut words = command.iter().map(|word| match word.as_str() {
        "fd:FD" => format!("fd:{number}"),
        word => word.to_owned(),
    });
    let program = words.next().ok_or(Errno::EINVAL)?;
    let output = Command::new(program)
        .args(words)
        .env("FD", &number)
        .output()
        .map_err(errno_of)?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.trim().to_owned())
}
