// SPDX-License-Identifier: MIT
//! Signals to a dump in the middle.
//!
//! | signal | outcome |
//! |---|---|
//! | SIGHUP, SIGTERM | status 9; the prefix that is reported is on the target and durable |
//! | SIGKILL | the manifest says incomplete |
//! | SIGSTOP, SIGCONT | it is complete |
//!
//! SIGINT is in `cut.rs`, typed on the console: a shell that starts a job in the background of a script lets it
//! ignore that signal, and an inherited ignore stays.
//!
//! After the first three `--resume` completes it. What a call of the module answers to a signal is
//! in `signals.rs`.

use anyhow::{Result, ensure};

use super::dump::{Dump, SIZE, Target, ended};
use super::room::prefix;
use crate::frame::{Case, Running};

pub fn cases() -> Vec<Case> {
    let disk = [Target::Disk];
    [
        each!(&disk, sighup_to_a_dump_to, |bed, dump| {
            asked(bed, dump, "HUP")
        }),
        each!(&disk, sigterm_to_a_dump_to, |bed, dump| {
            asked(bed, dump, "TERM")
        }),
        each!(&disk, sigkill_to_a_dump_to, killed),
        each!(&disk, sigstop_and_sigcont_to_a_dump_to, suspended),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn asked(bed: &mut Running, dump: Dump, signal: &str) -> Result<()> {
    let output = dump.afresh(bed, |bed| {
        dump.begin(bed, "")?;
        bed.check(&format!("kill -{signal} $dump"))?;
        dump.end(bed)
    })?;
    ended(
        dump,
        &output,
        9,
        "dump incomplete: TARGET: EINTR (4): stopped by a signal; ",
    )?;
    let reported = prefix(&output.text)?;
    ensure!(0 < reported && reported < SIZE, "{reported} bytes");
    dump.holds(bed, reported)?;
    let manifest = dump.manifest(bed)?;
    ensure!(
        manifest["complete"] == false && manifest["bytes"] == reported,
        "{manifest}"
    );
    dump.resumes(bed)?;
    dump.holds(bed, SIZE)
}

fn killed(bed: &mut Running, dump: Dump) -> Result<()> {
    let output = dump.afresh(bed, |bed| {
        dump.begin(bed, "")?;
        bed.check("kill -KILL $dump")?;
        dump.end(bed)
    })?;
    ensure!(output.status == 128 + 9, "{output:?}");
    let manifest = dump.manifest(bed)?;
    ensure!(
        manifest["complete"] == false && manifest["bytes"] == 0,
        "{manifest}"
    );
    dump.resumes(bed)?;
    dump.holds(bed, SIZE)
}

fn suspended(bed: &mut Running, dump: Dump) -> Result<()> {
    dump.afresh(bed, |bed| {
        dump.begin(bed, "")?;
        bed.check("kill -STOP $dump")?;
        // Requests in flight are waited for before it stops.
        dump.release(bed)?;
        bed.check("until grep -q State:.T /proc/$dump/status; do :; done; kill -CONT $dump")?;
        let output = dump.end(bed)?;
        ensure!(output.status == 0, "{output:?}");
        Ok(())
    })?;
    dump.holds(bed, SIZE)
}
