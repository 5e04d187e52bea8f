// SPDX-License-Identifier: MIT
//! The machines that tests run in, and what is on and in them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use harness::board::{Board, TreeSource};
use harness::devicetree::Region;
use harness::disk::Disk;
use harness::guest::{Guest, Output, TAINT_OUT_OF_TREE, TAINT_TEST};
use harness::image::{Builder, Image};
use harness::machine::{Boot, Machine};
use harness::paths::Paths;
use harness::run::fill_with_random;
use harness::toolchain::Toolchain;

/// Which machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bed {
    /// The product's kernel, two processors, regions in low memory.
    Low,
    /// The product's kernel, 2 GiB, a region in high memory.
    High,
    /// The laboratory's kernel, with the board's own device tree.
    Lab,
    /// The same, running the module's own unit tests when it is loaded.
    Kunit,
    /// The product's kernel with the board's own device tree, as a user finds it.
    Readme,
    /// The disk image on a larger disk, started by the board's boot loader where QEMU has it.
    Disk,
    /// The same with a small region beside it that may be written to, for docs/resdump.md.
    Docs,
    /// The product's kernel, told to use half of the memory; regions beyond that, across its end,
    /// without a mapping, and with ragged bounds.
    Holes,
    /// The product's kernel with a raw disk that is slow.
    Slow,
    /// The product's kernel with regions by `reserve_mem=`, and none in the device tree.
    Named,
}

impl Bed {
    /// First part of the names of its tests.
    pub fn name(self) -> &'static str {
        match self {
            Bed::Low => "low",
            Bed::High => "high",
            Bed::Lab => "lab",
            Bed::Kunit => "kunit",
            Bed::Readme => "readme",
            Bed::Disk => "disk",
            Bed::Docs => "docs",
            Bed::Holes => "holes",
            Bed::Slow => "slow",
            Bed::Named => "named",
        }
    }

    fn flavour(self) -> &'static str {
        match self {
            Bed::Lab | Bed::Kunit => "lab",
            _ => "appliance",
        }
    }

    fn append(self) -> &'static str {
        match self {
            Bed::Kunit => "kunit.enable=1 kunit.autorun=1 kunit.filter_glob=resmem*",
            Bed::Holes => "mem=256M",
            Bed::Named => crate::named::COMMAND_LINE,
            _ => "",
        }
    }

    /// Memory that its regions need, where that is more than the board's own.
    fn memory_mib(self) -> Option<u64> {
        (self == Bed::High).then_some(2048)
    }

    /// Why a board cannot play this bed, if so.
    pub fn excluded(self, board: &Board) -> Result<Option<String>> {
        let most: u64 = board.number("QEMU_MEMORY_MIB_MAX")?;
        let regions = regions(self).is_some_and(|regions| !regions.is_empty());
        Ok(match self.memory_mib() {
            Some(needed) if needed > most => Some(format!(
                "needs {needed} MiB of memory, the machine has {most} at most"
            )),
            _ if regions && board.tree_source()? == TreeSource::Firmware => {
                Some("its regions are in a device tree that the firmware makes".to_owned())
            }
            _ => None,
        })
    }

    fn taint(self) -> u32 {
        match self {
            Bed::Kunit => TAINT_OUT_OF_TREE | TAINT_TEST,
            _ => TAINT_OUT_OF_TREE,
        }
    }
}

/// A test.
pub struct Case {
    pub bed: Bed,
    pub name: &'static str,
    pub run: fn(&mut Running) -> Result<()>,
}

/// A machine that runs, with its disks and what the host put into its regions.
pub struct Running {
    pub guest: Guest,
    /// `/dev/vda`, empty; with a system disk `/dev/vdb`, and so on.
    pub raw: Disk,
    /// `/dev/vdb`, ext4.
    pub ext4: Disk,
    /// `/dev/vdc`, empty, [`SMALL`] bytes.
    pub small: Disk,
    /// The disk that the system was started from, `/dev/vda`.
    pub system: Option<Disk>,
    /// What each region held when the processor started.
    pub content: BTreeMap<String, Vec<u8>>,
    /// Which machine it is.
    pub board: Board,
}

