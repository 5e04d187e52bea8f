// SPDX-License-Identifier: MIT
//! The machines that tests run in, and what is on and in them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use board::devicetree::Region;
use board::firmware::cannot_reserve;
use board::{Board, Image, TreeSource};
use host::paths::Paths;
use host::settings;
use labs::run::fill_with_random;
use machine::disk::Disk;
use machine::guest::{Guest, Output};
use machine::instruments::{TAINT_OUT_OF_TREE, TAINT_TEST};
use machine::{Boot, Machine};

use crate::regions;

/// The flavours whose kernels watch themselves, and inject faults.
const INJECTING: [&str; 2] = ["debug", "kasan"];

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
    /// The same with a small region beside it that may be written to, for docs/reference/resdump.md.
    Docs,
    /// The product's kernel, told to use half of the memory; regions beyond that, across its end,
    /// without a mapping, and with ragged bounds.
    Holes,
    /// The product's kernel with a raw disk that is slow.
    Slow,
    /// The product's kernel with regions by `reserve_mem=`, and none in the device tree.
    Named,
    /// The laboratory's kernel, so that all engines work, and disks that are made to fail.
    Faults,
    /// The product's kernel, with regions that have neighbours.
    Security,
    /// The kernel that watches, whose allocations can be made to fail. Regions as in `Low`.
    Failing,
    /// The product's kernel with a region of each sort between canaries.
    Fuzz,
    /// The product's kernel, told to use half of the memory, with regions that a device shares, and disks whose
    /// driver uses the kernel's DMA interface.
    Dma,
    /// The product's kernel, told to let no device at memory itself (`swiotlb=force`).
    Bounce,
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
            Bed::Faults => "faults",
            Bed::Security => "security",
            Bed::Failing => "failing",
            Bed::Fuzz => "fuzz",
            Bed::Dma => "dma",
            Bed::Bounce => "bounce",
        }
    }

    fn flavour(self) -> &'static str {
        match self {
            Bed::Lab | Bed::Kunit | Bed::Faults => "lab",
            _ => "appliance",
        }
    }

    /// Whether its tests make things fail that the kernel reports.
    fn provokes(self) -> bool {
        matches!(self, Bed::Faults | Bed::Failing)
    }

    fn append(self) -> &'static str {
        match self {
            Bed::Kunit => "kunit.enable=1 kunit.autorun=1 kunit.filter_glob=resmem*",
            Bed::Holes | Bed::Fuzz | Bed::Dma => "mem=256M",
            Bed::Bounce => "swiotlb=force",
            Bed::Named => crate::named::COMMAND_LINE,
            _ => "",
        }
    }

    /// What the file system on its second disk has beside the usual.
    fn features(self) -> &'static [&'static str] {
        match self {
            // Another kernel would not mount it.
            Bed::Lab if instead().is_none() => &["-O", "quota"],
            _ => &[],
        }
    }

    /// Memory that its regions need, where that is more than the board's own.
    fn memory_mib(self) -> Option<u64> {
        (self == Bed::High).then_some(2048)
    }

    /// Why a board cannot play this bed, if so.
    pub fn excluded(self, board: &Board) -> Result<Option<String>> {
        let most: u64 = board.number("QEMU_MEMORY_MIB_MAX")?;
        let regions = regions::of(self, page_of(board)?).unwrap_or_default();
        Ok(match self.memory_mib() {
            Some(needed) if needed > most => Some(format!(
                "needs {needed} MiB of memory, the machine has {most} at most"
            )),
            _ if self == Bed::Failing && !injects() => {
                Some("needs a kernel that injects faults: make test-debug, test-twin".to_owned())
            }
            _ if board.tree_source()? == TreeSource::Firmware => match self {
                Bed::Dma | Bed::Bounce => {
                    Some("only a device-tree node can say that a device shares a region".to_owned())
                }
                _ => regions::missed(&regions),
            },
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

/// What a test does in its machine.
pub type Run = Box<dyn FnOnce(&mut Running) -> Result<()> + Send>;

/// A test of a table: one fault, one engine.
pub struct Cell {
    pub bed: Bed,
    pub name: String,
    pub run: Run,
}

impl From<Case> for Cell {
    fn from(case: Case) -> Self {
        Self {
            bed: case.bed,
            name: case.name.to_owned(),
            run: Box::new(case.run),
        }
    }
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
    /// What each region held when its first test began.
    pub content: BTreeMap<String, Vec<u8>>,
    /// Which machine it is.
    pub board: Board,
    /// Bytes of a page.
    pub page: u64,
    bases: BTreeMap<String, u64>,
}

/// Size of the raw disk.
const RAW: u64 = 160 << 20;
/// Size of the small disk: not a multiple of the default chunk.
pub const SMALL: u64 = (5 << 20) + 4096;
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
            Bed::Faults,
            Bed::Security,
            Bed::Failing,
            Bed::Fuzz,
            Bed::Dma,
            Bed::Bounce,
        ];
        Self {
            running: beds.map(|bed| (bed, Mutex::new(None))).into(),
        }
    }

    /// Runs a test in its machine, starting that if need be; a machine in which a test failed is
    /// not used again.
    pub fn with(
        &self,
        bed: Bed,
        name: &str,
        run: impl FnOnce(&mut Running) -> Result<()>,
    ) -> Result<()> {
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
            Err(error) => {
                if bed.provokes() {
                    // Onto the console, where this bed does not show it. A guest that is gone has
                    // its report all the same.
                    drop(running.guest.run("dmesg | tail -n 40"));
                }
                bail!(
                    "{error:#}\n{}\nrepeat: make test TEST={}::{name}",
                    running.guest.report(),
                    bed.name()
                )
            }
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
    let mut ext4 = Disk::ext4_with(&folder.join("ext4.img"), 256 << 20, bed.features())?;
    let mut small = Disk::empty(&folder.join("small.img"), SMALL)?;
    if bed == Bed::Dma {
        small = small.slow_to_read(400_000);
    }
    if bed == Bed::Fuzz {
        [raw, ext4, small] = [raw, ext4, small].map(Disk::unflushed);
    }
    let mut machine = Machine::new(&board, &image, &folder);
    machine.tools = true;
    machine.monitor = bed == Bed::Faults;
    machine.maps_dma = bed == Bed::Dma;
    machine.append = bed.append().to_owned();
    machine.cpus = match bed {
        // Nothing races on one processor.
        _ if board.instrument() => board.number::<u32>("QEMU_CPUS_MAX")?.min(2),
        Bed::Low | Bed::Faults | Bed::Fuzz => board.number::<u32>("QEMU_CPUS_MAX")?.min(2),
        _ => 1,
    };
    machine.memory_mib = bed.memory_mib();
    let page = page_of(&board)?;
    machine.regions = regions::of(bed, page);
    if board.tree_source()? == TreeSource::Firmware {
        // excluded-tests has the tests that do not do without the others.
        let had = |region: &Region| cannot_reserve(region).is_none();
        machine.regions.iter_mut().for_each(|all| all.retain(had));
    }
    machine.disks = vec![raw.clone(), ext4.clone(), small.clone()];
    let system = match bed {
        Bed::Disk => Some(system_disk(&mut machine)?),
        _ => None,
    };

    let filled: BTreeMap<String, u64> = match &machine.regions {
        Some(regions) => regions
            .iter()
            .map(|region| (region.driver_label().to_owned(), region.size))
            .collect(),
        None => [("capture".to_owned(), machine.own_region("capture")?.1)].into(),
    };
    let mut content = BTreeMap::new();
    for (label, size) in filled {
        if bed == Bed::Fuzz && label == crate::fuzz::OVERLAPPING {
            continue;
        }
        let file = folder.join(format!("{label}.bin"));
        match bed {
            Bed::Fuzz => fs::write(&file, crate::fuzz::content(&label, size))?,
            _ => fill_with_random(&file, size)?,
        }
        machine.fill(&label, &file)?;
        content.insert(label, fs::read(&file)?);
    }
    let mut guest = machine.start()?;
    let shell = match machine.boot {
        Boot::Loader => through_the_loader(&mut guest, &board),
        _ => guest.wait_for_shell().map(|_| ()),
    };
    let ready = shell.and_then(|()| match bed.provokes() {
        // What the kernel says about the faults would be between what others say.
        true => guest.check("dmesg -n 3").map(|_| ()),
        false => Ok(()),
    });
    let bases = match ready.and_then(|()| regions::bases(&machine, &mut guest)) {
        Ok(bases) => bases,
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    };
    Ok(Running {
        guest,
        raw,
        ext4,
        small,
        system,
        content,
        page,
        board,
        bases,
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
    Board::load(&paths.root, &settings::get().board)
}

pub fn page_of(board: &Board) -> Result<u64> {
    board.number_or("PAGE_SIZE", 4096)
}

/// The flavour that all tests use instead of their own, if `RESDUMP_FLAVOUR` names one.
pub fn instead() -> Option<&'static str> {
    settings::get().flavour.as_deref()
}

fn injects() -> bool {
    instead().is_some_and(|flavour| INJECTING.contains(&flavour))
}

/// The image under test: the quick one, or the folder that `RESDUMP_IMAGES` names, with one folder
/// a flavour.
pub fn image(paths: &Paths, board: &Board, flavour: &str) -> Result<Image> {
    let flavour = instead().unwrap_or(flavour);
    Image::open(&paths.image(&board.name, flavour))
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

    /// Content of a region as the host put it there.
    pub fn expected(&self, label: &str) -> Result<&[u8]> {
        match self.content.get(label) {
            Some(content) => Ok(content),
            None => bail!("no region {label}"),
        }
    }

    /// Physical address of a region of the bed's own.
    pub fn base(&self, label: &str) -> Result<u64> {
        let base = self.bases.get(label).copied();
        base.with_context(|| format!("no region {label}"))
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
