// SPDX-License-Identifier: MIT
//! What `resdump` promises, as far as only a real region shows it.

use anyhow::{Context, Result, ensure};
use board::Need;
use serde_json::Value;

use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, the_mmap_engine_keeps_several_writes_in_flight),
        case!(Low, the_read_engine_copies_every_byte),
        case!(Low, the_auto_engine_takes_the_kernels_and_says_why),
        case!(Low, a_dump_is_verified_and_has_a_manifest),
        case!(Low, an_interrupted_dump_is_resumed),
        case!(Low, an_elf_dump_is_big_endian_with_its_address).needs(Need::BigEndian),
        case!(Low, a_pipe_takes_pages_without_a_copy),
        case!(Low, strict_refuses_a_target_in_memory),
        case!(Low, doctor_finds_the_way, |bed| {
            doctor_finds_the_way(bed, "EPERM")
        }),
        case!(Lab, doctor_explains_dev_mem, |bed| {
            doctor_finds_the_way(bed, "EFAULT")
        })
        .needs(Need::DevMem),
    ]
}

fn the_mmap_engine_keeps_several_writes_in_flight(bed: &mut Running) -> Result<()> {
    let answer = bed.dump("capture $RAW --engine mmap --depth 8 --chunk 64K")?;
    ensure!(answer["depth"] == 8 && answer["copied"] == 0, "{answer}");
    bed.raw_holds_all(0, "capture")
}

fn the_read_engine_copies_every_byte(bed: &mut Running) -> Result<()> {
    let answer = bed.dump("capture $RAW --engine read")?;
    ensure!(answer["direct"] == 0, "{answer}");
    bed.raw_holds_all(0, "capture")
}

fn the_auto_engine_takes_the_kernels_and_says_why(bed: &mut Running) -> Result<()> {
    let answer = bed.dump("capture $RAW --strict")?;
    let reason = "auto: writes from the region's own pages";
    ensure!(
        answer["engine"] == "kernel" && answer["engine_reason"] == reason,
        "{answer}"
    );
    Ok(())
}

fn a_dump_is_verified_and_has_a_manifest(bed: &mut Running) -> Result<()> {
    let base = bed.base("capture")?;
    bed.mounted(|bed| {
        let answer = bed.dump("capture /mnt/file --digest crc32c --verify")?;
        ensure!(answer["verified"] == true, "{answer}");
        let text = bed.check("cat /mnt/file.json")?;
        let manifest: Value = serde_json::from_str(text.trim()).context("a manifest")?;
        ensure!(
            manifest["complete"] == true
                && manifest["base"] == base
                && manifest["digest"] == answer["digest"]
                && manifest["system"]["byte_order"] == bed.board.byte_order(),
            "{manifest}"
        );
        bed.check("resdump verify /mnt/file --against capture; rm /mnt/file /mnt/file.json")?;
        Ok(())
    })
}

fn an_interrupted_dump_is_resumed(bed: &mut Running) -> Result<()> {
    bed.mounted(|bed| {
        bed.dump("capture /mnt/file")?;
        // As a power cut leaves it: half of the file is garbage, and the manifest knows.
        bed.check("sed -i -e 's/\"complete\": true/\"complete\": false/' -e 's/\"bytes\": 67108864/\"bytes\": 33554432/' /mnt/file.json")?;
        bed.check("dd if=/dev/urandom of=/mnt/file bs=1M seek=32 count=32 conv=notrunc")?;
        let wrong = bed.run("resdump verify /mnt/file")?;
        ensure!(wrong.status == 13, "{wrong:?}");
        let text = bed.check("resdump dump capture /mnt/file --resume --verify --quiet --json")?;
        let answer: Value = serde_json::from_str(text.trim())?;
        ensure!(
            answer["resumed"] == 32 << 20 && answer["direct"] == 32 << 20,
            "{answer}"
        );
        bed.check("resdump verify /mnt/file --against capture; rm /mnt/file /mnt/file.json")?;
        Ok(())
    })
}

fn an_elf_dump_is_big_endian_with_its_address(bed: &mut Running) -> Result<()> {
    let answer = bed.dump("odd $RAW --format elf")?;
    ensure!(answer["copied"] == 0, "{answer}");
    // CORE, PPC or PPC64; then p_paddr of the second program header.
    let (class, machine, address) = match bed.board.conf.kernel_bits {
        Some(64) => (2, 21, 64 + 56 + 24..64 + 56 + 32),
        _ => (1, 20, 52 + 32 + 12..52 + 32 + 16),
    };
    bed.raw_is(0, &[0x7f, b'E', b'L', b'F', class, 2])?;
    bed.raw_is(16, &[0, 4, 0, machine])?;
    let base = bed.base("odd")?.to_be_bytes();
    bed.raw_is(address.start as u64, &base[8 - address.len()..])?;
    bed.raw_holds_all(4096, "odd")
}

fn a_pipe_takes_pages_without_a_copy(bed: &mut Running) -> Result<()> {
    let text = bed.check("resdump dump capture - --json 2>/tmp/report | sha256sum; sha256sum /dev/resmem/capture; cat /tmp/report; rm /tmp/report")?;
    let lines: Vec<&str> = text.trim().lines().collect();
    ensure!(lines.len() == 3, "{text}");
    let sum = |line: &str| line.split_whitespace().next().map(str::to_owned);
    ensure!(sum(lines[0]) == sum(lines[1]), "{text}");
    let answer: Value = serde_json::from_str(lines[2])?;
    ensure!(
        answer["direct"] == 64 << 20 && answer["copied"] == 0,
        "{answer}"
    );
    Ok(())
}

fn strict_refuses_a_target_in_memory(bed: &mut Running) -> Result<()> {
    let output = bed.run("resdump dump scratch /tmp/file --strict")?;
    ensure!(output.status == 11, "{output:?}");
    bed.check("test ! -e /tmp/file && test ! -e /tmp/file.json")?;
    Ok(())
}

/// `dev_mem`: how direct I/O from /dev/mem fails on this kernel.
fn doctor_finds_the_way(bed: &mut Running, dev_mem: &str) -> Result<()> {
    let text = bed.check("resdump doctor capture --target $RAW --force --json")?;
    let answer: Value = serde_json::from_str(text.trim())?;
    ensure!(answer["auto"] == "kernel", "{answer}");
    let checks = answer["checks"].as_array().context("checks")?;
    let check = |name: &str| {
        let found = checks.iter().find(|one| one["check"] == name);
        found.with_context(|| format!("no {name} in {answer}"))
    };
    for name in [
        "root",
        "CAP_SYS_RAWIO",
        "io_uring",
        "regions",
        "control write",
        "engine kernel",
        "engine mmap",
        "engine read",
    ] {
        let finding = check(name)?;
        ensure!(finding["ok"] == true, "{finding}");
    }
    let finding = check("direct I/O from /dev/mem")?;
    ensure!(finding["errno"] == dev_mem, "{finding}");
    Ok(())
}
