// SPDX-License-Identifier: MIT
//! A board as data: the key=value file `board/<name>/board.conf` and the files next to it. What a
//! board does not have, it takes from the board that its `BASE` names, if there is one, and then from
//! `board/common/disk`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::keys::{self, ByteOrder, Common, Placement, Qemu, Tree};
use crate::lines::{Given, lines};
use crate::needs::Need;

/// What says what a board is.
const FILE: &str = "board.conf";
/// The folder of a board with kernel patches.
const PATCHES: &str = "patches";

/// What the harness knows of a board.
#[derive(Clone, Debug)]
pub struct Board {
    /// Name of its folder.
    pub name: String,
    /// Its folder and those that it takes files from, nearest first, `board/common/disk` last.
    pub folders: Vec<PathBuf>,
    /// The board whose kernel it has: its own name, or that of a base from which it differs in nothing that changes
    /// the kernel.
    pub kernel: String,
    /// The folder that boards share.
    pub common: PathBuf,
    /// What its board.conf says.
    pub conf: Common,
    /// The same for QEMU, where that plays the board.
    qemu: Option<Qemu>,
    lacks: BTreeMap<Need, String>,
}

impl Board {
    /// Reads `board/<name>`, and its base.
    pub fn load(root: &Path, name: &str) -> Result<Self> {
        let common = root.join("board/common");
        let mut folders = Vec::new();
        let mut values: BTreeMap<String, Given> = BTreeMap::new();
        let mut next = Some(name.to_owned());
        let mut kernel = None;
        while let Some(name) = next {
            let folder = root.join("board").join(&name);
            if folders.contains(&folder) {
                bail!("board {name} is its own BASE");
            }
            let file = folder.join(FILE);
            let text = fs::read_to_string(&file)
                .with_context(|| format!("no board {name}: cannot read {}", file.display()))?;
            let mut more = parse(&text, &file)?;
            next = more.remove("BASE").map(|base| base.value);
            let has_own = keys::OF_KERNEL.iter().any(|key| more.contains_key(*key))
                || ["linux.config", PATCHES]
                    .iter()
                    .any(|own| folder.join(own).exists());
            if kernel.is_none() && (has_own || next.is_none()) {
                kernel = Some(name);
            }
            for (key, given) in more {
                values.entry(key).or_insert(given);
            }
            folders.push(folder);
        }
        folders.push(common.join("disk"));
        let of_board = || format!("board {name}");
        let conf = Common::read(&values, FILE).with_context(of_board)?;
        ensure!(
            conf.linux_bringup_fragments.is_empty()
                || conf.flavours.is_empty()
                || conf.flavours.iter().any(|flavour| flavour == "bringup"),
            "board {name}: LINUX_BRINGUP_FRAGMENTS are for the flavour bringup, which FLAVOURS does not name"
        );
        let qemu = match values.contains_key("QEMU") {
            true => Some(Qemu::read(&values, FILE).with_context(of_board)?),
            false => match values.iter().find(|(key, _)| keys::is_qemus(key)) {
                Some((key, Given { file, line, .. })) => {
                    bail!("{}:{line}: {key} without QEMU", file.display())
                }
                None => None,
            },
        };
        let mut lacks = BTreeMap::new();
        for (key, given) in values {
            if let Some(need) = key.strip_prefix(keys::LACKS).and_then(Need::of_word) {
                lacks.insert(need, given.value);
            }
        }
        Ok(Self {
            name: name.to_owned(),
            kernel: kernel.unwrap_or_else(|| name.to_owned()),
            folders,
            common,
            conf,
            qemu,
            lacks,
        })
    }

