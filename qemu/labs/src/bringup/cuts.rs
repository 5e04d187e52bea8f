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
use host::deadline::seconds;
use machine::guest::Guest;

/// A piece that is compared.
const PIECE: u64 = 1 << 20;
/// Bytes of a dump by which the disk's rate is found, and of the longest.
const LEAST: u64 = 24 << 20;
const MOST: u64 = 256 << 20;
/// Seconds that a dump shall take: with a checkpoint a second, some cuts come after one.
const SECONDS: f64 = 5.0;
/// Most checkpoints that a cut waits for.
const CHECKPOINTS: usize = 3;
/// The final line of a dump that is durable.
const END: &str = ", synced";

/// A dump that is complete: its manifest, and the digests of its pieces.
struct Old {
    manifest: String,
    pieces: Vec<String>,
}

/// Where dumps go to, and how long they are.
struct Dump {
    region: String,
    target: String,
    bytes: u64,
    seconds: f64,
}

impl Dump {
    fn command(&self) -> String {
        let (region, target, bytes) = (&self.region, &self.target, self.bytes);
        // A checkpoint is made when nothing is in flight: after each MiB there is a moment for one.
        format!(
            "resdump -v dump {region} {target} --length {bytes} --checkpoint 1 --chunk 256K --depth 4"
        )
    }

    /// Finds the length that takes long enough, as far as the region has it.
    fn measured(session: &mut Session<'_>) -> Result<Self> {
        let listed = session.json("resdump list")?;
        let size = listed["regions"][0]["size"].as_u64().context("no size")? & !(PIECE - 1);
        ensure!(size >= PIECE, "the region has less than {PIECE} bytes");
        let mut dump = Self {
            region: session.region.clone(),
            target: format!("{}/cut.raw", session.place.folder()),
            bytes: LEAST.min(size),
            seconds: 0.0,
        };
        dump.whole(session)?;
        let times = (SECONDS / dump.seconds).max(1.0);
        let wanted = (dump.bytes as f64 * times) as u64;
        dump.bytes = wanted.min(MOST).min(size) & !(PIECE - 1);
        Ok(dump)
    }

    /// Leaves a complete dump of what is in the region now.
    fn whole(&mut self, session: &mut Session<'_>) -> Result<()> {
        let said = session.json(&format!("{} --force --quiet", self.command()))?;
        self.seconds = said["seconds"].as_f64().context("no seconds")?;
        Ok(())
    }

    fn old(&mut self, session: &mut Session<'_>) -> Result<Old> {
        self.whole(session)?;
        let guest = session.guest()?;
        Ok(Old {
            manifest: guest.check(&format!("cat {}.json", self.target))?,
            pieces: pieces(guest, &self.target, self.bytes)?,
        })
    }
}

/// How many checkpoints a cut waits for before its moment is drawn; none is as soon as the dump says anything. The last
/// comes after the dump's end. All of them come, one after the other, whatever is drawn.
fn waits_for(number: usize) -> usize {
    (number - 1) % (CHECKPOINTS + 2)
}

/// Takes the power away `count` times.
pub fn cuts(session: &mut Session<'_>, count: usize, mut rng: Rng) -> Result<Outcome> {
    if count == 0 {
        return Ok(Outcome::not_shown("no cut was asked for"));
    }
    let mut dump = Dump::measured(session)?;
    let mut old = dump.old(session)?;
    let seconds = dump.seconds;
    let mut found: BTreeMap<Found, usize> = BTreeMap::new();
    let mut within = 0;
    for number in 1..=count {
        let region = format!("/dev/resmem/{}", dump.region);
        let pieces = pieces(session.guest()?, &region, dump.bytes)?;
        let checkpoints = waits_for(number);
        // Less than from one checkpoint to the next, or to the end.
        let moment = rng.f64() * seconds.min(0.9);
        let said = cut_within(session, &dump, checkpoints, moment)?;
        let promise = Promise {
            complete: said.iter().any(|line| line.contains(END)),
            bytes: checkpoint(&said.join("\n"))?,
        };
        within += usize::from(!promise.complete && promise.bytes > 0);
        let what = look(session, &dump, promise, &pieces, &old).with_context(|| {
            format!("cut {number}, {moment:.2} s after {checkpoints} checkpoints, {promise:?}")
        })?;
        *found.entry(what).or_default() += 1;
        println!("    cut {number}: {moment:.2} s after {checkpoints} checkpoints: {what:?}");
        old = dump.old(session)?;
    }
    let guest = session.guest()?;
    guest.check(&format!("rm {0} {0}.json", dump.target))?;
    let counted: Vec<String> = found
        .iter()
        .map(|(what, count)| format!("{count} {what:?}").to_lowercase())
        .collect();
    let line = format!(
        "{count} cuts within dumps of {seconds:.1} s, {within} of them after a checkpoint; found {}",
        counted.join(", ")
    );
    let mut figures: serde_json::Map<String, Value> = found
        .iter()
        .map(|(what, count)| (format!("{what:?}").to_lowercase(), json!(count)))
        .collect();
    figures.insert("after_checkpoint".to_owned(), json!(within));
    Ok(Outcome::passed(&line).with(Value::Object(figures)))
}

