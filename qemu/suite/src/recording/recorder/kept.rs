// SPDX-License-Identifier: MIT
//! A ring of segments on disk: the last bytes, and those around triggers, in bounded room.

use anyhow::{Context, Result, ensure};

use machine::guest::Guest;

use super::{expect, no_word_is_wrong, totals};

// A segment may be removed meanwhile, so none is looked at: `ls` asks for the attributes of each.
const SEGMENTS: &str = "set -- /mnt/ring/*.seg; echo $#";

fn segments(guest: &mut Guest) -> Result<u64> {
    let said = guest.check(SEGMENTS)?;
    said.trim().parse().with_context(|| said.clone())
}

pub(super) fn kept(guest: &mut Guest) -> Result<()> {
    guest.check("probe ring doorbell /dev/resmem/told 0; rm -f /tmp/status")?;
    expect(
        guest,
        "resdump record told /mnt/ring --keep 4M --post 1M --pre 5M; echo status $?",
        "--keep leaves room for 4194304 bytes before a trigger",
    )?;
    guest.check_within(
        "(sh -c 'echo $$ > /tmp/recorder; exec resdump record told /mnt/ring --keep 4M --segment 1M --chunk 256K \
         --post 1M --pre 2M --json' > /tmp/said; echo status $? > /tmp/status) & \
         until test -s /mnt/ring/000000.index; do sleep 1; done",
        60,
    )?;
    let produce = "probe ring produce /dev/resmem/told 12582912 --rate 3000000";
    guest.check_within(produce, 60)?;
    // What is kept, a part, what is prepared, and what waits for a flush.
    let ring = segments(guest)?;
    ensure!((5..=9).contains(&ring), "{ring} segments");
    expect(guest, "resdump trigger /mnt/ring", "triggered: process")?;
    guest.check_within(produce, 60)?;
    // Three or four more.
    let with_pinned = segments(guest)?;
    ensure!((8..=13).contains(&with_pinned), "{with_pinned} segments");
    let text = guest.check_within(
        "kill -TERM $(cat /tmp/recorder); until test -s /tmp/status; do sleep 1; done; cat /tmp/said /tmp/status",
        60,
    )?;
    ensure!(
        text.contains("status 0")
            && totals(&text).contains("\"suspect\":0,\"gap\":0")
            && !totals(&text).contains("\"discarded\":0,"),
        "{text}"
    );
    let shown = guest.check("resdump show /mnt/ring")?;
    ensure!(
        shown.matches(" discarded").count() == 2 && shown.matches(" trigger").count() == 1,
        "{shown}"
    );
    guest.check("resdump verify /mnt/ring")?;
    let checked = no_word_is_wrong(guest, "/mnt/ring")?;
    ensure!(checked.contains(" suspect 0 lost 0"), "{checked}");
    guest
        .check("resdump convert /mnt/ring /mnt/raw --to raw --quiet && rm -r /mnt/ring /mnt/raw")?;
    Ok(())
}