/// Size of the raw disk.
const RAW: u64 = 160 << 20;
/// Size of the small disk: not a multiple of the default chunk.
pub const SMALL: u64 = (5 << 20) + 4096;
/// Size of a region that is not a power of two, nor a multiple of 64 KiB.
pub const ODD: u64 = (3 << 20) + (3 << 12);

/// A region whose bounds are not those of pages, nor of sectors.
const RAGGED_BASE: u64 = 0x0d00_0123;
pub const RAGGED: u64 = (1 << 20) + 77;

fn regions(bed: Bed) -> Option<Vec<Region>> {
    match bed {
        Bed::Low => Some(vec![
            Region::new("named", 0x1000_0000, 64 << 20).named("capture"),
            Region::new("odd", 0x0e00_0000, ODD),
            Region::new("scratch", 0x0f00_0000, 1 << 20).writable(),
            Region::new("ring", 0x0f80_0000, 1 << 20)
                .writable()
                .device_writes(),
        ]),
        Bed::High => Some(vec![
            Region::new("high", 0x6000_0000, 64 << 20),
            Region::new("highscratch", 0x6800_0000, 1 << 20).writable(),
        ]),
        Bed::Docs => Some(vec![
            Region::new("capture", 0x1000_0000, 64 << 20),
            Region::new("scratch", 0x0f00_0000, 1 << 20).writable(),
        ]),
        Bed::Holes => Some(vec![
            Region::new("outside", 0x1800_0000, 4 << 20).writable(),
            Region::new("straddle", 0x0ff0_0000, 2 << 20),
            Region::new("nomap", 0x0e00_0000, 1 << 20).no_map(),
            Region::new("ragged", RAGGED_BASE, RAGGED).writable(),
            Region::new("twin", 0x0c00_0000, 1 << 20),
            Region::new("double", 0x0c10_0000, 1 << 20).named("twin"),
        ]),
        Bed::Named => Some(Vec::new()),
        Bed::Lab | Bed::Kunit | Bed::Readme | Bed::Disk | Bed::Slow => None,
    }
}

/// The machines that have been started.
pub struct Beds {
    running: BTreeMap<Bed, Mutex<Option<Running>>>,
}

impl Beds {
    pub fn new() -> Self {
        let beds = [
            Bed::Low,
            Bed::High,
            Bed::Lab,
            Bed::Kunit,
            Bed::Readme,
            Bed::Disk,
            Bed::Docs,
            Bed::Holes,
            Bed::Slow,
            Bed::Named,
        ];
        Self {
            running: beds.map(|bed| (bed, Mutex::new(None))).into(),
        }
    }

    /// Runs a test in its machine, starting that if need be; a machine in which a test failed is
    /// not used again.
    pub fn with(&self, bed: Bed, name: &str, run: fn(&mut Running) -> Result<()>) -> Result<()> {
        let slot = self.running.get(&bed).context("no such machine")?;
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = match slot.take() {
            Some(running) => running,
            None => start(bed).with_context(|| format!("starting the machine for {name}"))?,
        };
        let result = run(&mut running).and_then(|()| running.guest.check_health(bed.taint()));
        match result {
            Ok(()) => {
                *slot = Some(running);
                Ok(())
            }
            Err(error) => bail!(
                "{error:#}\n{}\nrepeat: make test TEST={}::{name}",
                running.guest.report(),
                bed.name()
            ),
        }
    }

    /// Powers all machines off.
    pub fn power_off(&self) -> Result<()> {
        for slot in self.running.values() {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(running) = slot.take() {
                let status = running.guest.power_off()?;
                ensure!(status.success(), "QEMU ended with {status}");
            }
        }
        Ok(())
    }
}

