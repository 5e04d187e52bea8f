// SPDX-License-Identifier: MIT
//! Regions that a device shares: who owns them when, what is mapped for the device meanwhile, and that a look
//! changes nothing. Where caches are coherent there are no owners, and all of it works.

use anyhow::{Context, Result, ensure};

use crate::frame::{Case, Running, case};

const RING: &str = "/dev/resmem/ring";
use crate::frame::regions::DMA as SIZE;
/// What the kernel lists of the mappings for devices, where it watches them.
const MAPPINGS: &str = "/sys/kernel/debug/dma-api/dump";
/// That of the first region, and its driver.
const DEVICE: &str = "resmem-bus:resmem-0";
const DRIVER: &str = "/sys/bus/platform/drivers/resmem";

pub fn cases() -> Vec<Case> {
    vec![
        case!(Dma, the_device_owns_a_region_first, |bed| {
            owned(bed, RING, 0, SIZE, true)?;
            is_mapped(bed, "ring", &[(0, SIZE)])
        }),
        case!(Dma, a_load_is_not_mapped_twice),
        case!(Dma, a_load_leaves_a_region_to_the_device),
        case!(Dma, a_dump_changes_no_owner, |bed| {
            bed.dump("ring $RAW --engine kernel")?;
            bed.raw_holds_all(0, "ring")?;
            bed.sha256(RING)?;
            owned(bed, RING, 0, SIZE, true)
        }),
        case!(Dma, a_reader_takes_nothing, |bed| {
            bed.says(&format!("sync {RING} --length 0x100000"), "ok")?;
            bed.says(&format!("map {RING}"), "ok")?;
            bed.says(&format!("map {RING} --node-write --private"), "ok")?;
            owned(bed, RING, 0, SIZE, true)
        }),
        case!(Dma, a_reader_gives_nothing, |bed| {
            bed.says(&format!("sync {RING} --length 1 --direction 1"), "EBADF")?;
            bed.says("sync /dev/resmem/seen --length 1 --direction 1", "EPERM")
        }),
        case!(Dma, a_writer_takes_a_part_and_gives_it_back, |bed| {
            let sync = format!("sync {RING} --region-offset 0x40001 --length 0xffff --node-write");
            bed.says(&sync, "ok")?;
            // Once more to the same owner.
            bed.says(&sync, "ok")?;
            owned(bed, RING, 0x40000, 0x10000, false)?;
            is_mapped(bed, "ring", &[(0, 0x40000), (0x50000, SIZE - 0x50000)])?;
            bed.says(&format!("{sync} --direction 1"), "ok")?;
            bed.says(&format!("{sync} --direction 1"), "ok")?;
            owned(bed, RING, 0x40000, 0x10000, true)?;
            is_mapped(bed, "ring", &[(0, SIZE)])
        }),
        case!(Dma, a_mapping_to_write_to_takes_its_range, |bed| {
            bed.says(&format!("map {RING} --prot rw --node-write"), "ok")?;
            owned(bed, RING, 0, bed.page, false)?;
            owned(bed, RING, bed.page, SIZE - bed.page, true)?;
            give(bed, RING, SIZE)
        }),
        case!(Dma, what_a_writer_stored_survives_a_look),
        case!(Dma, too_many_pieces_are_refused, |bed| {
            let said = bed.check(&format!(
                "at=0; while [ $at -lt 300 ]; do probe sync {RING} --length 64 --node-write \
                 --region-offset $((at * 256)); at=$((at + 1)); done | sort | uniq -c"
            ))?;
            ensure!(
                said.contains("ENOSPC") == noncoherent(bed) && !said.contains("EINVAL"),
                "{said}"
            );
            give(bed, RING, SIZE)?;
            is_mapped(bed, "ring", &[(0, SIZE)])
        }),
        case!(Dma, unbinding_drops_what_is_mapped),
        case!(Dma, a_device_that_goes_away_during_a_load),
        case!(Dma, a_region_that_a_device_reads),
        case!(Dma, a_region_that_shares_a_cache_line, |bed| {
            let refused = "its ends are not those of cache lines, and a device shares it: EINVAL";
            match noncoherent(bed) {
                true => bed.check(&format!("dmesg | grep '{refused}'"))?,
                false => bed.check("test -c /dev/resmem/uneven")?,
            };
            Ok(())
        }),
        case!(Dma, memory_without_pages_is_shared_as_well, |bed| {
            without_pages(bed, "outside", 0)
        }),
        case!(Dma, memory_with_pages_in_part_is_shared_as_well, |bed| {
            is_mapped(bed, "straddle", &[(0, SIZE)])?;
            without_pages(bed, "straddle", SIZE)
        }),
        case!(Bounce, a_look_leaves_memory_as_it_is),
    ]
}

fn noncoherent(bed: &Running) -> bool {
    !bed.board.dma_coherent()
}

