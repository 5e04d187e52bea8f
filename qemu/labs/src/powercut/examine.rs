// SPDX-License-Identifier: MIT
//! What a machine finds on disks after a cut, and whether a dump can be brought to its end there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::Value;

use super::kill::{Killed, Promise};
use super::lab::{Lab, store};
use super::plan::{Kind, Variant};
use super::state::{Cut, Fate};
use board::Board;
use host::command::output_of;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::{Guest, Output};

/// What the kernel says when it is not content with a file system or a disk.
pub(crate) const ERRORS: &str = "EXT4-fs error|EXT4-fs warning|JBD2: |Buffer I/O|I/O error";

/// A disk state that is examined.
pub struct Subject {
    /// Where it comes from.
    pub killed: Arc<Killed>,
    /// Its number among those of that cut, from 0.
    pub number: usize,
    /// What made it.
    pub cut: Cut,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// A dump that is complete.
    Complete,
    /// One that is not, and that was resumed.
    Resumed,
    /// None, or one of which nothing was durable yet, or that cannot be resumed.
    Restarted,
    /// The old dump, complete and as it was.
    Old,
}

/// What was found, or what was wrong; and what became of the writes.
pub struct Verdict {
    /// What was found.
    pub found: Result<Found>,
    /// What became of the writes.
    pub fate: Fate,
}

struct Disks {
    file_system: Disk,
    raw: Disk,
}

/// Examines some states in one machine.
pub fn examine(lab: &Lab<'_>, folder: &Path, subjects: &[Subject]) -> Result<Vec<Verdict>> {
    fs::create_dir_all(folder)?;
    let mut all = Vec::new();
    let mut fates = Vec::new();
    for (number, subject) in subjects.iter().enumerate() {
        let (disks, fate) = subject.killed.disks(&subject.cut);
        let file = |name| folder.join(format!("{name}{number}.img"));
        all.push(Disks {
            file_system: store(&file("fs"), &disks[0])?.unflushed(),
            raw: store(&file("raw"), &disks[1])?.unflushed(),
        });
        fates.push(fate);
    }
    let attached = all
        .iter()
        .flat_map(|it| [it.file_system.clone(), it.raw.clone()])
        .collect();
    let mut guest = lab.start("examine", attached)?;
    let mut found = Vec::new();
    for (number, subject) in subjects.iter().enumerate() {
        let looked = look(&mut guest, subject, 2 * number);
        if looked.is_err() {
            // So that the others are seen.
            guest.run("umount /mnt; dmesg -c")?;
        }
        found.push(looked);
    }
    if let Err(error) = guest.check_health(TAINT_OUT_OF_TREE) {
        bail!("{error:#}\n{}", guest.report());
    }
    guest.power_off()?;
    let judged = subjects.iter().zip(&all).zip(found).zip(fates);
    Ok(judged
        .map(|(((subject, disks), found), fate)| {
            let judge = |found| judge(lab, subject, disks).map(|()| found);
            Verdict {
                found: found.and_then(judge),
                fate,
            }
        })
        .collect())
}

/// The path of a disk in the guest.
fn device(number: usize) -> String {
    format!("/dev/vd{}", char::from(b'a' + number as u8))
}

/// How many states go into one machine, each with two disks.
pub fn at_once(board: &Board) -> Result<usize> {
    // The guest's disks have one letter each.
    Ok(board.qemu()?.disks_max.unwrap_or(26) as usize / 2)
}

/// Mounts a file system, looks at what is there, and brings the dump to its end.
fn look(guest: &mut Guest, subject: &Subject, disk: usize) -> Result<Found> {
    guest.check(&format!("mount -t ext4 {} /mnt", device(disk)))?;
    let found = dumps(guest, subject, &device(disk + 1))?;
    guest.check("umount /mnt")?;
    let said = guest.check(&format!("dmesg -c | grep -E '{ERRORS}' || true"))?;
    ensure!(said.is_empty(), "the kernel says: {said}");
    Ok(found)
}