fn start(bed: Bed) -> Result<Running> {
    let paths = Paths::discover()?;
    let board = board(&paths)?;
    let image = image(&paths, &board, bed.flavour())?;
    let folder = paths.fresh_out(&format!("suite/{}", bed.name()))?;

    let mut raw = Disk::empty(&folder.join("raw.img"), RAW)?;
    if bed == Bed::Slow {
        raw = raw.throttled(40_000_000);
    }
    let ext4 = Disk::ext4(&folder.join("ext4.img"), 256 << 20)?;
    let small = Disk::empty(&folder.join("small.img"), SMALL)?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.tools = true;
    machine.append = bed.append().to_owned();
    machine.cpus = match bed {
        _ if bed != Bed::Low && !board.instrument() => 1,
        // Nothing races on one processor.
        _ => board.number::<u32>("QEMU_CPUS_MAX")?.min(2),
    };
    machine.memory_mib = bed.memory_mib();
    machine.regions = regions(bed);
    machine.disks = vec![raw.clone(), ext4.clone(), small.clone()];
    let system = match bed {
        Bed::Disk => Some(system_disk(&mut machine)?),
        _ => None,
    };

    // A region whose place only the running kernel knows is filled by a command, from the raw disk.
    let mut by_command = None;
    let filled: Vec<(String, u64, u64)> = match &machine.regions {
        Some(regions) => regions
            .iter()
            .map(|region| {
                let label = region.name.as_ref().unwrap_or(&region.label);
                (label.clone(), region.base, region.size)
            })
            .collect(),
        None => match machine.own_region("capture")? {
            (Some(base), size) => vec![("capture".to_owned(), base, size)],
            (None, size) => {
                by_command = Some(size);
                Vec::new()
            }
        },
    };
    let mut content = BTreeMap::new();
    for (label, base, size) in filled {
        let file = folder.join(format!("{base:x}.bin"));
        fill_with_random(&file, size)?;
        content.insert(label, fs::read(&file)?);
        machine.loads.push((file, base));
    }
    if let Some(size) = by_command {
        fill_with_random(&raw.path, size)?;
        content.insert("capture".to_owned(), fs::read(&raw.path)?);
        File::options().write(true).open(&raw.path)?.set_len(RAW)?;
    }
    let mut guest = machine.start()?;
    let shell = match machine.boot {
        Boot::Loader => through_the_loader(&mut guest, &board),
        _ => guest.wait_for_shell().map(|_| ()),
    };
    let filled = shell.and_then(|()| match by_command {
        Some(size) => guest
            .check(&format!(
                "resdump load /dev/vda capture --length {size} --quiet"
            ))
            .map(|_| ()),
        None => Ok(()),
    });
    if let Err(error) = filled {
        bail!("{error:#}\n{}", guest.report());
    }
    Ok(Running {
        guest,
        raw,
        ext4,
        small,
        system,
        content,
        board,
    })
}

/// Size of the medium that the system disk is written to.
pub const MEDIUM: u64 = 512 << 20;

/// Puts the image's disk before the others, and makes the machine start from it.
fn system_disk(machine: &mut Machine<'_>) -> Result<Disk> {
    let path = machine.folder.join("system.img");
    let disk = Disk::image(&path, &machine.image.file("sdcard.img"), MEDIUM)?;
    machine.disks.insert(0, disk.clone());
    machine.boot = match machine.board.find("QEMU_LOADER") {
        Some(_) => Boot::Loader,
        None => Boot::Disk,
    };
    machine.tools = false;
    Ok(disk)
}

fn through_the_loader(guest: &mut Guest, board: &Board) -> Result<()> {
    guest.stop_boot_loader()?;
    guest.boot_loader("version")?;
    guest.leave_boot_loader(board.get("LOADER_BOOT")?)?;
    guest.wait_for_shell()?;
    Ok(())
}

