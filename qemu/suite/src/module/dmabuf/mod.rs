// SPDX-License-Identifier: MIT
//! Regions as dma-bufs: what is exported and what is not, what an importer may do, and what outlives what.
//!
//! The importer is a driver of the suite's own (`qemu/importer`), which moves bytes by DMA addresses alone.

mod camera;

use anyhow::Result;
use board::Need;

use camera::a_camera_fills_a_ring_that_is_recorded;

use crate::frame::regions::odd;
use crate::frame::{Case, Running, case, same};

const DRIVER: &str = "/sys/bus/platform/drivers/resmem";

pub fn cases() -> Vec<Case> {
    [
        case!(Low, an_importer_reads_a_region_whose_node_is_closed),
        case!(Low, an_importer_reads_the_range_that_was_exported),
        case!(High, an_importer_reads_memory_without_a_kernel_mapping),
        case!(Low, an_importer_fills_a_region),
        case!(Low, nothing_writes_by_a_dma_buf_that_is_read_only),
        case!(Low, exporting_what_may_not_be_written_to, |bed| {
            export(bed, "capture --write-only-asked", "EPERM")?;
            export(bed, "scratch --write-only-asked", "EBADF")?;
            export(bed, "scratch --node-write-only", "EBADF")
        }),
        case!(Low, exporting_a_range_that_is_none, |bed| {
            let (size, page) = (odd(bed.page), bed.page);
            for (arguments, errno) in [
                (format!("odd --offset {}", page / 2), "EINVAL"),
                (format!("odd --length {}", page + 1), "EINVAL"),
                (format!("odd --offset {size}"), "EINVAL"),
                (format!("odd --offset {}", size + page), "ERANGE"),
                (format!("odd --length {}", size + page), "ERANGE"),
                (format!("odd --offset {page} --length {size}"), "ERANGE"),
                (
                    format!("odd --offset {page} --length {}", page.wrapping_neg()),
                    "EOVERFLOW",
                ),
                ("odd --flags 4".to_owned(), "EINVAL"),
                ("odd --flags 0x80000000".to_owned(), "EINVAL"),
                ("odd --reserved 1".to_owned(), "EINVAL"),
                ("odd full".to_owned(), "EMFILE"),
            ] {
                export(bed, &arguments, errno)?;
            }
            Ok(())
        }),
        case!(Low, a_longer_argument_of_an_export, |bed| {
            bed.says("argument export /dev/resmem/odd --size 64", "ok rest=zero")?;
            bed.says(
                "argument export /dev/resmem/odd --size 64 --tail",
                "E2BIG rest=other",
            )?;
            bed.says(
                "argument export /dev/resmem/odd --size 55",
                "EINVAL rest=none",
            )?;
            bed.says(
                "argument export /dev/resmem/odd --read-only",
                "EFAULT rest=none",
            )
        }),
        case!(NoPages, exporting_memory_without_page_structures),
        case!(
            Low,
            a_dma_buf_is_closed_by_execve_if_it_was_asked_for,
            |bed| {
                let listed = "run sh -c 'ls -l /proc/self/fd | grep -c dmabuf'";
                export(bed, &format!("odd {listed}"), "ok 1")?;
                export(bed, &format!("odd --close-on-exec {listed}"), "ok 0")
            }
        ),
        case!(Low, a_dma_buf_is_mapped_as_the_node_is),
        case!(Low, processors_say_when_they_access_it),
        case!(Low, two_importers_have_parts_in_common),
        case!(Low, a_dump_and_a_snapshot_while_an_importer_has_it_mapped),
        case!(Low, the_module_stays_while_a_dma_buf_lives),
        case!(Low, unbinding_leaves_what_is_mapped_usable).needs(Need::DeviceNode),
        case!(Low, a_region_that_a_device_shares_has_one_owner).needs(Need::DeviceNode),
    ]
    .map(|case| case.needs(Need::DmaBuf))
    .into_iter()
    .chain([
        case!(alone, a_camera_fills_a_ring_that_is_recorded)
            .needs(Need::DmaBuf)
            .needs(Need::DeviceNode)
            .needs(Need::WideAddresses)
            .needs(Need::MemoryAtZero)
            .limit(900),
        case!(Lab, a_kernel_without_dma_buf_says_so),
    ])
    .collect()
}