fn dumps(guest: &mut Guest, subject: &Subject, raw: &str) -> Result<Found> {
    let variant = &subject.killed.plan.variant;
    let promise = subject.killed.promise(&subject.cut);
    let found = manifest(guest, variant)?;
    let broken = |why: &str| format!("{why}; it was said: {promise:?}; the manifest: {found:?}");
    let verify = format!(
        "resdump verify {} --manifest {}",
        variant.target(raw),
        variant.manifest()
    );
    let dump = variant.dump(raw);
    let found = match &found {
        Some((text, _)) if subject.killed.old.as_ref() == Some(text) => {
            ensure!(
                !promise.complete && promise.bytes == 0,
                broken("the old manifest is there")
            );
            guest.check(&verify)?;
            if variant.resumes() {
                // Other bytes, or another format or length.
                expect(guest, &format!("{dump} --resume"), &[6, 12])?;
            }
            run(guest, &format!("{dump} --force"))?;
            Found::Old
        }
        Some((_, manifest)) if manifest["complete"] == true => Found::Complete,
        Some((_, manifest)) => {
            let bytes = manifest["bytes"].as_u64().context("no bytes")?;
            ensure!(
                !promise.complete && bytes >= promise.bytes,
                broken("less than was said")
            );
            let output = guest.run(&verify)?;
            ensure!(output.status == 13, "{verify}: {output:?}");
            if variant.resumes() {
                let answer = run(guest, &format!("{dump} --resume"))?;
                // All of it, or what of it ends with a block of the disk, which has no more than a page.
                let resumed = answer["resumed"].as_u64().context("no resumed")?;
                let is_block = resumed.is_multiple_of(512) && bytes.saturating_sub(resumed) < 4096;
                ensure!(
                    resumed <= bytes && (is_block || resumed == variant.length),
                    "{bytes} bytes were durable: {answer}"
                );
                if bytes > 0 {
                    Found::Resumed
                } else {
                    Found::Restarted
                }
            } else {
                run(guest, &format!("{dump} --force"))?;
                Found::Restarted
            }
        }
        None => {
            ensure!(
                promise == Promise::default() && subject.killed.old.is_none(),
                broken("there is no manifest")
            );
            // A disk is never empty, so what is on it is unknown.
            let resume = if variant.kind == Kind::Device || !variant.resumes() {
                ""
            } else {
                " --resume"
            };
            run(guest, &format!("{dump}{resume}"))?;
            Found::Restarted
        }
    };
    guest.check(&format!("{verify} --against capture"))?;
    if variant.kind == Kind::Compressed {
        guest.check("resdump convert /mnt/dump /mnt/plain --to raw")?;
    }
    Ok(found)
}

/// The manifest, as text and as what it says.
fn manifest(guest: &mut Guest, variant: &Variant) -> Result<Option<(String, Value)>> {
    let path = variant.manifest();
    if guest.run(&format!("test -e {path}"))?.status != 0 {
        return Ok(None);
    }
    let text = guest.check(&format!("cat {path}"))?;
    let value = serde_json::from_str(&text).with_context(|| format!("a manifest: {text:?}"))?;
    Ok(Some((text, value)))
}

/// A dump that must end well; what it says.
fn run(guest: &mut Guest, dump: &str) -> Result<Value> {
    let text = guest.check(&format!("resdump {dump} --quiet --json"))?;
    let answer: Value = serde_json::from_str(&text).with_context(|| format!("{text:?}"))?;
    ensure!(answer["complete"] == true, "{answer}");
    Ok(answer)
}

fn expect(guest: &mut Guest, dump: &str, statuses: &[i32]) -> Result<Output> {
    let output = guest.run(&format!("resdump {dump} --quiet"))?;
    ensure!(statuses.contains(&output.status), "{dump}: {output:?}");
    Ok(output)
}

/// Looks at the disks from outside, when the machine has gone.
fn judge(lab: &Lab<'_>, subject: &Subject, disks: &Disks) -> Result<()> {
    let path = &disks.file_system.path;
    output_of(
        Command::new("e2fsck")
            .args(["-f", "-n"])
            .arg(path)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin"),
    )?;
    let variant = &subject.killed.plan.variant;
    let expected = &lab.bytes[..variant.length as usize];
    let same = match variant.kind {
        Kind::Raw | Kind::Sparse => disks.file_system.read_ext4("dump")? == expected,
        Kind::Compressed => disks.file_system.read_ext4("plain")? == expected,
        Kind::Elf => {
            let file = disks.file_system.read_ext4("dump")?;
            file.starts_with(b"\x7fELF") && file.get(4096..) == Some(expected)
        }
        Kind::Device => fs::read(&disks.raw.path)?.get(..expected.len()) == Some(expected),
    };
    ensure!(same, "the dump differs from what was in memory");
    Ok(())
}
