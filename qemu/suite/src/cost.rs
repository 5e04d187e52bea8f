// SPDX-License-Identifier: MIT
//! What a dump costs the processor: instruction counts, which repeat, unlike seconds.

use anyhow::{Context, Result, ensure};

use board::Need;
use host::paths::Paths;
use labs::bench::{Baseline, Stage, all_costs, metered, recording};

use crate::frame::{self, Case, case};

/// Instructions for each MiB that the kernel engine may cost, everything counted.
const KERNEL_MOST: f64 = 4_000.0;
/// Those that a program may cost which submits the region's registered pages itself.
const MMAP_MOST: f64 = 5_000.0;
/// How many times that direct I/O from ordinary memory costs at least, where it is pinned in pages of 4 KiB.
const ORDINARY_LEAST: f64 = 50.0;

/// Start and end of the program, and a dump of one page with all that belongs to it.
fn what_is_not_data_costs_little() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "lab")?;
    let Some(baseline) = Baseline::load(&board)? else {
        return Ok(());
    };
    let stage = Stage {
        icount: true,
        file_system: true,
        ..Stage::new(&paths, &board, &image)
    };
    stage.run(&frame::below(&board, "whole"), |guest, _| {
        guest.check("mount -t ext4 -o noatime /dev/vdb /mnt")?;
        let mut dearer = Vec::new();
        for (command, most) in baseline.commands() {
            let now = metered(guest, command, 9)?;
            println!("{command}: {now:.0} instructions");
            if now > most {
                dearer.push(format!(
                    "{command}: {now:.0} instructions, more than {most:.0}"
                ));
            }
        }
        ensure!(dearer.is_empty(), "{}", dearer.join("\n"));
        Ok(())
    })
}

/// Least times that a recording by copies costs, and one from a mapping, of one by writes of 16 MiB.
const COPY_LEAST: f64 = 80.0;
const MAPPED_LEAST: f64 = 16.0;

/// Files, index and flushes included; and the same by what other programs can do.
fn a_recording_is_as_cheap_as_it_was() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "lab")?;
    let costs = recording(&paths, &board, &image, &frame::below(&board, "recording"))?;
    for (way, cost) in &costs {
        println!("recording, {way}: {:.0} instructions per MiB", cost.per_mib);
    }
    let of = |way: &str| -> Result<f64> {
        Ok(costs.get(way).with_context(|| format!("no {way}"))?.per_mib)
    };
    let Some(baseline) = Baseline::load(&board)? else {
        return Ok(());
    };
    for (way, most) in baseline.recorded() {
        let now = of(way)?;
        ensure!(
            now <= most,
            "recording, {way}: {now:.0} instructions per MiB, more than {most:.0}"
        );
    }
    let best = of("record_16m")?.max(1.0);
    for (way, least) in [("copy", COPY_LEAST), ("mapped", MAPPED_LEAST)] {
        let now = of(way)?;
        ensure!(
            now >= least * best,
            "recording, {way}: {now:.0} instructions per MiB, not {least} times {best:.0}"
        );
    }
    Ok(())
}

pub fn cases() -> Vec<Case> {
    vec![
        case!(alone, a_dump_is_as_cheap_as_it_was)
            .needs(Need::InstructionCounts)
            .flavour("lab")
            .limit(900),
        case!(alone, a_recording_is_as_cheap_as_it_was)
            .needs(Need::InstructionCounts)
            .needs(Need::DeviceNode)
            .needs(Need::WideAddresses)
            .needs(Need::MemoryAtZero)
            .flavour("lab")
            .limit(900),
        case!(alone, what_is_not_data_costs_little)
            .needs(Need::InstructionCounts)
            .flavour("lab")
            .limit(900),
        case!(alone, a_sync_touches_every_cache_line_that_it_must)
            .needs(Need::InstructionCounts)
            .needs(Need::DeviceNode)
            .flavour("lab")
            .limit(900),
        case!(alone, binding_looks_at_each_page_in_few_instructions)
            .needs(Need::InstructionCounts)
            .needs(Need::DeviceNode)
            .flavour("lab")
            .limit(900),
    ]
}

