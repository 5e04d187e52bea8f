// SPDX-License-Identifier: MIT
//! A board that is none: QEMU behind a serial line that is slow and noisy, a relay, and a card. Who tests it has the
//! commands of a lab file, and nothing else.

mod line;
mod relay;
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use board::{Board, Image};
use host::command;
use host::deadline::seconds;
use host::paths::Paths;
use machine::disk::Disk;
use machine::{Boot, Machine};

use crate::run::fill_with_random;
use relay::Relay;

pub use line::Noise;
pub use terminal::Terminal;

/// Size of the card.
const CARD: u64 = 512 << 20;
/// Size of the disk that may be destroyed.
const SCRATCH: u64 = 160 << 20;
/// What the board reports as that disk's serial number.
pub const SERIAL: &str = "FAKE-0001";
/// Bits a second.
const BAUD: u32 = 115_200;

/// A board that is none, as long as this lives.
pub struct Fakeboard {
    folder: PathBuf,
    relay: Option<Relay>,
}

impl Fakeboard {
    /// Builds it in a folder, without power and with an empty card that takes `rate` bytes a second; its region holds
    /// what a device left there.
    pub fn new(
        board: &Board,
        image: &Image,
        folder: &Path,
        noise: Noise,
        rate: Option<u64>,
    ) -> Result<Self> {
        let mut machine = Machine::new(board, image, folder);
        machine.boot = Boot::Loader;
        machine.cpus = board.qemu()?.cpus_max.min(2);
        machine.resets = true;
        machine.dma_device = true;
        let mut card = Disk::empty(&folder.join("card.img"), CARD)?;
        if let Some(rate) = rate {
            card = card.throttled(rate);
        }
        let scratch = Disk::empty(&folder.join("scratch.img"), SCRATCH)?;
        machine.disks = vec![card, scratch];
        machine.serials = vec!["FAKE-CARD".to_owned(), SERIAL.to_owned()];
        let (_, size) = machine.own_region("capture")?;
        let data = folder.join("capture.bin");
        fill_with_random(&data, size)?;
        machine.fill("capture", &data)?;
        let relay = Relay::new(machine.command()?, folder, BAUD, noise)?;
        let fakeboard = Self {
            folder: folder.to_path_buf(),
            relay: Some(relay),
        };
        fs::write(fakeboard.lab_file(), fakeboard.commands())?;
        Ok(fakeboard)
    }

    /// The lab file that reaches it.
    pub fn lab_file(&self) -> PathBuf {
        self.folder.join("lab.conf")
    }

    fn commands(&self) -> String {
        let folder = self.folder.display();
        let switch = |what: &str| {
            format!(
                "echo {what} >{folder}/relay && read -r said <{folder}/said && echo \"$said\" && test \"$said\" = done"
            )
        };
        format!(
            "# Written by the board that is none.\n\
             CONSOLE_COMMAND=stty -F {folder}/tty raw -echo && {{ cat {folder}/tty & exec cat >{folder}/tty; }}\n\
             POWER_ON={}\nPOWER_OFF={}\nPOWER_CYCLE={}\n\
             WRITE_MEDIUM=dd if=\"$IMAGE\" of={folder}/card.img bs=1M conv=notrunc\n\
             SCRATCH_DISK=/dev/vdb {SERIAL}\n",
            switch("on"),
            switch("off"),
            switch("cycle"),
        )
    }

    /// What the line has done to what went over it.
    pub fn damage(&self) -> String {
        let relay = self.relay.as_ref();
        relay.map_or_else(String::new, Relay::damage)
    }
}

impl Drop for Fakeboard {
    fn drop(&mut self) {
        if let Some(relay) = self.relay.take() {
            relay.end();
        }
    }
}

/// Runs a command with `TARGET=` and the lab file of such a board as its last word; whether it succeeds.
pub fn run(
    paths: &Paths,
    board: &Board,
    image: &Image,
    noise: Noise,
    rate: Option<u64>,
    words: &[String],
) -> Result<bool> {
    let folder = paths.fresh_out("fakeboard")?;
    let fakeboard = Fakeboard::new(board, image, &folder, noise, rate)?;
    let (program, arguments) = words.split_first().context("which command?")?;
    println!(
        "==> board that is none: {BAUD} baud, noise with seed {}",
        noise.seed
    );
    let status = command::status(
        Command::new(program)
            .args(arguments)
            .arg(format!("TARGET={}", fakeboard.lab_file().display())),
        seconds(3 * 3600),
    )?;
    println!("{}", fakeboard.damage());
    Ok(status.success())
}
