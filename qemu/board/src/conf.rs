// SPDX-License-Identifier: MIT
//! A board as data: the key=value file `board/<name>/board.conf` and the files beside it. What a
//! board does not have, it takes from the board that its `BASE` names, if there is one, and then from
//! `board/common/disk`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// What the harness knows of a board.
#[derive(Clone, Debug)]
pub struct Board {
    /// Name of its folder.
    pub name: String,
    /// Its folder and those that it takes files from, nearest first, `board/common/disk` last.
    pub folders: Vec<PathBuf>,
    /// The folder that boards share.
    pub common: PathBuf,
    values: BTreeMap<String, String>,
}

/// Where a machine's device tree comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeSource {
    /// QEMU generates it for its arguments, and takes another one with `-dtb`.
    Generated,
    /// QEMU reads a compiled tree of this name from its data folders, and completes it.
    File(String),
    /// The firmware makes it while it starts: nothing can be added.
    Firmware,
}

impl Board {
    /// Reads `board/<name>`, and its base.
    pub fn load(root: &Path, name: &str) -> Result<Self> {
        let common = root.join("board/common");
        let mut folders = Vec::new();
        let mut values = BTreeMap::new();
        let mut next = Some(name.to_owned());
        while let Some(name) = next {
            let folder = root.join("board").join(&name);
            if folders.contains(&folder) {
                bail!("board {name} is its own BASE");
            }
            let file = folder.join("board.conf");
            let text = fs::read_to_string(&file)
                .with_context(|| format!("no board {name}: cannot read {}", file.display()))?;
            let mut more = parse(&text).with_context(|| file.display().to_string())?;
            next = more.remove("BASE");
            for (key, value) in more {
                values.entry(key).or_insert(value);
            }
            folders.push(folder);
        }
        folders.push(common.join("disk"));
        Ok(Self {
            name: name.to_owned(),
            folders,
            common,
            values,
        })
    }

