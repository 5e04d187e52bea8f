// SPDX-License-Identifier: MIT
//! A board behind the commands of a lab file.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::Place;
use board::{Board, Image, Lab};
use machine::guest::Guest;
use machine::lab::{self, Start};
use machine::medium::{self, TOOLS};
use machine::scratch::take_scratch_disk;

/// Where dumps go to: the image's data partition.
const FOLDER: &str = "/data/bring-up";

/// What such a run cannot show.
const CANNOT: [&str; 2] = [
    "your device: the DMA engine of the processor stands for it",
    "other disks than those that were written to",
];

/// The board on a desk.
pub struct Desk<'a> {
    lab: &'a Lab,
    board: &'a Board,
    image: &'a Image,
    folder: PathBuf,
    /// Whether the medium has the image.
    written: Cell<bool>,
}

impl<'a> Desk<'a> {
    pub fn new(lab: &'a Lab, board: &'a Board, image: &'a Image, folder: &Path) -> Self {
        Self {
            lab,
            board,
            image,
            folder: folder.to_owned(),
            written: Cell::new(false),
        }
    }
}

impl Place for Desk<'_> {
    fn name(&self) -> String {
        "a board behind the commands of a lab file".to_owned()
    }

    fn start(&self) -> Result<Guest> {
        let medium = match self.written.get() || self.lab.commands.write_medium.is_none() {
            true => None,
            false => Some(medium::make(self.image, &self.folder)?),
        };
        let how = Start {
            medium: medium.as_deref(),
            extra: "",
        };
        let mut guest = lab::start(self.lab, self.board, self.image, &self.folder, &how)?;
        self.written.set(true);
        let ready = take_scratch_disk(&mut guest, self.lab)
            .and_then(|()| guest.check(&format!("mkdir -p {FOLDER}")));
        match ready {
            Ok(_) => Ok(guest),
            Err(error) => bail!("{error:#}\n{}", guest.report()),
        }
    }

    fn disk(&self) -> Option<&str> {
        let scratch = self.lab.commands.scratch.as_ref();
        scratch.map(|scratch| scratch.device.as_str())
    }

    fn folder(&self) -> &str {
        FOLDER
    }

    fn mount(&self) -> Option<&str> {
        None
    }

    fn modules(&self) -> &str {
        TOOLS
    }

    fn cannot_show(&self) -> &[&str] {
        &CANNOT
    }
}