/// Runs in a machine of its own, in which a guest instruction is a nanosecond.
fn a_dump_is_as_cheap_as_it_was() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "lab")?;
    let costs = all_costs(&paths, &board, &image, &frame::below(&board, "cost"))?;
    for (way, cost) in &costs {
        println!("{way}: {:.0} instructions per MiB", cost.per_mib);
    }
    let of = |way: &str| -> Result<f64> {
        Ok(costs.get(way).with_context(|| format!("no {way}"))?.per_mib)
    };
    let (kernel, anon) = (of("kernel")?, of("anon")?);
    ensure!(
        kernel <= KERNEL_MOST,
        "the kernel engine costs {kernel:.0} instructions per MiB, more than {KERNEL_MOST}"
    );
    let mmap = of("mmap")?;
    ensure!(
        mmap <= MMAP_MOST,
        "the mmap engine costs {mmap:.0} instructions per MiB, more than {MMAP_MOST}"
    );
    let least = ORDINARY_LEAST * 4096.0 / board.page() as f64;
    ensure!(
        anon >= least * kernel.max(1.0),
        "direct I/O from ordinary memory costs {anon:.0}, not {least:.1} times {kernel:.0}"
    );
    match Baseline::load(&board)? {
        Some(baseline) => baseline.check(&costs),
        None => Ok(()),
    }
}

/// Handing a region over touches every line of the caches where they are not coherent, and nothing
/// where they are.
pub fn a_sync_touches_every_cache_line_that_it_must() -> Result<()> {
    const LINE: f64 = 32.0;
    const FEW: u64 = 4096;
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "lab")?;
    let stage = Stage {
        icount: true,
        size: Some(64 << 20),
        device_writes: true,
        ..Stage::new(&paths, &board, &image)
    };
    let per_line = stage.run(&frame::below(&board, "sync"), |guest, size| {
        let mut meter = |length: u64| {
            let command = format!("probe sync /dev/resmem/capture --length {length}");
            metered(guest, &command, 3)
        };
        Ok((meter(size)? - meter(FEW)?) / ((size - FEW) as f64 / LINE))
    })?;
    match board.dma_coherent() {
        false => ensure!(per_line >= 1.0, "{per_line:.2} instructions a line"),
        true => ensure!(per_line < 0.1, "{per_line:.2} instructions a line"),
    }
    Ok(())
}

/// Most instructions that binding the driver may cost for each page of its region: one read of each, in a way that
/// survives a missing mapping, and the look at its page structure.
const BIND_MOST: f64 = 300.0;

/// Measures the difference between two sizes, so that what binding costs whatever the size is left out.
fn binding_looks_at_each_page_in_few_instructions() -> Result<()> {
    const SIZES: [u64; 2] = [128 << 20, 256 << 20];
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "lab")?;
    let cost = |size| {
        let stage = Stage {
            icount: true,
            size: Some(size),
            ..Stage::new(&paths, &board, &image)
        };
        stage.run(&frame::below(&board, "bind"), |guest, _| {
            let driver = "/sys/bus/platform/drivers/resmem";
            let again =
                format!("for how in unbind bind; do echo resmem-bus:resmem-0 >{driver}/$how; done");
            metered(guest, &format!("sh -c '{again}'"), 3)
        })
    };
    let pages = ((SIZES[1] - SIZES[0]) / board.page()) as f64;
    let per_page = (cost(SIZES[1])? - cost(SIZES[0])?) / pages;
    println!("binding costs {per_page:.0} instructions a page");
    ensure!(
        (1.0..=BIND_MOST).contains(&per_page),
        "{per_page:.1} instructions a page"
    );
    Ok(())
}