/// Checks that all of a range is the device's, or nothing of it: a load that hands nothing over says which. What
/// is loaded is what is there.
fn owned(bed: &mut Running, node: &str, offset: u64, length: u64, device: bool) -> Result<()> {
    let range = format!("--region-offset {offset:#x} --length {length:#x} --flags 2");
    bed.says(
        &format!("transfer dump {node} $RAW {range}"),
        &moved(length),
    )?;
    let load = format!("transfer load {node} $RAW {range} --node-write --mode rd");
    match device && noncoherent(bed) {
        true => bed.says(&load, "EBUSY"),
        false => bed.says(&load, &moved(length)),
    }
}

fn moved(length: u64) -> String {
    format!("ok moved={length} direct={length} copied=0 error=UnknownErrno")
}

fn give(bed: &mut Running, node: &str, length: u64) -> Result<()> {
    bed.says(
        &format!("sync {node} --length {length:#x} --direction 1 --node-write"),
        "ok",
    )
}

/// Checks that exactly these parts of a region, offsets and lengths, are mapped for its device, where the kernel
/// lists that.
fn is_mapped(bed: &mut Running, label: &str, expected: &[(u64, u64)]) -> Result<()> {
    let Some(found) = mapped(bed, label)? else {
        return Ok(());
    };
    let expected = match noncoherent(bed) {
        true => expected,
        false => &[],
    };
    ensure!(found == expected, "{label}: {found:x?}");
    Ok(())
}

fn mapped(bed: &mut Running, label: &str) -> Result<Option<Vec<(u64, u64)>>> {
    bed.run("mount -t debugfs debugfs /sys/kernel/debug")?;
    if bed.run(&format!("test -e {MAPPINGS}"))?.status != 0 {
        return Ok(None);
    }
    let (base, size) = (bed.base(label)?, bed.expected(label)?.len() as u64);
    let list = bed.check(&format!("grep resmem {MAPPINGS} || true"))?;
    let mut found = Vec::new();
    for line in list.lines() {
        let field = |name: &str| -> Result<u64> {
            let value = line.split_whitespace().find_map(|w| w.strip_prefix(name));
            let value = value.with_context(|| format!("no {name} in {line}"))?;
            Ok(u64::from_str_radix(value, 16)?)
        };
        let (address, length) = (field("D=")?, field("L=")?);
        if (base..base + size).contains(&address) {
            found.push((address - base, length));
        }
    }
    found.sort_unstable();
    Ok(Some(found))
}

/// The disk's driver maps what is read into.
fn a_load_is_not_mapped_twice(bed: &mut Running) -> Result<()> {
    bed.dump("ring $RAW --engine kernel")?;
    let load = format!("transfer load {RING} $RAW --node-write --mode rd --length {SIZE}");
    bed.says(&load, &moved(SIZE))?;
    bed.guest
        .check_health(machine::detectors::TAINT_OUT_OF_TREE)?;
    bed.dump("ring $RAW --engine kernel --seek 1M")?;
    bed.raw_holds_all(SIZE, "ring")
}

fn a_load_leaves_a_region_to_the_device(bed: &mut Running) -> Result<()> {
    bed.dump("ring $RAW --engine kernel")?;
    bed.says(&format!("sync {RING} --length 0x100000 --node-write"), "ok")?;
    owned(bed, RING, 0, SIZE, false)?;
    bed.check("resdump load $RAW ring --length 1M --quiet")?;
    owned(bed, RING, 0, SIZE, true)?;
    is_mapped(bed, "ring", &[(0, SIZE)])
}

/// A processor's caches are not played by the emulator; the module's unit tests count what is done to them.
fn what_a_writer_stored_survives_a_look(bed: &mut Running) -> Result<()> {
    let before = bed.expected("ring")?[0];
    let stored = before ^ 0xff;
    for byte in [stored, before] {
        bed.says(
            &format!("map {RING} --prot rw --node-write store {byte:#x}"),
            "ok",
        )?;
        let said = first_byte(bed)?;
        ensure!(said == byte, "{said:#04x} instead of {byte:#04x}");
        owned(bed, RING, 0, bed.page, false)?;
    }
    give(bed, RING, SIZE)
}

/// What a read of the region sees first.
fn first_byte(bed: &mut Running) -> Result<u8> {
    let said = bed.check(&format!(
        "dd if={RING} bs=1 count=1 2>/dev/null | hexdump -v -e '1/1 \"%02x\"'"
    ))?;
    Ok(u8::from_str_radix(said.trim(), 16)?)
}

