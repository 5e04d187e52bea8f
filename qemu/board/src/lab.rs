// SPDX-License-Identifier: MIT
//! A board on a desk as data: the lab file of a user, with the commands that reach its console, its power and its
//! medium, and what tests may need and cannot have there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::conf::Board;
use crate::keys::{self, Field, keys};
use crate::lines::lines;
use crate::needs::Need;

/// A disk whose content may be destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratch {
    /// Its name on the board, such as `/dev/sda`.
    pub device: String,
    /// The serial number that the board must report for it.
    pub serial: String,
}

impl Field for Option<Scratch> {
    fn of(text: Option<&str>) -> Result<Self, &'static str> {
        let Some(text) = text else {
            return Ok(None);
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let plain = |word: &str| {
            let mut letters = word.chars();
            letters.all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c))
        };
        match words[..] {
            [device, serial] if device.starts_with("/dev/") && plain(device) && plain(serial) => {
                Ok(Some(Scratch {
                    device: device.to_owned(),
                    serial: serial.to_owned(),
                }))
            }
            _ => Err("is not a device below /dev and its serial number"),
        }
    }
}

keys! {
    /// The commands of a lab, each for the shell of the host that tests.
    Commands, COMMANDS:
    /// its standard input and output are the serial line, for as long as it runs
    "CONSOLE_COMMAND" console: String;
    /// gives the board power, and ends
    "POWER_ON" power_on: String;
    /// takes its power away, and ends
    "POWER_OFF" power_off: String;
    /// takes its power away and gives it back; without it the two others do
    "POWER_CYCLE" power_cycle: Option<String>;
    /// writes the file `$IMAGE` to the medium that the board starts from, without power; without it that is done
    "WRITE_MEDIUM" write_medium: Option<String>;
    /// a disk that the tests may destroy, as the board names it, and its serial number
    "SCRATCH_DISK" scratch: Option<Scratch>;
    /// the line that is typed at the boot loader's prompt, where that is not `LOADER_BOOT` of board.conf; without both
    /// the board starts by itself
    "LOADER_BOOT" loader_boot: Option<String>;
    /// the prompt of the boot loader, where that is not `=>`
    "LOADER_PROMPT" loader_prompt: Option<String>;
}

/// All keys and what they mean.
pub fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = COMMANDS.iter();
    all.map(|(key, meaning)| (*key, meaning.trim()))
}

/// An error for a key that means nothing.
fn known(key: &str) -> Result<()> {
    keys::among(table(), key)
}

/// A lab file.
#[derive(Clone, Debug)]
pub struct Lab {
    /// Where it is.
    pub file: PathBuf,
    /// What it says.
    pub commands: Commands,
}

