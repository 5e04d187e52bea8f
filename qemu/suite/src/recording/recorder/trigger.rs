// SPDX-License-Identifier: MIT
//! Triggers by command: of the process that records and of no other.

use anyhow::{Result, ensure};

use machine::guest::Guest;

use super::{expect, no_word_is_wrong};

/// A recorder that has no end by a trigger notes where it came.
pub(super) fn triggers(guest: &mut Guest) -> Result<()> {
    const NONE: &str = "no recorder: /mnt/marked: ESRCH (3)";
    guest.check("probe ring doorbell /dev/resmem/told 0; mkdir /mnt/marked")?;
    expect(guest, "resdump trigger /mnt/marked", NONE)?;
    guest.check_within(
        "rm -f /tmp/status; (sh -c 'echo $$ > /tmp/recorder; exec resdump record told /mnt/marked --segment 8M \
         --chunk 256K --quiet'; echo status $? > /tmp/status) & \
         until test -s /mnt/marked/000000.index; do sleep 1; done",
        60,
    )?;
    guest.check("probe ring produce /dev/resmem/told 1048576 --rate 2000000")?;
    let process = guest.check("cat /tmp/recorder")?;
    let process = process.trim();
    // By its folder, and by its region.
    for what in ["/mnt/marked", "told"] {
        expect(
            guest,
            &format!("resdump trigger {what} --json"),
            &format!("\"recorders\":[{process}]"),
        )?;
        guest.check("probe ring produce /dev/resmem/told 1048576 --rate 2000000")?;
    }
    guest.check_within(
        "kill -TERM $(cat /tmp/recorder); until test -s /tmp/status; do sleep 1; done",
        60,
    )?;
    expect(guest, "cat /tmp/status", "status 0")?;
    let shown = guest.check("resdump show /mnt/marked")?;
    ensure!(shown.matches(" trigger").count() == 2, "{shown}");
    no_word_is_wrong(guest, "/mnt/marked")?;
    expect(guest, "resdump trigger /mnt/marked", NONE)?;
    expect(
        guest,
        "resdump trigger told",
        "no recorder: told: ESRCH (3)",
    )?;
    guest.check("rm -r /mnt/marked").map(drop)
}
