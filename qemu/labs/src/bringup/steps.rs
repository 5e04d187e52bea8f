// SPDX-License-Identifier: MIT
//! What works, whether a dump is what is in memory, and how fast it is.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{NO_DISK, Outcome, Session};
use machine::detectors::TAINT_OUT_OF_TREE;

/// The region's label in the emulator.
pub const REGION: &str = "capture";
/// Ways of `resdump bench` that need the module's engine; the others are what a program can do.
const OURS: [&str; 1] = ["kernel"];

/// `resdump doctor`: nothing that a dump needs is marked as wrong.
pub fn doctor(session: &mut Session<'_>) -> Result<Outcome> {
    let command = format!(
        "resdump doctor {} --target {}",
        session.region,
        session.place.folder()
    );
    let said = session.json(&command)?;
    let checks = said["checks"].as_array().context("no checks")?;
    let wrong: Vec<String> = checks
        .iter()
        .filter(|check| check["ok"] != true && check["needed"] == true)
        .map(|check| format!("{}: {}", check["check"], check["detail"]))
        .collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    let auto = said["auto"].as_str().context("no engine works")?;
    Ok(Outcome::passed(&format!("a dump takes the engine {auto}")).with(said.clone()))
}

/// A dump of the whole region, read back and compared.
pub fn dump(session: &mut Session<'_>) -> Result<Outcome> {
    let target = format!("{}/bring-up.raw", session.place.folder());
    let dump = format!(
        "resdump dump {} {target} --verify --force --quiet",
        session.region
    );
    let said = session.json(&dump)?;
    ensure!(
        said["complete"] == true && said["verified"] == true,
        "{said}"
    );
    let guest = session.guest()?;
    guest.check(&format!("rm {target} {target}.json"))?;
    guest.check_health(TAINT_OUT_OF_TREE)?;
    let (bytes, copied) = (&said["bytes"], &said["copied"]);
    let line = format!("{bytes} bytes, {copied} of them copied, read back and the same");
    Ok(Outcome::passed(&line).with(figures(&said)))
}

fn figures(said: &Value) -> Value {
    let names = [
        "bytes",
        "direct",
        "copied",
        "engine",
        "mb_per_s",
        "seconds",
        "cpu_seconds",
    ];
    names
        .iter()
        .map(|name| ((*name).to_owned(), said[*name].clone()))
        .collect()
}

/// `resdump bench` on the disk: the module's engine, and the best that a program can do.
pub fn throughput(session: &mut Session<'_>) -> Result<Outcome> {
    let Some(disk) = session.place.disk() else {
        return Ok(Outcome::not_shown(NO_DISK));
    };
    let said = session.json(&format!(
        "resdump bench {disk} --length 32M --rounds 3 --force --quiet"
    ))?;
    let ways = said["ways"].as_array().context("no ways")?;
    let rate = |way: &Value| way["mb_per_s"]["median"].as_f64();
    let ours = |way: &&Value| OURS.iter().any(|name| way["way"] == *name);
    let best = |ways: &mut dyn Iterator<Item = &Value>| {
        ways.filter_map(|way| Some((rate(way)?, way["way"].as_str()?.to_owned())))
            .max_by(|one, other| one.0.total_cmp(&other.0))
    };
    let engine = best(&mut ways.iter().filter(ours)).context("the engine was not measured")?;
    let program =
        best(&mut ways.iter().filter(|way| !ours(way))).context("nothing to compare with")?;
    let line = format!(
        "engine {:.1} MB/s, the best of a program ({}) {:.1} MB/s: {:.2} x",
        engine.0,
        program.1,
        program.0,
        engine.0 / program.0
    );
    session.guest()?.check_health(TAINT_OUT_OF_TREE)?;
    Ok(Outcome::passed(&line)
        .with(json!({ "ways": said["ways"], "refused": said["refused"], "queue": said["queue"] })))
}
