// SPDX-License-Identifier: MIT
//! `make run`, the main job: memory that the host filled arrives on disks byte for byte, by each
//! engine, driven over the serial console.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::report::{self, Row};
use board::Board;
use board::Image;
use host::paths::Paths;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

const LABEL: &str = "capture";
const ENGINES: [&str; 3] = ["kernel", "mmap", "devmem"];
/// Spelled out so that all engines are compared at the same chunk size.
const CHUNK: &str = "4M";
/// Rounds; medians are shown. One more goes before them, in which the host allocates the disks.
const ROUNDS: usize = 5;

/// Runs the main job and prints its table. `Ok(false)` when a byte differs.
pub fn run(paths: &Paths, board: &Board, image: &Image) -> Result<bool> {
    let folder = paths.fresh_out("run")?;
    let (_, size) = Machine::new(board, image, &folder).own_region(LABEL)?;
    let data = folder.join("capture.bin");
    fill_with_random(&data, size)?;

    let slots = ENGINES.len() as u64 + 1;
    let margin = 64 << 20;
    let file_disk = Disk::ext4(&folder.join("ext4.img"), slots * size + margin)?.unflushed();
    let raw_disk = Disk::empty(&folder.join("raw.img"), slots * size)?.unflushed();
    let mut machine = Machine::new(board, image, &folder);
    machine.disks = vec![file_disk.clone(), raw_disk.clone()];
    machine.fill(LABEL, &data)?;

    println!(
        "==> run: {size} bytes of random data, guest console in {}",
        folder.join("console.log").display()
    );
    let mut guest = machine.start()?;
    let result = dump_all(&mut guest, size);
    let (mut rows, first) = match result {
        Ok(result) => result,
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    };
    if let Err(error) = guest.check_health(TAINT_OUT_OF_TREE) {
        bail!("{error:#}\n{}", guest.report());
    }
    guest.power_off()?;

    let expected = fs::read(&data)?;
    for row in &mut rows {
        row.identical = match row.target.as_str() {
            "ext4 file" => file_disk.read_ext4(&file_name(&row.engine))? == expected,
            _ => raw_disk.read(seek_of(&row.engine, size), size)? == expected,
        };
    }
    let identical = rows.iter().all(|row| row.identical);
    println!("{}", report::table(&rows));
    for other in ["mmap", "devmem", "dd"] {
        if let Some(ratio) = report::ratio(&rows, "kernel", other, "raw disk") {
            println!("kernel engine / {other}, raw disk: {ratio:.1} x");
        }
    }
    println!("power-on to finished dump of {size} bytes: {first:.1} s");
    if identical {
        println!(
            "PASS: all {} copies are identical to what was in memory",
            rows.len()
        );
    } else {
        println!("FAIL: a copy differs; disks are in {}", folder.display());
    }
    Ok(identical)
}

/// All engines onto both targets; also returns the seconds from power-on to the end of the first.
fn dump_all(guest: &mut Guest, size: u64) -> Result<(Vec<Row>, f64)> {
    let boot = guest.wait_for_shell()?;
    println!("    shell after {boot:.1} s");
    guest.check("mount -t ext4 /dev/vda /mnt")?;
    let mut first = None;
    let mut rounds: Vec<Vec<Row>> = Vec::new();
    for _ in 0..=ROUNDS {
        let mut rows = Vec::new();
        for target in ["raw disk", "ext4 file"] {
            for engine in ENGINES {
                rows.push(dump(guest, engine, target, size)?);
                first.get_or_insert_with(|| guest.uptime());
            }
        }
        rows.push(Row {
            engine: "dd".to_owned(),
            target: "raw disk".to_owned(),
            rate: dd(guest, "/dev/vdb", seek_of("dd", size), size)?,
            direct: None,
            copied: Some(size),
            identical: false,
        });
        rounds.push(rows);
    }
    guest.check("umount /mnt")?;
    Ok((medians(&rounds[1..]), first.context("nothing was dumped")?))
}

/// The rows of the last round, each with the median rate of all rounds.
fn medians(rounds: &[Vec<Row>]) -> Vec<Row> {
    let mut rows = rounds.last().cloned().unwrap_or_default();
    for (index, row) in rows.iter_mut().enumerate() {
        let mut rates: Vec<f64> = rounds.iter().map(|rows| rows[index].rate).collect();
        rates.sort_by(f64::total_cmp);
        row.rate = rates[rates.len() / 2];
    }
    rows
}