    /// Names of all boards below `root`, in alphabetical order.
    pub fn names(root: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(root.join("board"))? {
            let entry = entry?;
            if entry.path().join(FILE).is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// What its board.conf says for QEMU, which must play it.
    pub fn qemu(&self) -> Result<&Qemu> {
        let qemu = self.qemu.as_ref();
        qemu.with_context(|| {
            format!(
                "board {}: QEMU does not play it (board.conf: QEMU)",
                self.name
            )
        })
    }

    /// How its regions get into the machine.
    pub fn placement(&self) -> &Placement {
        const LOADERS: &Placement = &Placement::Overlay(Tree::Generated);
        // On a board that QEMU does not play the boot loader puts them in.
        self.qemu.as_ref().map_or(LOADERS, |qemu| &qemu.placement)
    }

    /// What starts its kernel after power-on.
    pub fn starter(&self) -> &'static str {
        match &self.qemu {
            None => "U-Boot",
            Some(qemu) if qemu.loader.is_some() => "U-Boot",
            Some(qemu) if qemu.placement == Placement::ReserveMem => "Open Firmware",
            Some(_) => "QEMU",
        }
    }

    /// Whether it is a means of finding errors, and not a board to be supported: it has no disk image,
    /// and Buildroot does not know it.
    pub fn is_detector(&self) -> bool {
        self.conf.detector.0
    }

    /// Physical address at which the machine's memory begins.
    pub fn memory_base(&self) -> u64 {
        let base = self.qemu.as_ref().and_then(|qemu| qemu.memory_base);
        base.unwrap_or(0)
    }

    /// Bytes of a page of its kernel.
    pub fn page(&self) -> u64 {
        self.conf.page_size.unwrap_or(4096)
    }

    /// Whether caches see what devices write.
    pub fn dma_coherent(&self) -> bool {
        self.conf.dma_coherent.0
    }

    /// Which byte of a number comes first, `big` or `little`, as the dumper calls it.
    pub fn byte_order(&self) -> &'static str {
        match self.conf.byte_order {
            ByteOrder::Big => "big",
            ByteOrder::Little => "little",
        }
    }

    /// What compiles the kernel.
    pub fn kernel_compiler(&self) -> String {
        match &self.conf.llvm {
            Some(release) => format!("clang{release}"),
            None => self.c_compiler(),
        }
    }

    /// What compiles programs in C.
    pub fn c_compiler(&self) -> String {
        format!("{}gcc", self.conf.cross_compile)
    }

    /// A file of the board, or of the nearest folder that it takes files from.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        let mut files = self.folders.iter().map(|folder| folder.join(name));
        match files.find(|file| file.is_file()) {
            Some(file) => Ok(file),
            None => bail!("board {} has no {name}", self.name),
        }
    }

    /// The folder with kernel patches that only some boards need, and the name of the board that has it, if there is
    /// one.
    pub fn patches(&self) -> Result<Option<(PathBuf, String)>> {
        let mut folders = self.folders.iter();
        let owner = match &self.conf.patches_of {
            Some(other) => self.common.with_file_name(other),
            None => match folders.find(|folder| folder.join(PATCHES).is_dir()) {
                Some(folder) => folder.clone(),
                None => return Ok(None),
            },
        };
        let patches = owner.join(PATCHES);
        ensure!(
            patches.is_dir(),
            "board {}: PATCHES_OF={}: there is no {}",
            self.name,
            self.conf.patches_of.as_deref().unwrap_or_default(),
            patches.display()
        );
        let owner = owner.file_name().unwrap_or_default().to_string_lossy();
        Ok(Some((patches, owner.into_owned())))
    }

    /// The device-tree overlay with the board's regions; none where the firmware makes the tree.
    pub fn overlay(&self) -> Result<Option<PathBuf>> {
        match self.placement() {
            Placement::ReserveMem => Ok(None),
            Placement::Overlay(_) => self.file("resmem.dtso").map(Some),
        }
    }

    /// What tests may need and this board lacks, with the reason: from its `LACKS_<WORD>` lines, and what
    /// follows from other lines.
    pub fn lacks(&self) -> BTreeMap<Need, String> {
        let mut lacks = self.lacks.clone();
        let mut follows = |need, condition: bool, reason: &str| {
            if condition {
                lacks.entry(need).or_insert_with(|| reason.to_owned());
            }
        };
        follows(
            Need::Qemu,
            self.qemu.is_none(),
            "QEMU does not play this board",
        );
        follows(
            Need::Board,
            self.qemu.is_none(),
            "QEMU does not play this board, and TARGET= names no lab file",
        );
        follows(
            Need::DeviceNode,
            *self.placement() == Placement::ReserveMem,
            "the firmware makes the device tree, and the kernel reserves the regions",
        );
        follows(
            Need::DiskImage,
            self.is_detector(),
            "a board for finding errors has no disk image",
        );
        follows(
            Need::MemoryAtZero,
            self.memory_base() != 0,
            "the machine's memory begins elsewhere",
        );
        follows(
            Need::OpenFirmware,
            *self.placement() != Placement::ReserveMem,
            "the machine has no Open Firmware",
        );
        let loader = self.qemu.as_ref().and_then(|qemu| qemu.loader.as_ref());
        follows(
            Need::BootLoader,
            loader.is_none(),
            "QEMU has no boot loader for the board",
        );
        let bringup = &self.conf.linux_bringup_fragments;
        follows(
            Need::BringUpKernel,
            !bringup.iter().any(|name| name == "virtio-net"),
            "LINUX_BRINGUP_FRAGMENTS has no network",
        );
        follows(
            Need::PersistentMemory,
            !self.is_detector(),
            "only the twin's kernel has persistent memory",
        );
        lacks
    }

    /// The Kconfig files of a kernel flavour, in the order in which they apply.
    pub fn kconfig(&self, flavour: &str) -> Result<Vec<PathBuf>> {
        let fragments = self.common.join("linux/fragments");
        let more: &[String] = match flavour {
            "debug" => &self.conf.linux_debug_fragments,
            "bringup" => &self.conf.linux_bringup_fragments,
            _ => &[],
        };
        let names = self.conf.linux_fragments.iter().map(String::as_str);
        let mut files: Vec<PathBuf> = names
            .chain((flavour == "bringup").then_some("lab"))
            .chain([flavour])
            .chain(more.iter().map(String::as_str))
            .map(|name| fragments.join(format!("{name}.config")))
            .collect();
        files.push(self.file("linux.config")?);
        Ok(files)
    }
}