fn export(bed: &mut Running, arguments: &str, expected: &str) -> Result<()> {
    bed.says(&format!("export /dev/resmem/{arguments}"), expected)
}

/// Exports, closes the node, and has an importer go through `steps`; what these come to.
fn import(bed: &mut Running, arguments: &str, steps: &str, expected: &str) -> Result<()> {
    bed.check("test -c /dev/importer || insmod /lib/importer.ko")?;
    let run = format!("run probe import fd:FD {steps}");
    export(
        bed,
        &format!("{arguments} {run}"),
        &format!("ok ok {expected}"),
    )
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

fn an_importer_reads_a_region_whose_node_is_closed(bed: &mut Running) -> Result<()> {
    let all = bed.expected("odd")?;
    let (length, whole) = (all.len(), sum(all));
    // Across entries of the scatter list, which have 64 KiB at most.
    let part = sum(&all[0xff00..][..0x20200]);
    import(
        bed,
        "odd",
        &format!("attach map=to read=0,{length} read=0xff00,0x20200 unmap detach"),
        &format!("attach map read={whole} read={part} unmap detach"),
    )
}

fn an_importer_reads_the_range_that_was_exported(bed: &mut Running) -> Result<()> {
    let page = bed.page;
    let part = sum(&bed.expected("odd")?[page as usize..][..2 * page as usize]);
    import(
        bed,
        &format!("odd --offset {page} --length {}", 2 * page),
        &format!("attach map=to read=0,{} read={},1", 2 * page, 2 * page),
        &format!("attach map read={part} read:EINVAL"),
    )?;
    // To the end.
    let rest = odd(page) - page;
    export(
        bed,
        &format!("odd --offset {page}"),
        &format!("ok length={rest:#x} size={rest:#x}"),
    )
}

fn an_importer_reads_memory_without_a_kernel_mapping(bed: &mut Running) -> Result<()> {
    let part = sum(&bed.expected("high")?[..1 << 20]);
    import(
        bed,
        "high --length 0x100000",
        "attach map=to read=0,0x100000",
        &format!("attach map read={part}"),
    )?;
    import(
        bed,
        "highscratch --write",
        "attach vmap write=0x1000,16,7 read=0x1000,16 vunmap map=both read=0x1000,16",
        "attach vmap write read=112 vunmap map read=112",
    )
}

fn an_importer_fills_a_region(bed: &mut Running) -> Result<()> {
    let mut expected = bed.expected("scratch")?.to_vec();
    for (at, byte, how) in [
        (0x1_fff0, 1, "map=from"),
        (0x2_fff0, 2, "map=both"),
        (0x3_fff0, 3, "vmap"),
    ] {
        import(
            bed,
            "scratch --write",
            &format!("attach {how} write={at},32,{byte} read={at},32"),
            &format!(
                "attach {} write read={}",
                how.split('=').next().unwrap_or(how),
                32 * byte
            ),
        )?;
        expected[at..at + 32].fill(byte as u8);
    }
    bed.dump("scratch /dev/vda")?;
    same(&bed.disks()?.raw.read(0, expected.len() as u64)?, &expected)?;
    bed.content.insert("scratch".to_owned(), expected);
    Ok(())
}

fn nothing_writes_by_a_dma_buf_that_is_read_only(bed: &mut Running) -> Result<()> {
    // Of a region that may be written to as well.
    for label in ["capture", "scratch"] {
        import(
            bed,
            &format!("{label} --length 0x10000"),
            "attach map=from map=both vmap begin=to begin=both end=to open=write close=both open=read close=read \
             begin=from end=from map=to",
            "attach map:EACCES map:EACCES vmap:EINVAL begin:EACCES begin:EACCES end:EACCES open:EACCES close:EACCES \
             open close begin end map",
        )?;
        for how in [
            "--prot rw",
            "--prot rw --private",
            "mprotect",
            "--private mprotect",
        ] {
            let run = format!("run probe map fd:FD --length 0x10000 {how}");
            export(bed, &format!("{label} {run}"), "ok EACCES")?;
        }
    }
    Ok(())
}

fn exporting_memory_without_page_structures(bed: &mut Running) -> Result<()> {
    let word = "outside: not exported: memory of the range has no page structures";
    export(bed, "outside", "ENXIO")?;
    bed.check(&format!("dmesg | grep '{word}'"))?;
    // The first of its two MiB has them.
    export(bed, "straddle", "ENXIO")?;
    export(bed, "straddle --offset 0xf0000 --length 0x20000", "ENXIO")?;
    export(
        bed,
        "straddle --length 0x100000",
        "ok length=0x100000 size=0x100000",
    )?;
    // Its bounds are not those of pages.
    export(bed, "ragged", "EINVAL")
}

fn a_dma_buf_is_mapped_as_the_node_is(bed: &mut Running) -> Result<()> {
    let page = bed.page;
    let all = bed.expected("scratch")?.to_vec();
    let part = sum(&all[page as usize..][..page as usize]);
    let map = |rest: &str| {
        format!(
            "scratch --offset {page} --length {} --write run probe map fd:FD {rest}",
            2 * page
        )
    };
    let one = format!("--length {page}");
    export(
        bed,
        &map(&format!("{one} vmsplice")),
        &format!("ok ok sum={part}"),
    )?;
    // The kernel's file system of dma-bufs has no programs.
    export(bed, &map(&format!("{one} --prot rx")), "ok EPERM")?;
    export(
        bed,
        &map(&format!("{one} --offset {} vmsplice", 2 * page)),
        "ok EINVAL",
    )?;
    export(bed, &map(&format!("--length {}", 3 * page)), "ok EINVAL")?;
    export(bed, &map(&format!("{one} --prot rw store 0x5a")), "ok ok")?;
    bed.says(
        &format!("map /dev/resmem/scratch --offset {page} --length {page} vmsplice"),
        &format!("ok sum={}", part - u64::from(all[page as usize]) + 0x5a),
    )?;
    let mut all = all;
    all[page as usize] = 0x5a;
    bed.content.insert("scratch".to_owned(), all);
    Ok(())
}

fn processors_say_when_they_access_it(bed: &mut Running) -> Result<()> {
    import(
        bed,
        "scratch --write",
        "attach map=both open=both close=both open=read close=read begin=both end=both begin=from end=from unmap \
         open=write close=write",
        "attach map open close open close begin end begin end unmap open close",
    )
}

fn two_importers_have_parts_in_common(bed: &mut Running) -> Result<()> {
    let part = sum(&bed.expected("odd")?[0x1_0000..][..0x1_0000]);
    let other = "probe export /dev/resmem/odd --offset 0x10000 --length 0x10000 \
                 run probe import fd:FD attach map=to read=0,0x10000";
    import(
        bed,
        "odd --length 0x20000",
        &format!("attach map=to 'run={other}' read=0x10000,0x10000"),
        &format!("attach map run=ok ok attach map read={part} read={part}"),
    )?;
    // Of one descriptor, by two devices' worth of attachments.
    import(
        bed,
        "odd --length 0x20000",
        "attach map=to 'run=probe import fd:$FD attach map=to read=0x10000,0x10000' unmap",
        &format!("attach map run=ok attach map read={part} unmap"),
    )
}

fn a_dump_and_a_snapshot_while_an_importer_has_it_mapped(bed: &mut Running) -> Result<()> {
    let all = sum(bed.expected("scratch")?);
    let dump = "resdump dump scratch /dev/vda --force --quiet && echo dumped";
    let snapshot =
        "probe snapshot /dev/resmem/scratch --length 0x10000 --wait eventfd | cut -c 1-2";
    for way in ["to", "from", "both"] {
        import(
            bed,
            "scratch --write",
            &format!("attach map={way} 'run={dump}' 'run={snapshot}' read=0,0x100000"),
            &format!("attach map run=dumped run=ok read={all}"),
        )?;
        bed.raw_holds_all(0, "scratch")?;
    }
    Ok(())
}

fn the_module_stays_while_a_dma_buf_lives(bed: &mut Running) -> Result<()> {
    let part = sum(&bed.expected("odd")?[..16]);
    let unload = "rmmod resmem 2>/dev/null && echo unloaded || echo refused";
    import(
        bed,
        "odd",
        &format!("'run={unload}' attach map=to 'run={unload}' read=0,16"),
        &format!("run=refused attach map run=refused read={part}"),
    )?;
    bed.check("rmmod resmem && modprobe resmem && test -c /dev/resmem/odd")
        .map(drop)
}

fn unbinding_leaves_what_is_mapped_usable(bed: &mut Running) -> Result<()> {
    let part = sum(&bed.expected("odd")?[..16]);
    // The second of the bed's regions.
    let device = "resmem-bus:resmem-1";
    import(
        bed,
        "odd",
        &format!(
            "attach map=to 'run=echo {device} > {DRIVER}/unbind; test -e /dev/resmem/odd; echo $?' read=0,16 \
             begin=from unmap map=to 'run=probe import fd:$FD attach' read=0,16"
        ),
        &format!(
            "attach map run=1 read={part} begin unmap map:ENODEV run=ok attach:ENODEV read:EINVAL"
        ),
    )?;
    bed.check(&format!(
        "echo {device} > {DRIVER}/bind && test -c /dev/resmem/odd"
    ))?;
    // From a node that was open before.
    bed.check("exec 3</dev/resmem/odd")?;
    bed.check(&format!("echo {device} > {DRIVER}/unbind"))?;
    bed.says("export fd:3", "ENODEV")?;
    bed.check(&format!(
        "exec 3<&-; echo {device} > {DRIVER}/bind && test -c /dev/resmem/odd"
    ))
    .map(drop)
}

/// Where caches see what devices do there is nothing to own.
fn a_region_that_a_device_shares_has_one_owner(bed: &mut Running) -> Result<()> {
    let refused = match bed.board.dma_coherent() {
        true => "",
        false => ":EBUSY",
    };
    let give = "probe sync /dev/resmem/ring --length 4096 --direction 1 --node-write";
    let given = match refused {
        "" => "ok",
        _ => "EBUSY",
    };
    // Importers of one dma-buf share it.
    let same = "probe import fd:$FD attach map=from vmap";
    let other = "probe export /dev/resmem/ring --write run probe import fd:FD attach map=from";
    import(
        bed,
        "ring --write",
        &format!(
            "attach map=to 'run={give}' unmap map=from 'run={give}' 'run={same}' 'run={other}' open=both close=both \
             unmap 'run={give}'"
        ),
        &format!(
            "attach map run=ok unmap map run={given} run=ok attach map vmap run=ok ok attach map{refused} open close \
             unmap run=ok"
        ),
    )
}

fn a_kernel_without_dma_buf_says_so(bed: &mut Running) -> Result<()> {
    let config = bed.probe("info /dev/resmem/capture")?;
    let expected = match config.contains("features=0x6f ") {
        true => "EOPNOTSUPP",
        // Of a debug kernel.
        false => "ok length=0x1000 size=0x1000",
    };
    let length = bed.page;
    export(
        bed,
        &format!("capture --length {length}"),
        &expected.replace("0x1000", &format!("{length:#x}")),
    )
}