impl Lab {
    /// Reads a lab file.
    pub fn load(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("no lab file: cannot read {}", file.display()))?;
        Self::parse(&text, file)
    }

    fn parse(text: &str, file: &Path) -> Result<Self> {
        let values = lines(text, file, known)?;
        for (key, given) in &values {
            if given.value.trim().is_empty() {
                bail!("{}: {key} has no value", given.place());
            }
        }
        let commands = Commands::read(&values, &file.display().to_string())?;
        Ok(Self {
            file: file.to_path_buf(),
            commands,
        })
    }

    /// The line for the boot loader's prompt, if one has to be typed.
    pub fn loader_boot<'a>(&'a self, board: &'a Board) -> Option<&'a str> {
        let own = self.commands.loader_boot.as_deref();
        own.or_else(|| board.qemu().ok()?.loader_boot.as_deref())
    }

    /// What tests may need and a board behind commands cannot do, with the reason.
    pub fn lacks(&self, board: &Board) -> BTreeMap<Need, String> {
        let mut lacks: BTreeMap<Need, String> = [
            (Need::Qemu, "a board behind commands is no machine of QEMU's"),
            (Need::Host, "what needs no board is tested without one"),
            (Need::HostDisk, "the host does not see the board's disks"),
            (Need::Filled, "the host does not fill the board's memory"),
            (
                Need::Terminal,
                "a serial line may damage what is typed and drawn: commands are confirmed and run without a terminal",
            ),
            (Need::SeveralDisks, "there is one scratch disk"),
            (Need::DeviceNode, "the kernel reserves the suite's own regions, without nodes of the device tree"),
        ]
        .map(|(need, why)| (need, why.to_owned()))
        .into();
        if self.commands.scratch.is_none() {
            let why = "the lab file has no SCRATCH_DISK";
            lacks.insert(Need::ScratchDisk, why.to_owned());
        }
        if self.loader_boot(board).is_none() {
            let why =
                "no LOADER_BOOT: regions of the suite's own are named at the boot loader's prompt";
            lacks.insert(Need::OwnRegions, why.to_owned());
        }
        if self.commands.write_medium.is_none() {
            let why = "the lab file has no WRITE_MEDIUM, and only that brings the tests' programs";
            lacks.insert(Need::Tools, why.to_owned());
        }
        lacks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str =
        "CONSOLE_COMMAND=picocom -q /dev/ttyUSB0\nPOWER_ON=relay on\nPOWER_OFF=relay off\n";

    fn parse(more: &str) -> Result<Lab> {
        Lab::parse(&format!("{LEAST}{more}"), Path::new("lab.conf"))
    }

    fn wrong(more: &str) -> String {
        format!("{:#}", parse(more).unwrap_err())
    }

    fn board() -> Board {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Board::load(&root, "p2041rdb").unwrap()
    }

    #[test]
    fn a_command_is_the_rest_of_its_line() {
        let lab = parse("# to the card\nWRITE_MEDIUM=dd if=\"$IMAGE\" of=\"/dev/x\"\n").unwrap();
        let write = lab.commands.write_medium.unwrap();
        assert_eq!(write, "dd if=\"$IMAGE\" of=\"/dev/x\"");
        assert_eq!(lab.commands.power_cycle, None);
    }

    #[test]
    fn a_mistake_is_said_with_its_line() {
        assert!(
            wrong("POWER_OF=x")
                .starts_with("lab.conf:4: POWER_OF: no such key; there are CONSOLE_COMMAND, ")
        );
        assert!(wrong("POWER_ON=x").starts_with("lab.conf:4: POWER_ON is given twice"));
        assert!(wrong("POWER_CYCLE= ").starts_with("lab.conf:4: POWER_CYCLE has no value"));
        assert!(wrong("relay").starts_with("lab.conf:4: not a KEY=value line"));
        let lacking = Lab::parse("POWER_ON=x\n", Path::new("lab.conf")).unwrap_err();
        let text = format!("{lacking:#}");
        assert_eq!(text, "lab.conf: CONSOLE_COMMAND is missing");
    }

    #[test]
    fn a_scratch_disk_has_a_serial_number() {
        let scratch = |value: &str| parse(&format!("SCRATCH_DISK={value}\n"));
        let found = scratch("/dev/sda WD-1234")
            .unwrap()
            .commands
            .scratch
            .unwrap();
        assert_eq!((&*found.device, &*found.serial), ("/dev/sda", "WD-1234"));
        for value in [
            "/dev/sda",
            "sda WD-1234",
            "/dev/sda WD 1234",
            "/dev/sda $(x)",
        ] {
            let error = format!("{:#}", scratch(value).unwrap_err());
            let wanted = "is not a device below /dev and its serial number";
            assert_eq!(error, format!("lab.conf:4: SCRATCH_DISK={value} {wanted}"));
        }
    }

    #[test]
    fn the_chapters_examples_are_lab_files() {
        let chapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/lab.md");
        let text = fs::read_to_string(&chapter).unwrap();
        let mut examples = 0;
        for line in text.lines() {
            let Some(line) = line.strip_prefix("    ") else {
                continue;
            };
            let key = line.split('=').next().unwrap_or_default();
            if key.is_empty() || !key.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
                continue;
            }
            examples += 1;
            let others = LEAST
                .lines()
                .filter(|other| !other.starts_with(&format!("{key}=")));
            let file = others.chain([line]).collect::<Vec<_>>().join("\n");
            Lab::parse(&file, &chapter).unwrap();
        }
        assert!(examples > 15, "{examples}");
    }

    #[test]
    fn what_is_not_in_the_file_is_lacking_with_its_reason() {
        let lacks = |more| parse(more).unwrap().lacks(&board());
        let least = lacks("");
        assert!(least[&Need::ScratchDisk].contains("no SCRATCH_DISK"));
        assert!(least.contains_key(&Need::OwnRegions) && least.contains_key(&Need::Tools));
        let most = lacks("SCRATCH_DISK=/dev/sda 1\nLOADER_BOOT=boot\nWRITE_MEDIUM=x\n");
        for need in [Need::ScratchDisk, Need::OwnRegions, Need::Tools] {
            assert!(!most.contains_key(&need), "{need:?}");
        }
        assert!(most.contains_key(&Need::Qemu) && most.contains_key(&Need::HostDisk));
        assert!(!most.contains_key(&Need::Board));
    }
}
