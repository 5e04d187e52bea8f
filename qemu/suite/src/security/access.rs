// SPDX-License-Identifier: MIT
//! Which users may open a region, and what others can do with a descriptor that they were given.

use anyhow::{Result, ensure};

use crate::frame::{Case, Running, case, same};

const NODE: &str = "/dev/resmem/capture";
/// Bytes of it that are moved.
const LENGTH: usize = 1 << 20;

pub fn cases() -> Vec<Case> {
    vec![
        case!(
            Security,
            root_without_the_capability_opens_no_region,
            |bed| { bed.says(&format!("confined probe open {NODE}"), "EPERM") }
        ),
        case!(
            Security,
            a_descriptor_that_was_given_dumps,
            a_given_descriptor_dumps
        ),
        case!(
            Security,
            a_descriptor_that_was_given_is_read_and_mapped,
            |bed| {
                let digest = bed.sha256(NODE)?;
                let said = given(bed, "sha256sum <&3")?;
                ensure!(said.starts_with(&digest), "{said}, expected {digest}");
                let said = given(bed, "probe map fd:3")?;
                ensure!(said.trim() == "ok", "{said}");
                Ok(())
            }
        ),
        case!(
            Security,
            a_descriptor_that_was_given_opens_nothing_else,
            |bed| {
                let own = "/proc/self/fd/3";
                bed.check(&format!("exec 3<{NODE}"))?;
                let again = bed.probe(&format!("confined probe open {own}"))?;
                let for_writing = bed.probe(&format!("confined probe open {own} --write"))?;
                bed.check("exec 3<&-")?;
                ensure!(
                    again == "EPERM" && for_writing == "EPERM",
                    "{again} {for_writing}"
                );
                Ok(())
            }
        ),
        case!(
            Security,
            a_descriptor_for_reading_does_not_write_what_is_writable,
            |bed| {
                bed.check("exec 3</dev/resmem/tail")?;
                let mapped = bed.probe("map fd:3 --prot rw")?;
                let protected = bed.probe("map fd:3 mprotect")?;
                let loaded = bed.probe("transfer load fd:3 /dev/vda --mode rd --length 512")?;
                bed.check("exec 3<&-")?;
                ensure!(
                    [&*mapped, &protected, &loaded] == ["EACCES", "EACCES", "EBADF"],
                    "{mapped} {protected} {loaded}"
                );
                Ok(())
            }
        ),
        case!(Security, a_descriptor_for_writing_does_not_read, |bed| {
            bed.check("exec 3>/dev/resmem/tail")?;
            let dumped = bed.probe("transfer dump fd:3 /dev/vda --length 512")?;
            let held = bed.probe("snapshot fd:3")?;
            bed.check("exec 3>&-")?;
            ensure!([&*dumped, &held] == ["EBADF", "EBADF"], "{dumped} {held}");
            Ok(())
        }),
    ]
}

/// Runs a command without rights, with the open region as descriptor 3.
fn given(bed: &mut Running, command: &str) -> Result<String> {
    bed.check(&format!("(exec 3<{NODE}; su nobody -c '{command}' 2>&1)"))
}

fn a_given_descriptor_dumps(bed: &mut Running) -> Result<()> {
    bed.mounted(|bed| {
        bed.check("touch /mnt/given && chown nobody /mnt/given")?;
        let said = given(
            bed,
            &format!("probe transfer dump fd:3 /mnt/given --length {LENGTH}"),
        )?;
        let expected = format!("ok moved={LENGTH} direct={LENGTH} copied=0 error=UnknownErrno");
        ensure!(said.trim() == expected, "{said}");
        // A target that root alone may write is not written for another user.
        let said = given(bed, "probe transfer dump fd:3 /dev/vda")?;
        ensure!(said.trim() == "EACCES", "{said}");
        Ok(())
    })?;
    let expected = &bed.expected("capture")?[..LENGTH];
    same(&bed.disks()?.ext4.read_ext4("given")?, expected)?;
    bed.mounted(|bed| bed.check("rm /mnt/given")).map(drop)
}
