// SPDX-License-Identifier: MIT
//! Power cuts while a ring is recorded: in each disk state that a cut may have left, every byte that the index calls
//! proven is right, and as much is proven as was said to be durable.
//!
//! States are examined on the host: the journal of the file system is replayed, the file system checked, the recording
//! copied out and read by the dumper.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use serde_json::Value;

use super::Options;
use super::kill::checkpoint;
use super::lab::store;
use super::log::{Log, Tick};
use super::plan::{FileSystem, states};
use super::recorder::{Instant, Recorder};
use super::state::{self, Fate};
use board::devicetree::Nodes;
use board::{Board, Image};
use host::command::{output, output_of};
use machine::Machine;
use machine::disk::Disk;
use machine::guest::Guest;

/// Bytes of the disk, and what the device writes.
const DISK: u64 = 40 << 20;
const PRODUCED: u64 = 20 << 20;
/// Bytes a second of the device.
const RATE: u64 = 3 << 20;
/// Flushes and requests of a recording, roughly.
const FLUSHES: usize = 40;
const REQUESTS: usize = 500;
/// What makes the words of the pattern; see `probe ring`.
const FACTOR: u32 = 0x9e37_79b1;

/// How it is recorded, and when the power goes.
#[derive(Clone, Copy, Debug)]
struct Plan {
    file_system: FileSystem,
    chunk: u32,
    segment: u32,
    depth: u32,
    /// `--keep`.
    keep: bool,
    instant: Instant,
    seed: u64,
}

impl Plan {
    fn draw(seed: u64, number: usize) -> Self {
        let mixed =
            Rng::with_seed(seed).u64(..) ^ (number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d);
        let rng = &mut Rng::with_seed(mixed);
        let instant = match rng.bool() {
            true => Instant {
                flushes: 0,
                requests: rng.usize(20..REQUESTS),
            },
            false => Instant {
                flushes: rng.usize(4..FLUSHES),
                requests: rng.usize(1..16),
            },
        };
        Self {
            file_system: FileSystem::ALL[rng.usize(..2)],
            chunk: [64, 256][rng.usize(..2)],
            segment: [512, 1024, 4096][rng.usize(..3)],
            depth: [1, 4][rng.usize(..2)],
            keep: rng.bool(),
            instant,
            seed: rng.u64(..),
        }
    }