fn unbinding_drops_what_is_mapped(bed: &mut Running) -> Result<()> {
    bed.check(&format!("exec 3<{RING}"))?;
    bed.check(&format!(
        "echo {DEVICE} > {DRIVER}/unbind && ! test -e {RING}"
    ))?;
    let left = mapped(bed, "ring")?;
    let read = bed.run("dd bs=1 count=1 <&3 >/dev/null 2>&1")?;
    let synced = bed.probe("sync fd:3 --length 1")?;
    bed.check(&format!(
        "exec 3<&-; echo {DEVICE} > {DRIVER}/bind && test -c {RING}"
    ))?;
    ensure!(left.is_none_or(|left| left.is_empty()), "still mapped");
    match noncoherent(bed) {
        true => ensure!(read.status != 0 && synced == "ENODEV", "{read:?} {synced}"),
        false => ensure!(read.status == 0 && synced == "ok", "{read:?} {synced}"),
    }
    owned(bed, RING, 0, SIZE, true)
}

/// What the load copied may be in caches that nothing writes back any more: none of it counts as moved.
fn a_device_that_goes_away_during_a_load(bed: &mut Running) -> Result<()> {
    // Which reads slowly: a load of all of it takes seconds.
    bed.dump("ring $SMALL --engine kernel")?;
    bed.check(&format!(
        "probe transfer load {RING} $SMALL --node-write --mode rd --length {SIZE} --chunk 0x10000 >/tmp/load & load=$!"
    ))?;
    bed.check(
        "until read reads writes </sys/block/vdc/inflight && test $reads -gt 0; do kill -0 $load || break; done",
    )?;
    bed.check(&format!("echo {DEVICE} > {DRIVER}/unbind && kill -0 $load"))?;
    let said = bed.check("wait $load; cat /tmp/load; rm /tmp/load")?;
    bed.check(&format!("echo {DEVICE} > {DRIVER}/bind && test -c {RING}"))?;
    let expected = match noncoherent(bed) {
        true => "ENODEV".to_owned(),
        false => moved(SIZE),
    };
    ensure!(said.trim() == expected, "{said}");
    owned(bed, RING, 0, SIZE, true)
}

fn a_region_that_a_device_reads(bed: &mut Running) -> Result<()> {
    let node = "/dev/resmem/played";
    let said = bed.probe(&format!("info {node}"))?;
    let flags = if noncoherent(bed) { 0x2b } else { 0x23 };
    ensure!(said.contains(&format!(" flags={flags:#x} ")), "{said}");
    owned(bed, node, 0, SIZE, true)?;
    bed.dump("played $RAW --engine kernel")?;
    bed.raw_holds_all(0, "played")?;
    bed.check("resdump load $RAW played --length 1M --quiet")?;
    owned(bed, node, 0, SIZE, true)
}

/// Dumps, loads and reads a region of which `pages` bytes have pages.
fn without_pages(bed: &mut Running, label: &str, pages: u64) -> Result<()> {
    let size = bed.expected(label)?.len() as u64;
    let answer = bed.dump(&format!("{label} $RAW --engine kernel"))?;
    ensure!(
        answer["direct"] == pages && answer["copied"] == size - pages,
        "{answer}"
    );
    bed.raw_holds_all(0, label)?;
    let node = format!("/dev/resmem/{label}");
    let digest = bed.sha256(&node)?;
    bed.check("dd if=$RAW of=/tmp/there bs=1M count=4 && dd if=/dev/zero of=$RAW bs=1M count=4 conv=fsync")?;
    bed.check(&format!(
        "resdump load $RAW {label} --length {size} --quiet"
    ))?;
    ensure!(bed.sha256(&node)? != digest, "the load changed nothing");
    bed.check("dd if=/tmp/there of=$RAW bs=1M conv=fsync,notrunc; rm /tmp/there")?;
    bed.check(&format!(
        "resdump load $RAW {label} --length {size} --quiet"
    ))?;
    ensure!(bed.sha256(&node)? == digest, "the way back lost something");
    bed.mounted(|bed| bed.check(&format!("cat {node} > /mnt/read")))?;
    bed.file_holds_all("read", label)
}

/// What is mapped for a device is a copy on this machine, and copies overwrite memory: a region is not mapped where
/// that does nothing, and refused where it would be needed.
fn a_look_leaves_memory_as_it_is(bed: &mut Running) -> Result<()> {
    // That it is there at all is because it was forced: there is little memory.
    bed.check("dmesg | grep 'software IO TLB: area num'")?;
    if noncoherent(bed) {
        bed.check("dmesg | grep 'memory-region 0: the device would work on copies of the memory (swiotlb)' && ! test -e /dev/resmem/ring")?;
        return Ok(());
    }
    let before = bed.expected("ring")?[0];
    for byte in [before ^ 0xff, before] {
        bed.says(
            &format!("map {RING} --prot rw --node-write store {byte:#x}"),
            "ok",
        )?;
        for _ in 0..2 {
            let said = first_byte(bed)?;
            ensure!(
                said == byte,
                "{byte:#04x} was stored, and then there was {said:#04x}"
            );
        }
    }
    Ok(())
}
