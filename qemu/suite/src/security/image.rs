// SPDX-License-Identifier: MIT
//! The image: what is not open in it.

use anyhow::ensure;

use crate::frame::{Case, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Disk, nothing_can_listen_on_a_network, |bed| {
            let output = bed.run("resdump receive tcp:4000 /tmp/received")?;
            ensure!(
                output.status != 0 && output.text.contains("EAFNOSUPPORT"),
                "{output:?}"
            );
            Ok(())
        }),
        case!(Disk, no_user_has_an_empty_password, |bed| {
            // The second is not in every image.
            let open = bed.check(
                "for file in /etc/passwd /etc/shadow; do \
                 test ! -e $file || awk -F: '$2 == \"\"' $file; done",
            )?;
            ensure!(open.is_empty(), "{open}");
            Ok(())
        }),
        case!(Disk, no_program_is_setuid_or_setgid, |bed| {
            let found = bed.check(
                "for file in /bin/* /sbin/* /usr/bin/* /usr/sbin/*; do \
                 if [ -u $file ] || [ -g $file ]; then echo $file; fi; done",
            )?;
            ensure!(found.is_empty(), "{found}");
            Ok(())
        }),
        case!(
            Security,
            memory_cannot_be_reached_beside_the_module,
            |bed| {
                // A region, and memory that is the kernel's own.
                let own = bed.board.memory_base() + (16 << 20);
                for page in [bed.base("capture")?, own].map(|address| address / 4096) {
                    for command in [
                        format!("dd if=/dev/mem of=/tmp/page bs=4096 skip={page} count=1"),
                        format!(
                            "dd if=/dev/zero of=/dev/mem bs=4096 seek={page} count=1 conv=notrunc"
                        ),
                    ] {
                        let output = bed.run(&command)?;
                        ensure!(
                            output.status != 0 && output.text.contains("not permitted"),
                            "{command}: {output:?}"
                        );
                    }
                }
                bed.check("rm -f /tmp/page; test ! -e /dev/kmem -a ! -e /proc/kcore")?;
                bed.dump("capture /dev/vda --engine kernel")?;
                bed.raw_holds_all(0, "capture")
            }
        ),
    ]
}
