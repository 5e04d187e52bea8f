// SPDX-License-Identifier: MIT
//! Dumps during which the power goes, and what the next start finds: what the manifest promises is there, and the dump
//! can be brought to its end. The region may have lost its content with the power, so the bytes are compared with
//! digests that were taken before.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use serde_json::{Value, json};

use super::{Outcome, Session};
use crate::powercut::{ERRORS, Found, Promise, checkpoint};
use machine::guest::Guest;

/// Bytes of a dump, and of a piece that is compared.
const LENGTH: u64 = 24 << 20;
const PIECE: u64 = 1 << 20;
/// The final line of a dump that is durable.
const END: &str = ", synced";

/// A dump that is complete: its manifest, and the digests of its pieces.
struct Old {
    manifest: String,
    pieces: Vec<String>,
}

/// Takes the power away `count` times.
pub fn cuts(session: &mut Session<'_>, count: usize, mut rng: Rng) -> Result<Outcome> {
    if count == 0 {
        return Ok(Outcome::not_shown("no cut was asked for"));
    }
    let target = format!("{}/cut.raw", session.place.folder());
    let dump = format!(
        "resdump -v dump {} {target} --length {LENGTH} --checkpoint 1",
        session.region
    );
    let mut old = complete(session, &dump, &target)?;
    let seconds = old.1;
    let mut found: BTreeMap<Found, usize> = BTreeMap::new();
    for number in 1..=count {
        let region = format!("/dev/resmem/{}", session.region);
        let pieces = pieces(session.guest()?, &region, LENGTH)?;
        // A quarter more than it takes, so that some cuts come after its end.
        let moment = seconds * rng.f64() * 1.25;
        session.guest()?.start(&format!("{dump} --force"))?;
        // The moment is drawn: there is no event to wait for.
        thread::sleep(Duration::from_secs_f64(moment));
        let said = session.cut()?;
        let (_, said) = said
            .rsplit_once("<<BEGIN-")
            .context("the dump was not typed")?;
        let promise = Promise {
            complete: said.contains(END),
            bytes: checkpoint(said)?,
        };
        let what = look(session, &target, &dump, promise, &pieces, &old.0)
            .with_context(|| format!("cut {number}, {moment:.2} s into a dump, {promise:?}"))?;
        *found.entry(what).or_default() += 1;
        old = complete(session, &dump, &target)?;
    }
    let guest = session.guest()?;
    guest.check(&format!("rm {target} {target}.json"))?;
    let counted: Vec<String> = found
        .iter()
        .map(|(what, count)| format!("{count} {what:?}").to_lowercase())
        .collect();
    let line = format!(
        "{count} cuts within {seconds:.1} s dumps; found {}",
        counted.join(", ")
    );
    let figures = found
        .iter()
        .map(|(what, count)| (format!("{what:?}").to_lowercase(), json!(count)));
    Ok(Outcome::passed(&line).with(Value::Object(figures.collect())))
}

/// Leaves a complete dump of what is in the region now, and returns what it is and its seconds.
fn complete(session: &mut Session<'_>, dump: &str, target: &str) -> Result<(Old, f64)> {
    let said = session.json(&format!("{dump} --force --quiet"))?;
    let seconds = said["seconds"].as_f64().context("no seconds")?;
    let guest = session.guest()?;
    Ok((
        Old {
            manifest: guest.check(&format!("cat {target}.json"))?,
            pieces: pieces(guest, target, LENGTH)?,
        },
        seconds,
    ))
}

/// Digests of whole pieces.
fn pieces(guest: &mut Guest, path: &str, bytes: u64) -> Result<Vec<String>> {
    let count = bytes / PIECE;
    if count == 0 {
        return Ok(Vec::new());
    }
    let text = guest.check_within(
        &format!(
            "for i in $(seq 0 {}); do dd if={path} bs={PIECE} skip=$i count=1 2>/dev/null | sha256sum; done",
            count - 1
        ),
        600,
    )?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// What the next start finds.
fn look(
    session: &mut Session<'_>,
    target: &str,
    dump: &str,
    promise: Promise,
    pieces_then: &[String],
    old: &Old,
) -> Result<Found> {
    let against = format!("resdump verify {target} --against {}", session.region);
    let guest = session.guest()?;
    let said = guest.check(&format!("dmesg | grep -E '{ERRORS}' || true"))?;
    ensure!(said.is_empty(), "the kernel says: {said}");
    let broken = |why: &str| format!("{why}, after {promise:?} was said");
    let manifest = match guest.run(&format!("test -e {target}.json"))?.status {
        0 => Some(guest.check(&format!("cat {target}.json"))?),
        _ => None,
    };
    let found = match manifest {
        None => {
            ensure!(
                promise == Promise::default(),
                broken("there is no manifest")
            );
            Found::Restarted
        }
        Some(text) if text == old.manifest => {
            ensure!(
                promise == Promise::default(),
                broken("the old manifest is there")
            );
            ensure!(
                pieces(guest, target, LENGTH)? == old.pieces,
                "the old dump has changed"
            );
            Found::Old
        }
        Some(text) => {
            let manifest: Value =
                serde_json::from_str(&text).with_context(|| format!("a manifest: {text:?}"))?;
            let bytes = manifest["bytes"].as_u64().context("no bytes")?;
            let is_complete = manifest["complete"] == true;
            ensure!(
                bytes >= promise.bytes,
                broken(&format!("{bytes} bytes are promised"))
            );
            ensure!(
                is_complete || !promise.complete,
                broken("it is not complete")
            );
            let here = pieces(guest, target, bytes)?;
            ensure!(
                here[..] == pieces_then[..here.len()],
                "of the {bytes} bytes that the manifest promises some differ from what was in memory"
            );
            let status = guest.run(&format!("resdump verify {target}"))?.status;
            let expected = if is_complete { 0 } else { 13 };
            ensure!(status == expected, "resdump verify ended with {status}");
            match (is_complete, bytes) {
                (true, _) => Found::Complete,
                (false, 0) => Found::Restarted,
                (false, _) => Found::Resumed,
            }
        }
    };
    // Either the rest is written, or the region has changed with the power, which is said.
    let output = guest.run_within(&format!("{dump} --resume --quiet"), 600)?;
    ensure!(matches!(output.status, 0 | 12), "{output:?}");
    if output.status == 12 {
        let region = format!("/dev/resmem/{}", session.region);
        ensure!(
            pieces(session.guest()?, &region, LENGTH)? != pieces_then,
            "the region is as it was, and the dump is not resumed: {output:?}"
        );
        return Ok(found);
    }
    if found != Found::Old {
        session.guest()?.check_within(&against, 600)?;
    }
    Ok(found)
}
