// SPDX-License-Identifier: MIT
//! Each allocation below the module's code fails in turn, in each of its calls. It needs a kernel that
//! can do that: the flavour `debug`.

use anyhow::{Context, Result, bail, ensure};
use board::Need;
use serde::Deserialize;

use crate::frame::{Case, Running, case};

/// Where the kernel's debugging files are.
const DEBUGFS: &str = "/sys/kernel/debug";

pub fn cases() -> Vec<Case> {
    vec![
        case!(Failing, opening_a_node, |bed| each(
            bed,
            "open /dev/resmem/odd"
        )),
        case!(Failing, asking_for_its_description, |bed| {
            each(bed, "info /dev/resmem/odd")
        }),
        case!(Failing, a_dump_to_a_disk, |bed| {
            each(bed, &format!("transfer dump {REGION} /dev/vda {SHAPE}"))
        }),
        case!(Failing, a_dump_that_is_not_aligned, |bed| {
            each(
                bed,
                &format!("transfer dump {REGION} /dev/vda {SHAPE} --region-offset 77"),
            )
        }),
        case!(Failing, a_dump_to_a_file, |bed| {
            bed.mounted(|bed| {
                bed.check("dd if=/dev/zero of=/mnt/dump bs=1M count=1 conv=fsync 2>/dev/null")?;
                each(bed, &format!("transfer dump {REGION} /mnt/dump {SHAPE}"))
            })
        }),
        case!(Failing, a_load, |bed| {
            each(
                bed,
                &format!(
                    "transfer load /dev/resmem/scratch /dev/vdc --node-write --mode rd {SHAPE}"
                ),
            )
        }),
        case!(Failing, a_snapshot, |bed| {
            each(bed, "snapshot /dev/resmem/odd --wait eventfd")
        }),
        case!(Failing, a_mapping, |bed| each(bed, "map /dev/resmem/odd")),
        case!(Failing, a_registered_buffer, |bed| {
            each(bed, "register /dev/resmem/odd")
        }),
        case!(Failing, an_export, |bed| {
            each(bed, "export /dev/resmem/odd")
        })
        .needs(Need::DmaBuf),
        case!(Failing, handing_a_range_over, |bed| {
            each(
                bed,
                "sync /dev/resmem/ring --length 0x10000 --direction 1 --node-write",
            )
        })
        .needs(Need::DeviceNode),
        case!(Failing, binding_the_driver).needs(Need::DeviceNode),
    ]
}

/// It has pages at both ends that are dumped in part.
const REGION: &str = "/dev/resmem/odd";
/// Four requests, two of them in flight.
const SHAPE: &str = "--length 0x40000 --chunk 0x10000 --depth 2";

/// Makes the call with each allocation in it failing in turn. Nothing else comes of that than an error
/// that says so, and afterwards the region can be dumped.
fn each(bed: &mut Running, call: &str) -> Result<()> {
    below_the_module(bed)?;
    let said = bed.probe(&format!("failing {call}"))?;
    let outcome = outcome(&said).with_context(|| said.clone())?;
    ensure!(outcome.failed > 0, "no allocation failed: {said}");
    ensure!(
        outcome.others.iter().all(|one| one.contains("ENOMEM")),
        "{said}"
    );
    intact(bed)
}

fn binding_the_driver(bed: &mut Running) -> Result<()> {
    let driver = "/sys/bus/platform/drivers/resmem";
    let device = bed.check(&format!("cd {driver}; ls -1d *resmem*; cd"))?;
    let device = device.lines().next().context("no device")?.trim();
    bed.check(&format!("echo {device} >{driver}/unbind"))?;
    below_the_module(bed)?;
    let said = bed.probe(&format!(
        "failing write {driver}/bind {device} {driver}/unbind {device}"
    ))?;
    let outcome = outcome(&said).with_context(|| said.clone())?;
    ensure!(outcome.failed > 0 && outcome.others == ["ENOMEM"], "{said}");
    bed.check(&format!("echo {device} >{driver}/bind"))?;
    intact(bed)
}

/// Only allocations that the module's code has asked for, itself or through others, are counted.
fn below_the_module(bed: &mut Running) -> Result<()> {
    let text = bed.check("grep '^resmem ' /proc/modules")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, size, .., address, _taint] = words[..] else {
        bail!("{text}");
    };
    let start = u64::from_str_radix(address.trim_start_matches("0x"), 16)?;
    ensure!(start > 0, "the module's address is kept from us: {text}");
    let end = start + size.parse::<u64>()?;
    bed.check(&format!(
        "grep -q ' {DEBUGFS} ' /proc/mounts || mount -t debugfs debugfs {DEBUGFS}; \
         for one in failslab fail_page_alloc; do cd {DEBUGFS}/$one; \
         echo N >ignore-gfp-wait; echo 0 >verbose; echo 32 >stacktrace-depth; \
         echo {start:#x} >require-start; echo {end:#x} >require-end; done; \
         echo 0 >min-order; echo N >ignore-gfp-highmem; cd"
    ))?;
    Ok(())
}

#[derive(Deserialize)]
struct Outcome {
    failed: u32,
    others: Vec<String>,
}

/// What the probe says.
fn outcome(said: &str) -> Result<Outcome> {
    let said = said
        .strip_prefix("ok ")
        .context("a call that fails by itself")?;
    Ok(serde_json::from_str(said)?)
}

fn intact(bed: &mut Running) -> Result<()> {
    bed.dump("odd /dev/vda --engine kernel")?;
    bed.raw_holds_all(0, "odd")
}
