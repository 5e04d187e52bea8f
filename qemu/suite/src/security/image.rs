// SPDX-License-Identifier: MIT
//! The image: what is not open in it.

use anyhow::{Result, ensure};

use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Disk, nothing_listens_on_a_network, |bed| {
            let sockets = sockets(bed)?;
            ensure!(sockets.is_empty(), "{sockets}");
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
        case!(Security, who_listens_would_be_seen),
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

/// Lines of the kernel's tables of sockets that a network can reach.
fn sockets(bed: &mut Running) -> Result<String> {
    bed.check("for table in /proc/net/tcp* /proc/net/udp* /proc/net/raw*; do sed 1d $table; done")
}

fn who_listens_would_be_seen(bed: &mut Running) -> Result<()> {
    bed.check(
        "resdump receive tcp:4000 /tmp/received 2>/tmp/said & receiver=$!; \
         until grep -q listening /tmp/said; do :; done",
    )?;
    let found = sockets(bed)?;
    bed.check("kill $receiver; wait $receiver; rm -f /tmp/said /tmp/received")?;
    ensure!(found.lines().count() == 1, "{found}");
    Ok(())
}
