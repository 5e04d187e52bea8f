// SPDX-License-Identifier: MIT
//! A machine that tests share, while it runs, and what they do with it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use board::Board;
use machine::disk::Disk;
use machine::guest::{Guest, Output};

use super::bed::Bed;

/// The disks of a machine, as the host sees them.
pub struct Disks {
    /// `$RAW`, empty.
    pub raw: Disk,
    /// `$EXT4`, ext4.
    pub ext4: Disk,
    /// `$SMALL`, empty, [`super::SMALL`] bytes.
    pub small: Disk,
    /// The disk that the system was started from.
    pub system: Option<Disk>,
}

/// A machine that runs, with its disks and what its regions hold. In its shell, `$RAW`, `$EXT4`, `$SMALL` and `$DATA`
/// are the names of disks and of the image's data partition.
pub struct Running {
    pub guest: Guest,
    pub(super) disks: Option<Disks>,
    /// Bytes of each region.
    pub(super) sizes: BTreeMap<String, u64>,
    /// What each region held when its first test began, where the host put it there.
    pub content: BTreeMap<String, Vec<u8>>,
    /// Which machine it is.
    pub board: Board,
    /// Bytes of a page.
    pub page: u64,
    pub(super) bed: Bed,
    pub(super) folder: PathBuf,
    pub(super) bases: BTreeMap<String, u64>,
}

impl Running {
    /// Runs a test, after which the kernel log must be clean. A failure has the console with it.
    pub(super) fn test(&mut self, run: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let taint = self.bed.taint();
        let result = run(self).and_then(|()| self.guest.check_health(taint));
        let Err(error) = result else {
            return Ok(());
        };
        if self.bed.provokes() {
            // Onto the console, where this bed does not show it. A guest that has ended has its report all the
            // same.
            drop(self.guest.run("dmesg | tail -n 40"));
        }
        bail!("{error:#}\n{}", self.guest.report())
    }
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
            None if self.sizes.contains_key(label) => {
                bail!("the host has not filled {label}; the test needs FILLED")
            }
            None => bail!("no region {label}"),
        }
    }

    /// Physical address of a region of the bed's own.
    pub fn base(&self, label: &str) -> Result<u64> {
        let base = self.bases.get(label).copied();
        base.with_context(|| format!("no region {label}"))
    }

    /// The disks, as the host sees them.
    pub fn disks(&self) -> Result<&Disks> {
        let disks = self.disks.as_ref();
        disks.context("the host does not see this target's disks; the test needs HOST_DISK")
    }

    /// The labels of its regions.
    pub fn labels(&self) -> Vec<String> {
        self.sizes.keys().cloned().collect()
    }

    /// Bytes of a region.
    pub fn size(&self, label: &str) -> Result<u64> {
        let size = self.sizes.get(label).copied();
        size.with_context(|| format!("no region {label}"))
    }

    /// Checks that the raw disk holds the whole content of a region at an offset.
    pub fn raw_holds_all(&mut self, offset: u64, label: &str) -> Result<()> {
        let size = self.size(label)?;
        self.raw_holds(offset, label, 0..size)
    }

    /// Checks that the raw disk holds a range of a region at an offset: by its bytes, or, where the host does not see
    /// them, by a digest of what the processor reads from both in the guest.
    pub fn raw_holds(&mut self, offset: u64, label: &str, range: Range<u64>) -> Result<()> {
        let length = range.end - range.start;
        if let Some(disks) = &self.disks {
            let found = disks.raw.read(offset, length)?;
            return same(&found, part(self.expected(label)?, &range)?);
        }
        let found = self.raw_digest(offset, length)?;
        let expected = self.region_digest(label, &range)?;
        ensure!(
            found == expected,
            "{length} bytes of the disk from {offset:#x} are not those of {label} from {:#x}",
            range.start
        );
        self.overwrite(offset, length)
    }

    /// Checks that the raw disk holds these bytes at an offset.
    pub fn raw_is(&mut self, offset: u64, expected: &[u8]) -> Result<()> {
        let length = expected.len() as u64;
        if let Some(disks) = &self.disks {
            return same(&disks.raw.read(offset, length)?, expected);
        }
        ensure!(
            self.raw_digest(offset, length)? == digest(expected),
            "{length} bytes of the disk from {offset:#x} are not as expected"
        );
        Ok(())
    }

    /// What a range of the raw disk hashes to.
    pub fn raw_digest(&mut self, offset: u64, length: u64) -> Result<String> {
        match &self.disks {
            Some(disks) => Ok(digest(&disks.raw.read(offset, length)?)),
            None => self.digest("$RAW", offset, length),
        }
    }

    /// Checks that a file of the ext4 disk, which is not mounted, has this name and the content of a range of a region.
    pub fn file_holds(&mut self, name: &str, label: &str, range: Range<u64>) -> Result<()> {
        if let Some(disks) = &self.disks {
            let found = disks.ext4.read_ext4(name)?;
            return same(&found, part(self.expected(label)?, &range)?);
        }
        self.mounted(|bed| bed.guest_file_holds(&format!("/mnt/{name}"), label, range))
    }

    /// The same of a file of the image's data partition, with the whole content of a region.
    pub fn data_holds_all(&mut self, name: &str, label: &str) -> Result<()> {
        let size = self.size(label)?;
        if self.disks.is_none() {
            return self.guest_file_holds(&format!("/data/{name}"), label, 0..size);
        }
        self.check("umount /data")?;
        let system = self.disks()?.system.as_ref();
        let data = system.context("no system disk")?.partition(3)?;
        same(&data.read_ext4(name)?, self.expected(label)?)?;
        self.check("mount -t ext4 -o noatime $DATA /data").map(drop)
    }

    /// Checks, in the guest, that the medium has this file with the content of a range of a region.
    fn guest_file_holds(&mut self, path: &str, label: &str, range: Range<u64>) -> Result<()> {
        let length = range.end - range.start;
        self.check("sync; echo 3 >/proc/sys/vm/drop_caches")?;
        let found = self.check(&format!("wc -c <{path}; sha256sum <{path}"))?;
        let expected = self.region_digest(label, &range)?;
        let expected = [length.to_string(), expected, "-".to_owned()];
        ensure!(
            found
                .split_whitespace()
                .eq(expected.iter().map(String::as_str)),
            "{path} is not {length} bytes of {label} from {:#x}: {found}",
            range.start
        );
        Ok(())
    }

    /// The same of a file with the whole content of a region.
    pub fn file_holds_all(&mut self, name: &str, label: &str) -> Result<()> {
        let size = self.size(label)?;
        self.file_holds(name, label, 0..size)
    }

    /// What a range of a region hashes to: of its known content where there is one, and of what the processor reads
    /// where the region is the board's own.
    fn region_digest(&mut self, label: &str, range: &Range<u64>) -> Result<String> {
        match self.content.get(label) {
            Some(content) => Ok(digest(part(content, range)?)),
            None => self.digest(
                &format!("/dev/resmem/{label}"),
                range.start,
                range.end - range.start,
            ),
        }
    }

    /// What a range of a file in the guest hashes to.
    fn digest(&mut self, path: &str, offset: u64, length: u64) -> Result<String> {
        let said = self.check(&digest_of(path, offset, length))?;
        Ok(first_word(&said))
    }

    /// Puts something else where what was compared is, so that the next comparison does not find it.
    fn overwrite(&mut self, offset: u64, length: u64) -> Result<()> {
        const BLOCK: u64 = 64 << 10;
        let blocks = [
            offset,
            offset + length / 2,
            (offset + length).saturating_sub(BLOCK),
        ];
        let numbers = blocks.map(|at| (at / BLOCK).to_string()).join(" ");
        self.check(&format!(
            "for block in {numbers}; do dd if=/dev/urandom of=$RAW bs=64k count=1 seek=$block conv=fsync \
             2>/dev/null || exit; done"
        ))
        .map(drop)
    }

    /// Runs a command with the ext4 disk on /mnt, and takes it away again.
    pub fn mounted<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        match self.disks {
            Some(_) => self.check("mount -t ext4 $EXT4 /mnt")?,
            // There is one scratch disk: files go to the image's own data partition.
            None => self.check("mkdir -p /data/suite && mount -o bind /data/suite /mnt")?,
        };
        let result = work(self);
        self.check("umount /mnt")?;
        result
    }

    /// What a path in the guest hashes to.
    pub fn sha256(&mut self, path: &str) -> Result<String> {
        let text = self.check(&format!("sha256sum {path}"))?;
        Ok(first_word(&text))
    }
}