    fn command(&self) -> String {
        let keep = if self.keep { " --keep 4M" } else { "" };
        format!(
            "resdump -v record told /mnt/rec --quiet --segment {}K --chunk {}K --depth {}{keep}",
            self.segment, self.chunk, self.depth
        )
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Recordings {
    /// Cuts.
    pub cuts: usize,
    /// Disk states.
    pub states: usize,
    /// Those with something that is proven.
    pub proving: usize,
    /// Bytes that are proven, in all of them.
    pub proven: u64,
    /// What became of the writes.
    pub fate: Fate,
    /// What is wrong: which state, and why.
    pub failures: Vec<String>,
}

impl Recordings {
    /// As a line.
    pub fn line(&self) -> String {
        format!(
            "{} cuts, {} disk states, {} of them with {} proven bytes together; writes: {} durable, {} kept, {} torn, \
             {} dropped; {} WRONG",
            self.cuts,
            self.states,
            self.proving,
            self.proven,
            self.fate.durable,
            self.fate.kept,
            self.fate.torn,
            self.fate.dropped,
            self.failures.len()
        )
    }
}

/// Cuts recordings short and examines what is left, with files in `folder`; `dumper` is the one for this machine.
pub fn record(
    board: &Board,
    image: &Image,
    dumper: &Path,
    folder: &Path,
    options: &Options,
) -> Result<Recordings> {
    println!(
        "==> recordings: {} cuts, {} disk states each, SEED={}",
        options.cuts, options.states, options.seed
    );
    let mut bases = Vec::new();
    for file_system in FileSystem::ALL {
        let path = folder.join(format!("{file_system:?}.img"));
        Disk::ext4_with(&path, DISK, file_system.options())?;
        bases.push((file_system, Arc::new(fs::read(&path)?)));
    }
    let mut all = Recordings::default();
    for number in 1..=options.cuts {
        let plan = Plan::draw(options.seed, number);
        let of_plan = bases.iter().find(|(it, _)| *it == plan.file_system);
        let (_, base) = of_plan.context("no such file system")?;
        let (log, armed, promised) = kill(board, image, folder, &plan, base)
            .with_context(|| format!("cut {number}: {plan:?}"))?;
        all.cuts += 1;
        let end = log.now();
        for (state, cut) in states(plan.seed, options.states, armed, end)
            .iter()
            .enumerate()
        {
            let (disks, fate) = state::disks(&log, cut, &[plan.file_system.unit()]);
            all.states += 1;
            all.fate = all.fate.and(fate);
            // What was said is known of the end alone.
            let promised = if cut.moment == end { promised } else { 0 };
            let place = folder.join(format!("cut-{number}-state-{state}"));
            fs::create_dir_all(&place)?;
            match examine(&place, &disks[0], dumper, promised) {
                Ok(proven) => {
                    all.proven += proven;
                    all.proving += usize::from(proven > 0);
                    fs::remove_dir_all(&place)?;
                }
                Err(error) => {
                    let what = format!("{}: {error:#}\n{}", place.display(), plan.command());
                    println!("    FAIL: {what}");
                    all.failures.push(what);
                }
            }
        }
        println!("    {}", all.line());
    }
    Ok(all)
}

/// Boots a machine, records, and kills it when it is time: what was done to its disk, since when, and how many bytes it
/// said are durable.
fn kill(
    board: &Board,
    image: &Image,
    folder: &Path,
    plan: &Plan,
    base: &Arc<Vec<u8>>,
) -> Result<(Log, Tick, u64)> {
    let recorder = Recorder::start(vec![Arc::clone(base)], plan.seed)?;
    let place = folder.join("kill");
    fs::create_dir_all(&place)?;
    let mut machine = Machine::new(board, image, &place);
    machine.nodes = Some(Nodes {
        memory: "told: told@10000000 { reg = <0x0 0x10000000 0x0 0x400000>; };".to_owned(),
        drivers: "told { compatible = \"resdump,resmem\"; memory-region = <&told>; writable; \
            resdump,position-kind = \"program\"; resdump,lead-bytes = <65536>; };"
            .to_owned(),
        root: String::new(),
    });
    machine.tools = true;
    machine.disks = recorder.disks();
    let mut guest = machine.start()?;
    let (armed, promised) = match until_cut(&mut guest, &recorder, plan) {
        Ok(cut) => cut,
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    };
    guest.kill()?;
    Ok((recorder.finish(), armed, promised))
}

fn until_cut(guest: &mut Guest, recorder: &Recorder, plan: &Plan) -> Result<(Tick, u64)> {
    guest.wait_for_shell()?;
    // A file that is deleted in 1970 has a time of deletion that e2fsck takes for the number of an inode.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    guest.check(&format!("date -s @{now}"))?;
    let cache = guest.check("cat /sys/block/vda/queue/write_cache")?;
    ensure!(
        cache == "write back\n",
        "without a cache nothing is lost: {cache:?}"
    );
    guest.check("probe ring doorbell /dev/resmem/told 0")?;
    let armed = recorder.arm(plan.instant, guest.plug());
    let ended = guest
        .start(&format!(
            "mount -t ext4 /dev/vda /mnt && {{ {} & }} && until test -s /mnt/rec/000000.index; do sleep 1; done && \
             probe ring produce /dev/resmem/told {PRODUCED} --rate {RATE} && kill -TERM $! && wait $!",
            plan.command()
        ))
        .and_then(|()| guest.finish(120));
    match ended {
        Ok(output) => {
            ensure!(
                matches!(output.status, 0 | 14),
                "the recorder ended early: {output:?}"
            );
            recorder.cut();
        }
        Err(_) if recorder.is_cut() => {}
        Err(error) => return Err(error),
    }
    Ok((armed, checkpoint(&guest.console().transcript())?))
}

/// Bytes that are proven in a state, when nothing is wrong.
fn examine(place: &Path, disk: &[u8], dumper: &Path, promised: u64) -> Result<u64> {
    let disk = store(&place.join("fs.img"), disk)?;
    let fsck = |arguments: &[&str]| {
        let mut fsck = Command::new("e2fsck");
        fsck.args(arguments)
            .arg(&disk.path)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        fsck
    };
    // As mounting it does. 1: something was done.
    let replayed = output(&mut fsck(&["-y", "-E", "journal_only"]))?;
    ensure!(
        matches!(replayed.status.code(), Some(0 | 1)),
        "the journal: {replayed:?}"
    );
    output_of(&mut fsck(&["-f", "-n"]))?;
    if !disk.list_ext4("/")?.iter().any(|name| name == "rec") {
        ensure!(
            promised == 0,
            "no recording, and {promised} bytes are durable"
        );
        return Ok(0);
    }
    output_of(
        Command::new("debugfs")
            .args(["-R", &format!("rdump /rec {}", place.display())])
            .arg(&disk.path)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin"),
    )?;
    let folder = place.join("rec");
    let shown = output(Command::new(dumper).arg("show").arg(&folder).arg("--json"))?;
    if !folder.join("000000.index").exists() {
        ensure!(promised == 0, "no index, and {promised} bytes are durable");
        return Ok(0);
    }
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let report: Value = serde_json::from_str(text.trim()).with_context(|| format!("{shown:?}"))?;
    let run = &report["runs"][0];
    let sum = |what: &str| run[what].as_u64().unwrap_or(0);
    let (proven, gone) = (sum("recorded"), sum("discarded"));
    let status = shown.status.code();
    let is_unwritten = proven == 0 && gone == 0 && status == Some(12);
    // Without an origin there is no index yet.
    ensure!(
        matches!(status, Some(0 | 13 | 14)) || is_unwritten,
        "status {status:?}: {text}"
    );
    ensure!(
        proven + gone >= promised,
        "{promised} bytes are durable, and {proven} proven: {text}"
    );
    let parts = run["parts"].as_array().context("no parts")?;
    let mut shift = None;
    for part in parts.iter().filter(|part| part["what"] == "whole") {
        words(&folder, part, &mut shift).with_context(|| part.to_string())?;
    }
    Ok(proven)
}

/// Compares the words of a part; the first of all says where the device began.
fn words(folder: &Path, part: &Value, shift: &mut Option<u32>) -> Result<()> {
    let number = |name: &str| part[name].as_u64().with_context(|| format!("no {name}"));
    let (from, to, offset) = (number("from")?, number("to")?, number("offset")?);
    let name = part["file"].as_str().context("no file")?;
    let bytes = fs::read(folder.join(name))?;
    let bytes = bytes
        .get(offset as usize..(offset + to - from) as usize)
        .context("the segment is too short")?;
    for (index, word) in bytes.as_chunks::<4>().0.iter().enumerate() {
        let index = (from / 4) as u32 + index as u32;
        let found = u32::from_be_bytes(*word).wrapping_mul(inverse(FACTOR));
        let shift = *shift.get_or_insert(found.wrapping_sub(index));
        ensure!(
            found == index.wrapping_add(shift),
            "word {index} of the stream is that of {}",
            found.wrapping_sub(shift)
        );
    }
    Ok(())
}

/// What an odd number is to be multiplied with for 1, modulo 2^32.
fn inverse(number: u32) -> u32 {
    // Each step doubles the bits that are right, of which an odd number has three.
    (0..4).fold(number, |it, _| {
        it.wrapping_mul(2u32.wrapping_sub(number.wrapping_mul(it)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_says_which_word_it_is() {
        for index in [0, 1, 7, 0x1234_5678, u32::MAX] {
            let word = index.wrapping_mul(FACTOR);
            assert_eq!(word.wrapping_mul(inverse(FACTOR)), index);
        }
    }

    #[test]
    fn a_seed_repeats_the_plan_and_all_is_drawn() {
        let plans: Vec<Plan> = (1..200).map(|number| Plan::draw(7, number)).collect();
        assert_eq!(format!("{:?}", Plan::draw(7, 3)), format!("{:?}", plans[2]));
        for keep in [false, true] {
            for file_system in FileSystem::ALL {
                let drawn = |plan: &&Plan| plan.keep == keep && plan.file_system == file_system;
                assert!(plans.iter().filter(drawn).count() > 20);
            }
        }
    }

    #[test]
    fn a_word_that_is_wrong_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let word = |index: u32| index.wrapping_mul(FACTOR).to_be_bytes();
        let mut bytes: Vec<u8> = (100..1100).flat_map(word).collect();
        let part = serde_json::json!({ "from": 0, "to": 4000, "file": "a", "offset": 0 });
        fs::write(folder.path().join("a"), &bytes).unwrap();
        words(folder.path(), &part, &mut None).unwrap();
        assert!(words(folder.path(), &part, &mut Some(99)).is_err());
        bytes[2000] ^= 1;
        fs::write(folder.path().join("a"), &bytes).unwrap();
        assert!(words(folder.path(), &part, &mut None).is_err());
    }
}
