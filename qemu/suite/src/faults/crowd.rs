// SPDX-License-Identifier: MIT
//! Several dumps at once.
//!
//! | targets | outcome |
//! |---|---|
//! | different ones | all are complete |
//! | the same file | the first to have it is complete, each other is refused with status 6 |
//! | the same disk | likewise |

use anyhow::{Result, ensure};

use super::dump::{CHUNK, Dump, ENGINES, SIZE, Target};
use crate::frame::{Case, Running, case, same};

pub fn cases() -> Vec<Case> {
    [
        vec![case!(
            Faults,
            two_dumps_at_once_to_different_targets,
            |bed| { different(bed, 2) }
        )],
        vec![case!(
            Faults,
            eight_dumps_at_once_to_different_targets,
            |bed| { different(bed, 8) }
        )],
        vec![case!(Faults, eight_dumps_at_once_to_one_file, |bed| {
            crowd(bed, "/mnt/dump")?;
            bed.file_holds_all("dump", "capture")
        })],
        vec![case!(Faults, eight_dumps_at_once_to_one_disk, |bed| {
            crowd(bed, "/dev/vda")?;
            bed.raw_holds_all(0, "capture")
        })],
        each!(
            &[Target::Disk, Target::File],
            a_second_dump_is_refused_to,
            second
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Half of them to files, half to places of the raw disk, each engine that the kernel has in turn.
fn different(bed: &mut Running, count: u64) -> Result<()> {
    let mut engines = ENGINES.to_vec();
    if !dev_mem_is_open(bed)? {
        engines.retain(|engine| *engine != "devmem");
    }
    bed.mounted(|bed| {
        let mut line = String::new();
        for number in 0..count {
            let engine = engines[number as usize % engines.len()];
            let target = match number % 2 {
                0 => format!("/dev/vda --seek {}", number * SIZE),
                _ => format!("/mnt/dump{number}"),
            };
            line += &format!(
                "resdump dump capture {target} --engine {engine} --chunk {CHUNK} --force --quiet & all=\"$all $!\"; "
            );
        }
        bed.check(&format!(
            "all=; {line} bad=0; for one in $all; do wait $one || bad=1; done; test $bad = 0"
        ))
    })?;
    for number in 0..count {
        let (disk, expected) = (bed.disks()?.raw.clone(), bed.expected("capture")?);
        let found = match number % 2 {
            0 => disk.read(number * SIZE, SIZE)?,
            _ => bed.disks()?.ext4.read_ext4(&format!("dump{number}"))?,
        };
        same(&found, expected)?;
    }
    bed.mounted(|bed| bed.check("rm /mnt/dump[0-9]*").map(drop))
}

fn dev_mem_is_open(bed: &mut Running) -> Result<bool> {
    let (page, base) = (bed.page, bed.base("capture")?);
    let first = base / page;
    let output = bed.run(&format!(
        "dd if=/dev/mem of=/dev/null bs={page} count=1 skip={first}"
    ))?;
    Ok(output.status == 0)
}

/// Eight at once, none of which may use force. At least one succeeds: one that comes after the
/// others has the target for itself again, if that is a disk.
fn crowd(bed: &mut Running, target: &str) -> Result<()> {
    bed.mounted(|bed| {
        bed.check("rm -f /mnt/dump /mnt/dump.json")?;
        let text = bed.check(&format!(
            "all=; codes=; for one in 1 2 3 4 5 6 7 8; do resdump dump capture {target} --chunk {CHUNK} \
             --quiet & all=\"$all $!\"; done; for one in $all; do wait $one; \
             codes=\"$codes[$?]\\n\"; done; printf \"$codes\""
        ))?;
        let status = |wanted: &str| text.lines().filter(|line| *line == wanted).count();
        let (done, refused) = (status("[0]"), status("[6]"));
        ensure!(
            done >= 1 && done + refused == 8 && (done == 1 || target == "/dev/vda"),
            "{text}"
        );
        Ok(())
    })
}

fn second(bed: &mut Running, dump: Dump) -> Result<()> {
    // Of a disk, force says that both are wanted: to different places, perhaps.
    let more = match dump.target {
        Target::Disk => "",
        Target::File => "--force",
    };
    dump.afresh(bed, |bed| {
        dump.start(bed, &dump.command(more))?;
        let output = bed.run(&dump.command(more))?;
        let path = dump.target.path();
        ensure!(
            output.status == 6
                && output
                    .text
                    .contains(&format!("target is in use: {path}: EBUSY (16): ")),
            "{output:?}"
        );
        dump.ends_well(bed)
    })?;
    dump.holds(bed, SIZE)
}