/// The command that prints what a range of a file hashes to. It fails where not all of the range was read: a digest of
/// less is one too.
fn digest_of(path: &str, offset: u64, length: u64) -> String {
    format!(
        "dd if={path} bs=64k iflag=skip_bytes,count_bytes skip={offset} count={length} 2>/tmp/dd.said | sha256sum && \
         {{ grep -q '^{length} bytes' /tmp/dd.said || {{ cat /tmp/dd.said; false; }}; }}"
    )
}

fn first_word(text: &str) -> String {
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// A range of some bytes.
fn part<'a>(bytes: &'a [u8], range: &Range<u64>) -> Result<&'a [u8]> {
    let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
    bytes.get(range).context("a range beyond the region's end")
}

/// What some bytes hash to, as `sha256sum` prints it.
fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_digest_of_less_than_was_asked_for_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, [7; 5000]).unwrap();
        let run = |path: &str, offset, length| {
            let said = folder.path().join("said").display().to_string();
            let command = digest_of(path, offset, length).replace("/tmp/dd.said", &said);
            let output = Command::new("sh")
                .args(["-c", &command])
                .env("LC_ALL", "C")
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            (output.status.success(), first_word(&said))
        };
        let file = file.display().to_string();
        assert_eq!(run(&file, 1000, 4000), (true, digest(&[7; 4000])));
        assert!(!run(&file, 1001, 4000).0);
        assert!(!run("/nowhere", 0, 4000).0);
    }
}