/// Starts a dump over the old one, and takes the power away `moment` seconds after so many checkpoints, or after its
/// end, if that comes first. What it said until then.
fn cut_within(
    session: &mut Session<'_>,
    dump: &Dump,
    checkpoints: usize,
    moment: f64,
) -> Result<Vec<String>> {
    let guest = session.guest()?;
    let running = guest.start_in_background(&format!("{} --force", dump.command()))?;
    running.wait_until(guest.console(), seconds(600), |said| {
        let durable = |line: &&String| line.contains("bytes are durable");
        let ended = said.iter().any(|line| line.starts_with("ended "));
        ended || (!said.is_empty() && said.iter().filter(durable).count() >= checkpoints)
    })?;
    // The moment is drawn: there is no event to wait for.
    thread::sleep(Duration::from_secs_f64(moment));
    let said = running.said(guest.console());
    session.cut()?;
    if let Some(status) = said.iter().find_map(|line| line.strip_prefix("ended ")) {
        ensure!(status == "0", "a dump that was not cut: {said:?}");
    }
    Ok(said)
}

/// Digests of whole pieces.
fn pieces(guest: &mut Guest, path: &str, bytes: u64) -> Result<Vec<String>> {
    let count = bytes / PIECE;
    if count == 0 {
        return Ok(Vec::new());
    }
    let text = guest.check_within(
        &format!(
            "for i in $(seq 0 {}); do dd if={path} bs={PIECE} skip=$i count=1 2>/tmp/dd.said | sha256sum; \
             grep -q '^{PIECE} bytes' /tmp/dd.said || {{ echo \"piece $i:\"; cat /tmp/dd.said; break; }}; done",
            count - 1
        ),
        600,
    )?;
    let pieces: Vec<String> = text.lines().map(str::to_owned).collect();
    ensure!(
        pieces.len() as u64 == count && pieces.iter().all(|piece| piece.len() > 64),
        "digests of {count} pieces of {path}: {text}"
    );
    Ok(pieces)
}

/// What the next start finds.
fn look(
    session: &mut Session<'_>,
    dump: &Dump,
    promise: Promise,
    pieces_then: &[String],
    old: &Old,
) -> Result<Found> {
    let target = &dump.target;
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
                pieces(guest, target, dump.bytes)? == old.pieces,
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
    let output = guest.run_within(&format!("{} --resume --quiet", dump.command()), 600)?;
    ensure!(matches!(output.status, 0 | 12), "{output:?}");
    if output.status == 12 {
        let region = format!("/dev/resmem/{}", session.region);
        ensure!(
            pieces(session.guest()?, &region, dump.bytes)? != pieces_then,
            "the region is as it was, and the dump is not resumed: {output:?}"
        );
        return Ok(found);
    }
    if found != Found::Old {
        session.guest()?.check_within(&against, 600)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_cuts_fall_before_the_first_checkpoint_after_each_and_after_the_end() {
        let all: Vec<usize> = (1..=6).map(waits_for).collect();
        assert_eq!(all, [0, 1, 2, 3, 4, 0]);
    }
}