fn file_name(engine: &str) -> String {
    format!("{LABEL}-{engine}.bin")
}

/// Each engine has a place of its own on the raw disk.
fn seek_of(engine: &str, size: u64) -> u64 {
    let slot = ENGINES.iter().position(|name| *name == engine);
    slot.unwrap_or(ENGINES.len()) as u64 * size
}

fn dump(guest: &mut Guest, engine: &str, target: &str, size: u64) -> Result<Row> {
    let place = match target {
        "raw disk" => format!("/dev/vdb --seek {}", seek_of(engine, size)),
        _ => format!("/mnt/{}", file_name(engine)),
    };
    let answer = guest.check(&format!(
        "resdump dump {LABEL} {place} --engine {engine} --chunk {CHUNK} --force --quiet --json"
    ))?;
    let answer: Value = serde_json::from_str(answer.trim())
        .with_context(|| format!("resdump printed {answer:?}"))?;
    let number = |name: &str| {
        answer[name]
            .as_f64()
            .with_context(|| format!("no {name} in {answer}"))
    };
    let bytes = number("bytes")?;
    if bytes != size as f64 {
        bail!("resdump wrote {bytes} of {size} bytes: {answer}");
    }
    Ok(Row {
        engine: engine.to_owned(),
        target: target.to_owned(),
        rate: bytes / number("seconds")? / 1e6,
        direct: answer["direct"].as_u64(),
        copied: answer["copied"].as_u64(),
        identical: false,
    })
}

/// What a person does without this project: `dd` from /dev/mem with direct output, to `seek` of a
/// disk. Returns 10^6 bytes per second.
pub(crate) fn dd(guest: &mut Guest, disk: &str, seek: u64, size: u64) -> Result<f64> {
    const BLOCK: u64 = 1 << 20;
    let info = guest.check("resdump list --json")?;
    let info: Value = serde_json::from_str(info.trim())?;
    let base = info["regions"][0]["base"].as_u64().context("no base")?;
    let text = guest.check(&format!(
        "dd if=/dev/mem of={disk} bs={BLOCK} skip={} count={} seek={} oflag=direct conv=fsync,notrunc",
        base / BLOCK,
        size / BLOCK,
        seek / BLOCK
    ))?;
    // "67108864 bytes (64.0MB) copied, 0.152344 seconds, 420.1MB/s"
    let seconds: f64 = text
        .split("copied, ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|seconds| seconds.parse().ok())
        .with_context(|| format!("dd printed {text:?}"))?;
    Ok(size as f64 / seconds / 1e6)
}

/// Fills a file with `bytes` random bytes.
pub fn fill_with_random(path: &Path, bytes: u64) -> Result<()> {
    let mut source = File::open("/dev/urandom")?.take(bytes);
    let mut file = File::create(path)?;
    io::copy(&mut source, &mut file)?;
    Ok(())
}

/// Bytes of a disk that is too small for a region, in whole pages and not in whole MiB.
pub const SMALL: u64 = (5 << 20) + 4096;

/// `make console`: the guest's serial line on this terminal, with three disks to try things on.
pub fn console(paths: &Paths, board: &Board, image: &Image) -> Result<()> {
    let folder = paths.fresh_out("console")?;
    let (base, size) = Machine::new(board, image, &folder).own_region(LABEL)?;
    let data = folder.join("capture.bin");
    fill_with_random(&data, size)?;
    let mut machine = Machine::new(board, image, &folder);
    machine.disks = vec![
        Disk::empty(&folder.join("raw.img"), 2 * size)?,
        Disk::ext4(&folder.join("ext4.img"), 4 * size)?,
        Disk::empty(&folder.join("small.img"), SMALL)?,
    ];
    machine.loads = base.map(|base| (data, base)).into_iter().collect();
    println!(
        "/dev/vda is an empty disk, /dev/vdb has an ext4 file system, /dev/vdc is small and empty. \
         `{}` ends the guest.",
        board.qemu()?.power_off
    );
    let status = machine.command()?.status()?;
    if !status.success() {
        bail!("QEMU ended with {status}");
    }
    Ok(())
}