    /// Names of all boards below `root`, in alphabetical order.
    pub fn names(root: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(root.join("board"))? {
            let entry = entry?;
            if entry.path().join("board.conf").is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The value of a key that every board must have.
    pub fn get(&self, key: &str) -> Result<&str> {
        match self.values.get(key) {
            Some(value) => Ok(value),
            None => bail!("board {}: board.conf lacks {key}", self.name),
        }
    }

    /// The value of a key that a board may have.
    pub fn find(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The number that a key must have.
    pub fn number<T: FromStr>(&self, key: &str) -> Result<T> {
        let value = self.get(key)?;
        match value.parse() {
            Ok(number) => Ok(number),
            Err(_) => bail!("board {}: {key}={value} is not a number", self.name),
        }
    }

    /// Whether it is a means of finding errors, and not a board to be supported: it has no disk image,
    /// and Buildroot does not know it.
    pub fn instrument(&self) -> bool {
        self.find("INSTRUMENT") == Some("yes")
    }

    /// Physical address at which the machine's memory begins.
    pub fn memory_base(&self) -> Result<u64> {
        let Some(value) = self.find("QEMU_MEMORY_BASE") else {
            return Ok(0);
        };
        let digits = value
            .strip_prefix("0x")
            .map(|digits| u64::from_str_radix(digits, 16));
        match digits {
            Some(Ok(base)) => Ok(base),
            _ => bail!(
                "board {}: QEMU_MEMORY_BASE={value} is not a hexadecimal number",
                self.name
            ),
        }
    }

    /// Which byte of a number comes first, `big` or `little`, as the dumper calls it.
    pub fn byte_order(&self) -> &str {
        self.find("BYTE_ORDER").unwrap_or("big")
    }

    /// What compiles the kernel.
    pub fn kernel_compiler(&self) -> Result<String> {
        Ok(match self.find("LLVM") {
            Some(release) => format!("clang{release}"),
            None => format!("{}gcc", self.get("CROSS_COMPILE")?),
        })
    }

    /// The number that a key has, or `default` where a board says nothing.
    pub fn number_or<T: FromStr>(&self, key: &str, default: T) -> Result<T> {
        match self.find(key) {
            Some(_) => self.number(key),
            None => Ok(default),
        }
    }

    /// Where the device tree of the machine comes from.
    pub fn tree_source(&self) -> Result<TreeSource> {
        Ok(match self.get("QEMU_DEVICE_TREE")? {
            "generated" => TreeSource::Generated,
            "firmware" => TreeSource::Firmware,
            name => TreeSource::File(name.to_owned()),
        })
    }

    /// A file of the board, or of the nearest folder that it takes files from.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        let mut files = self.folders.iter().map(|folder| folder.join(name));
        match files.find(|file| file.is_file()) {
            Some(file) => Ok(file),
            None => bail!("board {} has no {name}", self.name),
        }
    }

    /// The folder with kernel patches that no other board needs, if there is one.
    pub fn patches(&self) -> Option<PathBuf> {
        let mut folders = self.folders.iter().map(|folder| folder.join("patches"));
        folders.find(|folder| folder.is_dir())
    }

    /// The device-tree overlay with the board's regions; none where the firmware makes the tree.
    pub fn overlay(&self) -> Result<Option<PathBuf>> {
        if self.find("QEMU_DEVICE_TREE") == Some("firmware") {
            return Ok(None);
        }
        self.file("resmem.dtso").map(Some)
    }

    /// Tests that this board cannot run: how their names begin, and why. From `excluded-tests`, a line
    /// each: `prefix: reason`.
    pub fn excluded_tests(&self) -> Result<Vec<(String, String)>> {
        match self.file("excluded-tests") {
            Ok(file) => excluded(&file),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// The same for a kernel flavour, whatever the board: `board/common/linux/<flavour>.excluded-tests`.
    pub fn excluded_in(&self, flavour: &str) -> Result<Vec<(String, String)>> {
        let name = format!("linux/{flavour}.excluded-tests");
        let file = self.common.join(name);
        match file.is_file() {
            true => excluded(&file),
            false => Ok(Vec::new()),
        }
    }

    /// The Kconfig files of a kernel flavour, in the order in which they apply.
    pub fn kconfig(&self, flavour: &str) -> Result<Vec<PathBuf>> {
        let fragments = self.common.join("linux/fragments");
        let names = self.get("LINUX_FRAGMENTS")?.split_whitespace();
        let debug = match flavour {
            "debug" => self.find("LINUX_DEBUG_FRAGMENTS").unwrap_or_default(),
            _ => "",
        };
        let mut files: Vec<PathBuf> = names
            .chain([flavour])
            .chain(debug.split_whitespace())
            .map(|name| fragments.join(format!("{name}.config")))
            .collect();
        files.push(self.file("linux.config")?);
        Ok(files)
    }
}

/// Lines of a file of tests that are left out.
fn excluded(file: &Path) -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(file)?;
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| match line.split_once(": ") {
            Some((prefix, reason)) => Ok((prefix.to_owned(), reason.to_owned())),
            None => bail!("{}: not `prefix: reason`: {line:?}", file.display()),
        })
        .collect()
}

fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            bail!("not a KEY=value line: {line:?}");
        };
        let value = value.trim_matches('"');
        if values.insert(key.to_owned(), value.to_owned()).is_some() {
            bail!("{key} is given twice");
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_comments_are_not_part_of_a_value() {
        let values = parse("# a board\nCPU=e500mc\n\nFRAGMENTS=\"base rust\"\n").unwrap();
        assert_eq!(values["CPU"], "e500mc");
        assert_eq!(values["FRAGMENTS"], "base rust");
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        assert!(parse("CPU=a\nCPU=b").is_err());
    }

    #[test]
    fn a_line_without_a_value_is_refused() {
        assert!(parse("CPU").is_err());
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

    #[test]
    fn a_board_takes_from_its_base_what_it_does_not_have() {
        let root = boards(&[
            ("old/board.conf", "CPU=440\nRAM=512\n"),
            ("old/linux.config", ""),
            ("new/board.conf", "BASE=old\nCPU=464\n"),
            ("common/disk/boot.cmd", ""),
        ]);
        let board = Board::load(root.path(), "new").unwrap();
        assert_eq!(board.get("CPU").unwrap(), "464");
        assert_eq!(board.number::<u64>("RAM").unwrap(), 512);
        let at = |name: &str| root.path().join("board").join(name);
        assert_eq!(board.file("linux.config").unwrap(), at("old/linux.config"));
        assert_eq!(board.file("boot.cmd").unwrap(), at("common/disk/boot.cmd"));
        assert!(board.file("resmem.dtso").is_err());
        assert_eq!(Board::names(root.path()).unwrap(), ["new", "old"]);
    }

    #[test]
    fn memory_begins_where_the_board_says_and_at_0_otherwise() {
        let root = boards(&[
            ("low/board.conf", "CPU=440\n"),
            ("off/board.conf", "QEMU_MEMORY_BASE=0x40000000\n"),
            ("bad/board.conf", "QEMU_MEMORY_BASE=1G\n"),
        ]);
        let base = |name: &str| Board::load(root.path(), name).unwrap().memory_base();
        assert_eq!(base("low").unwrap(), 0);
        assert_eq!(base("off").unwrap(), 0x4000_0000);
        assert!(base("bad").is_err());
    }

    #[test]
    fn a_board_that_is_its_own_base_is_refused() {
        let root = boards(&[("a/board.conf", "BASE=b\n"), ("b/board.conf", "BASE=a\n")]);
        assert!(Board::load(root.path(), "a").is_err());
    }
}