/// The board under test: the one that `RESDUMP_BOARD` names, else the reference.
pub fn board(paths: &Paths) -> Result<Board> {
    let name = std::env::var("RESDUMP_BOARD").unwrap_or_else(|_| "qemu-ppce500".to_owned());
    Board::load(&paths.root, &name)
}

/// The flavour that all tests use instead of their own, if `RESDUMP_FLAVOUR` names one.
pub fn instead() -> Option<String> {
    std::env::var("RESDUMP_FLAVOUR").ok()
}

/// The image under test: the quick one, or the folder that `RESDUMP_IMAGES` names, with one folder
/// a flavour.
pub fn image(paths: &Paths, board: &Board, flavour: &str) -> Result<Image> {
    let instead = instead();
    let flavour = instead.as_deref().unwrap_or(flavour);
    if let Some(image) = Image::given(flavour)? {
        return Ok(image);
    }
    let tools = Toolchain::discover()?;
    Builder {
        paths,
        tools: &tools,
        board,
        flavour,
    }
    .build()
}

impl Running {
    /// Runs a command that must succeed.
    pub fn check(&mut self, command: &str) -> Result<String> {
        self.guest.check(command)
    }

    /// Runs a command, whatever its exit status.
    pub fn run(&mut self, command: &str) -> Result<Output> {
        self.guest.run(command)
    }

    /// Makes one raw call and returns what it said: `ok …`, or the name of an error.
    pub fn probe(&mut self, call: &str) -> Result<String> {
        Ok(self.check(&format!("probe {call}"))?.trim().to_owned())
    }

    /// A raw call that must end as expected: `ok …`, or the name of an error.
    pub fn says(&mut self, call: &str, errno: &str) -> Result<()> {
        let said = self.probe(call)?;
        ensure!(said == errno, "probe {call}: {said}, expected {errno}");
        Ok(())
    }

    /// A dump with `resdump` that must succeed; returns its JSON.
    pub fn dump(&mut self, arguments: &str) -> Result<Value> {
        let text = self.check(&format!("resdump dump {arguments} --force --quiet --json"))?;
        serde_json::from_str(text.trim()).with_context(|| format!("resdump printed {text:?}"))
    }

    /// Physical address of what lies `offset` bytes from the beginning of the memory.
    pub fn address(&self, offset: u64) -> Result<u64> {
        Ok(self.board.memory_base()? + offset)
    }

    /// Content of a region as the host put it there.
    pub fn expected(&self, label: &str) -> Result<&[u8]> {
        match self.content.get(label) {
            Some(content) => Ok(content),
            None => bail!("no region {label}"),
        }
    }

    /// Checks that a disk holds the whole content of a region at an offset.
    pub fn same_on(&self, disk: &Disk, offset: u64, label: &str) -> Result<()> {
        let expected = self.expected(label)?;
        same(&disk.read(offset, expected.len() as u64)?, expected)
    }

    /// Runs a command with the ext4 disk on /mnt, and takes it away again.
    pub fn mounted<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.check("mount -t ext4 /dev/vdb /mnt")?;
        let result = work(self);
        self.check("umount /mnt")?;
        result
    }

    /// What a path in the guest hashes to.
    pub fn sha256(&mut self, path: &str) -> Result<String> {
        let text = self.check(&format!("sha256sum {path}"))?;
        Ok(text
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned())
    }
}

/// Checks that two pieces are the same, and says where they first differ.
pub fn same(found: &[u8], expected: &[u8]) -> Result<()> {
    ensure!(
        found.len() == expected.len(),
        "{} bytes instead of {}",
        found.len(),
        expected.len()
    );
    if let Some(at) = found
        .iter()
        .zip(expected)
        .position(|(one, other)| one != other)
    {
        bail!(
            "byte {at:#x} is {:#04x} instead of {:#04x}",
            found[at],
            expected[at]
        );
    }
    Ok(())
}