fn parse(text: &str, file: &Path) -> Result<BTreeMap<String, Given>> {
    let mut values = lines(text, file, keys::known)?;
    for (key, given) in &mut values {
        given.value = given.value.trim_matches('"').to_owned();
        ensure!(
            !key.starts_with(keys::LACKS) || !given.value.trim().is_empty(),
            "{}:{}: {key} has no reason: write why such tests cannot run here",
            file.display(),
            given.line
        );
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "board/x/board.conf";

    fn wrong(text: &str) -> String {
        format!("{:#}", parse(text, Path::new(PATH)).unwrap_err())
    }

    #[test]
    fn an_exclusion_without_a_reason_is_an_error() {
        for line in ["LACKS_QUOTA=\n", "LACKS_QUOTA=\" \"\n"] {
            assert!(wrong(line).contains("board.conf:1: LACKS_QUOTA has no reason"));
        }
    }

    #[test]
    fn quotes_and_comments_are_not_part_of_a_value() {
        let text = "# a board\nCONSOLE=ttyS0\n\nLINUX_FRAGMENTS=\"base rust\"\n";
        let values = parse(text, Path::new(PATH)).unwrap();
        assert_eq!(values["CONSOLE"].value, "ttyS0");
        assert_eq!(values["LINUX_FRAGMENTS"].value, "base rust");
        assert_eq!(values["LINUX_FRAGMENTS"].line, 4);
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        assert!(wrong("BASE=a\nBASE=b").starts_with("board/x/board.conf:2: BASE is given twice"));
        assert!(wrong("\nBASE").starts_with("board/x/board.conf:2: not a KEY=value line"));
        let misspelt = wrong("LINUX_ACRH=powerpc");
        assert!(
            misspelt.starts_with("board/x/board.conf:1: LINUX_ACRH: no such key"),
            "{misspelt}"
        );
    }

    fn boards(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join("board").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const LEAST: &str = "PROCESSOR=p\nLINUX_ARCH=powerpc\nCROSS_COMPILE=p-\nRUST_TARGET=p\nLINUX_FRAGMENTS=base\n\
                         LINUX_IMAGE=uImage\nCONSOLE=ttyS0\n";
    const QEMU: &str = "QEMU=q\nQEMU_MACHINE=m\nQEMU_CPU=c\nQEMU_CPUS_MAX=1\nQEMU_MEMORY_MIB=512\n\
                        QEMU_MEMORY_MIB_MAX=1024\nQEMU_DEVICE_TREE=generated\nPOWER_OFF=reboot\n";

    /// A board of this name with these lines more.
    fn board(name: &str, more: &str) -> Result<Board> {
        let root = boards(&[(&format!("{name}/board.conf"), &format!("{more}{LEAST}"))]);
        Board::load(root.path(), name)
    }

    #[test]
    fn a_board_takes_from_its_base_what_it_does_not_have() {
        let root = boards(&[
            ("old/board.conf", &format!("{LEAST}{QEMU}")),
            ("old/linux.config", ""),
            ("new/board.conf", "BASE=old\nQEMU_CPU=464\n"),
            ("common/disk/boot.cmd", ""),
        ]);
        let board = Board::load(root.path(), "new").unwrap();
        assert_eq!(board.qemu().unwrap().cpu, "464");
        assert_eq!(board.qemu().unwrap().memory_mib, 512);
        let at = |name: &str| root.path().join("board").join(name);
        assert_eq!(board.file("linux.config").unwrap(), at("old/linux.config"));
        assert_eq!(board.file("boot.cmd").unwrap(), at("common/disk/boot.cmd"));
        assert!(board.file("resmem.dtso").is_err());
        assert_eq!(Board::names(root.path()).unwrap(), ["new", "old"]);
    }

    #[test]
    fn boards_that_differ_in_nothing_of_the_kernel_share_it_and_patches_can_be_anothers() {
        let root = boards(&[
            ("one/board.conf", &format!("PATCHES_OF=other\n{LEAST}")),
            ("one/linux.config", ""),
            (
                "two/board.conf",
                "BASE=one\nLINUX_DTB=two.dtb\nPROCESSOR=q\n",
            ),
            ("three/board.conf", "BASE=two\nLINUX_FRAGMENTS=smp\n"),
            ("four/board.conf", "BASE=two\n"),
            ("four/linux.config", ""),
            ("other/patches/0001-x.patch", ""),
        ]);
        let load = |name: &str| Board::load(root.path(), name).unwrap();
        let kernels = ["one", "two", "three", "four"].map(|name| load(name).kernel);
        assert_eq!(kernels, ["one", "one", "three", "four"]);
        let (folder, owner) = load("four").patches().unwrap().unwrap();
        assert_eq!(
            (folder.ends_with("other/patches"), &*owner),
            (true, "other")
        );
        fs::remove_dir_all(root.path().join("board/other")).unwrap();
        let error = load("two").patches().unwrap_err().to_string();
        assert!(error.contains("PATCHES_OF=other: there is no "), "{error}");
    }

    #[test]
    fn a_value_that_cannot_be_parsed_is_an_error_with_its_line() {
        let wrong = |more: &str| format!("{:#}", board("x", more).unwrap_err());
        for (line, says) in [
            (
                "PAGE_SIZE=4k\n",
                "board.conf:1: PAGE_SIZE=4k is not a number",
            ),
            (
                "DETECTOR=true\n",
                "board.conf:1: DETECTOR=true is not yes or no",
            ),
            ("BYTE_ORDER=pdp\n", "BYTE_ORDER=pdp is not big or little"),
            ("QEMU_CPU=x\n", "board.conf:1: QEMU_CPU without QEMU"),
            ("QEMU=x\n", "QEMU_MACHINE is missing"),
        ] {
            assert!(wrong(line).contains(says), "{}", wrong(line));
        }
        let tree = QEMU.replace("generated", "genrated");
        let text = wrong(&tree);
        assert!(
            text.contains(":7: QEMU_DEVICE_TREE=genrated is not generated"),
            "{text}"
        );
    }

    #[test]
    fn a_key_that_is_missing_is_an_error() {
        let root = boards(&[("x/board.conf", "PROCESSOR=p\nLINUX_ARCH=powerpc\n")]);
        let error = format!("{:#}", Board::load(root.path(), "x").unwrap_err());
        assert_eq!(error, "board x: board.conf: CROSS_COMPILE is missing");
    }

    #[test]
    fn memory_begins_where_the_board_says_and_at_0_otherwise() {
        let base = |more: &str| board("x", &format!("{more}{QEMU}")).unwrap().memory_base();
        assert_eq!(base(""), 0);
        assert_eq!(base("QEMU_MEMORY_BASE=0x40000000\n"), 0x4000_0000);
    }

    #[test]
    fn what_a_board_lacks_has_its_reason() {
        let one = board("one", "LACKS_POWER_CUT=\"it has a battery\"\n").unwrap();
        let lacks = one.lacks();
        assert_eq!(lacks[&Need::PowerCut], "it has a battery");
        assert_eq!(lacks[&Need::Qemu], "QEMU does not play this board");
        let error = format!("{:#}", board("bad", "LACKS_COFFEE=none\n").unwrap_err());
        assert!(
            error.contains("board.conf:1: LACKS_COFFEE: no test needs this"),
            "{error}"
        );
    }

    #[test]
    fn a_board_that_is_its_own_base_is_refused() {
        let root = boards(&[("a/board.conf", "BASE=b\n"), ("b/board.conf", "BASE=a\n")]);
        assert!(Board::load(root.path(), "a").is_err());
    }
}
