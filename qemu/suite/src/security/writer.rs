// SPDX-License-Identifier: MIT
//! What stands in the way of an ordinary direct write stands in the way of a dump: the descriptor's
//! rights, the file's, the process's.

use anyhow::{Result, ensure};
use board::Need;

use crate::frame::{Case, Running, case, same};

const NODE: &str = "/dev/resmem/capture";
const WRITERS: [&str; 2] = ["ordinary", "dump"];
const MIB: usize = 1 << 20;

pub fn cases() -> Vec<Case> {
    vec![
        case!(Security, where_nothing_is_in_the_way_both_write, |bed| {
            both(bed, "plain", "ok moved=65536 error=none")?;
            written(bed, 65536)
        }),
        case!(Security, a_descriptor_that_only_names_a_file, |bed| {
            both(bed, "name-only", "ok moved=0 error=EBADF")?;
            written(bed, 0)
        }),
        case!(Security, a_file_that_has_become_immutable, |bed| {
            both(bed, "immutable", "ok moved=0 error=EPERM")?;
            written(bed, 0)
        }),
        case!(
            Security,
            a_file_that_has_become_append_only_keeps_its_writers,
            |bed| both(bed, "append-only", "ok moved=65536 error=none")
        ),
        case!(Security, a_lock_asks_those_who_ask_for_it_only, |bed| {
            both(bed, "locked", "ok moved=65536 error=none")
        }),
        case!(Security, a_descriptor_that_appends_is_refused, |bed| {
            // An ordinary write goes to the end, whatever its offset.
            each(
                bed,
                "appends",
                ["ok moved=65536 error=none", "ok moved=0 error=EINVAL"],
            )
        }),
        case!(
            Security,
            a_limit_of_the_size_of_files_ends_the_process,
            size_limit
        ),
        case!(Security, sealed_memory_is_no_target, |bed| {
            each(
                bed,
                "sealed",
                ["ok moved=0 error=EPERM", "ok moved=0 error=EOPNOTSUPP"],
            )
        }),
        case!(Security, a_mount_that_is_read_only, read_only_mount),
        case!(
            Security,
            a_program_that_is_overwritten_loses_its_setuid_bit,
            setuid
        ),
        case!(Lab, a_watcher_of_the_target_is_notified_of_a_dump, watcher).needs(Need::Inotify),
        case!(Lab, a_quota_ends_a_dump_as_it_ends_a_write, quota).needs(Need::Quota),
    ]
}

/// A file of 2 MiB of zeroes on the mounted disk, all of it there.
fn with_file<T>(bed: &mut Running, work: impl FnOnce(&mut Running) -> Result<T>) -> Result<T> {
    bed.mounted(|bed| {
        bed.check("dd if=/dev/zero of=/mnt/file bs=64k count=32 conv=fsync")?;
        work(bed)
    })
}

/// What each writer says, with a fresh file each.
fn each(bed: &mut Running, situation: &str, expected: [&str; 2]) -> Result<()> {
    for (writer, expected) in WRITERS.into_iter().zip(expected) {
        let said = with_file(bed, |bed| {
            bed.probe(&format!("guarded {writer} {NODE} /mnt/file {situation}"))
        })?;
        ensure!(said == expected, "{writer}: {said}, expected {expected}");
    }
    Ok(())
}

fn both(bed: &mut Running, situation: &str, expected: &str) -> Result<()> {
    each(bed, situation, [expected; 2])
}

/// Checks that the dump, which was the last to write, wrote so many bytes and left the rest.
fn written(bed: &mut Running, bytes: usize) -> Result<()> {
    let mut expected = bed.expected("capture")?[..bytes].to_vec();
    expected.resize(2 * MIB, 0);
    same(&bed.disks()?.ext4.read_ext4("file")?, &expected)
}

fn size_limit(bed: &mut Running) -> Result<()> {
    let mut ends = Vec::new();
    for writer in WRITERS {
        let output = with_file(bed, |bed| {
            bed.run(&format!(
                "probe guarded {writer} {NODE} /mnt/file size-limit --length 0x200000"
            ))
        })?;
        ends.push(output.status);
    }
    // SIGXFSZ.
    ensure!(ends == [128 + 25; 2], "{ends:?}");
    written(bed, MIB)
}

fn read_only_mount(bed: &mut Running) -> Result<()> {
    for writer in WRITERS {
        let said = with_file(bed, |bed| {
            bed.check("mkdir -p /tmp/ro && mount -o bind /mnt /tmp/ro && mount -o remount,bind,ro /mnt /tmp/ro")?;
            let through = bed.probe(&format!("guarded {writer} {NODE} /tmp/ro/file"))?;
            let ordinary = bed.probe(&format!("guarded {writer} {NODE} /mnt/file"))?;
            bed.check("umount /tmp/ro && rmdir /tmp/ro")?;
            Ok([through, ordinary])
        })?;
        ensure!(
            said == ["EROFS", "ok moved=65536 error=none"],
            "{writer}: {said:?}"
        );
    }
    Ok(())
}

/// By a user who may write to a program and must not make it setuid.
fn setuid(bed: &mut Running) -> Result<()> {
    for writer in WRITERS {
        let mode = with_file(bed, |bed| {
            bed.check("chmod 4777 /mnt/file")?;
            let said = bed.check(&format!(
                "(exec 3<{NODE}; su nobody -c 'probe guarded {writer} fd:3 /mnt/file')"
            ))?;
            ensure!(
                said.trim() == "ok moved=65536 error=none",
                "{writer}: {said}"
            );
            bed.check("stat -c %a /mnt/file")
        })?;
        ensure!(mode.trim() == "777", "{writer} leaves mode {mode}");
    }
    Ok(())
}

/// The file has all of its blocks, so that it is written to asynchronously.
fn watcher(bed: &mut Running) -> Result<()> {
    for writer in WRITERS {
        with_file(bed, |bed| {
            bed.says(
                &format!("watch /mnt/file probe guarded {writer} {NODE} /mnt/file"),
                "ok modified=true accessed=false",
            )
        })?;
    }
    Ok(())
}

/// The disk's file system counts what a user has, and limits it when it is mounted like this. Root is not
/// limited.
fn quota(bed: &mut Running) -> Result<()> {
    for writer in WRITERS {
        let said = bed.mounted(|bed| {
            bed.check("umount /mnt && mount -t ext4 -o usrquota /dev/vdb /mnt")?;
            bed.check("rm -f /mnt/file; touch /mnt/file && chown nobody /mnt/file")?;
            bed.says("guard quota /dev/vdb 65534 1024", "ok")?;
            let said = bed.check(&format!(
                "(exec 3<{NODE}; su nobody -c 'probe guarded {writer} fd:3 /mnt/file --length 0x200000')"
            ))?;
            bed.says("guard quota /dev/vdb 65534 0", "ok")?;
            bed.check("rm /mnt/file")?;
            Ok(said)
        })?;
        ensure!(
            said.trim() == format!("ok moved={MIB} error=EDQUOT"),
            "{writer}: {said}"
        );
    }
    Ok(())
}
