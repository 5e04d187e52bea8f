// SPDX-License-Identifier: MIT
//! `resdump snapshot` and `resdump bench`, on a real region.

use anyhow::{Context, Result, ensure};
use board::Need;
use serde_json::Value;

use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, a_snapshot_is_written_and_described),
        case!(Low, a_snapshot_is_what_was_there_before_the_writing).needs(Need::SeveralDisks),
        case!(NoPages, a_snapshot_of_memory_without_pages),
        case!(Lab, every_way_is_measured_where_dev_mem_is_open, |bed| {
            bench(
                bed,
                &["kernel", "mmap", "mapped", "anon", "read", "devmem"],
                &[],
            )
        })
        .needs(Need::DevMem),
        case!(
            Low,
            every_way_but_dev_mem_is_measured_in_the_product,
            |bed| {
                bench(
                    bed,
                    &["kernel", "mmap", "mapped", "anon", "read"],
                    &["devmem"],
                )
            }
        ),
    ]
}

fn snapshot(bed: &mut Running, arguments: &str) -> Result<Value> {
    let text = bed.check(&format!("resdump snapshot {arguments} --quiet --json"))?;
    Ok(serde_json::from_str(text.trim())?)
}

fn a_snapshot_is_written_and_described(bed: &mut Running) -> Result<()> {
    let base = bed.base("odd")?;
    bed.mounted(|bed| {
        let answer = snapshot(bed, "odd /mnt/now --offset 4608 --digest crc32c --verify")?;
        ensure!(
            answer["snapshot"]["micros"].as_u64() > Some(0)
                && answer["engine"] == "mmap"
                && answer["base"] == base
                && answer["verified"] == true,
            "{answer}"
        );
        let text = bed.check("cat /mnt/now.json")?;
        let manifest: Value = serde_json::from_str(&text)?;
        ensure!(
            manifest["snapshot"] == answer["snapshot"] && manifest["abi"].as_u64() > Some(0),
            "{manifest}"
        );
        bed.check("resdump verify /mnt/now --against odd")?;
        Ok(())
    })?;
    let size = bed.size("odd")?;
    bed.file_holds("now", "odd", 4608..size)
}

/// The region changes while its snapshot is still being read.
fn a_snapshot_is_what_was_there_before_the_writing(bed: &mut Running) -> Result<()> {
    bed.check("mkfifo /tmp/pipe; resdump dump scratch $RAW --force --quiet")?;
    // The pipe is not read yet: the snapshot is held, and its writing waits.
    bed.check("{ resdump -v snapshot scratch - --json >/tmp/pipe 2>/tmp/said & } ; exec 3</tmp/pipe; dd bs=1 count=1 <&3 >/tmp/first 2>/dev/null")?;
    bed.check("resdump load $SMALL scratch --length 1M --quiet")?;
    bed.check("cat /tmp/first - <&3 >/tmp/then; exec 3<&-; wait; cat /tmp/said")?;
    let before = bed.sha256("/tmp/then")?;
    let kept = bed.check("dd if=$RAW bs=1M count=1 2>/dev/null | sha256sum")?;
    ensure!(kept.starts_with(&before), "{kept} instead of {before}");
    let now = bed.sha256("/dev/resmem/scratch")?;
    ensure!(now != before, "the region has not changed");
    bed.check("resdump load $RAW scratch --length 1M --quiet; rm /tmp/pipe /tmp/said /tmp/first /tmp/then")?;
    Ok(())
}

fn a_snapshot_of_memory_without_pages(bed: &mut Running) -> Result<()> {
    let answer = snapshot(bed, "straddle $RAW")?;
    ensure!(answer["bytes"] == 2 << 20, "{answer}");
    bed.raw_holds_all(0, "straddle")
}

/// The result of each engine; the figures themselves are not checked.
fn bench(bed: &mut Running, measured: &[&str], refused: &[&str]) -> Result<()> {
    let text =
        bed.check("resdump bench $RAW --force --length 4M --rounds 2 --chunk 1M --depth 4 --json")?;
    let answer: Value = serde_json::from_str(text.trim())?;
    let names = |list: &str| -> Result<Vec<String>> {
        let list = answer[list].as_array().context("a list")?;
        let name = |one: &Value| one["way"].as_str().map(str::to_owned);
        Ok(list.iter().filter_map(name).collect())
    };
    ensure!(names("ways")? == measured, "{answer}");
    ensure!(names("refused")? == refused, "{answer}");
    for way in answer["ways"].as_array().context("ways")? {
        let copies = way["way"] == "read" || way["way"] == "devmem";
        let moved = if copies { "copied" } else { "direct" };
        ensure!(way[moved] == 4 << 20, "{way}");
        ensure!(way["mb_per_s"]["min"].as_f64() > Some(0.0), "{way}");
    }
    Ok(())
}
