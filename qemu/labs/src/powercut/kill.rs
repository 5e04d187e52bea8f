// SPDX-License-Identifier: MIT
//! A dump whose machine is killed while it runs.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use super::lab::{Base, Lab};
use super::log::{Log, Tick};
use super::plan::Plan;
use super::recorder::Recorder;
use super::state::{self, Cut, Fate};
use machine::guest::Guest;

/// What a dump has said before the cut, and what holds therefore whatever the disks look like after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// It ended well.
    pub complete: bool,
    /// So many bytes are durable.
    pub bytes: u64,
}

/// A dump that was cut short, or ended before.
pub struct Killed {
    /// What was to be done.
    pub plan: Plan,
    /// Manifest of the old dump that was there at first.
    pub old: Option<String>,
    /// What was done to the disks.
    pub log: Log,
    /// When the dump began.
    pub armed: Tick,
    /// What it said.
    pub promise: Promise,
}

impl Killed {
    /// The disks as they may look after a cut: that of the file system, the raw one.
    pub fn disks(&self, cut: &Cut) -> (Vec<Vec<u8>>, Fate) {
        let unit = self.plan.variant.file_system.unit();
        state::disks(&self.log, cut, &[unit, 512])
    }

    /// What must hold after a cut at that moment. What was said is known at the end only.
    pub fn promise(&self, cut: &Cut) -> Promise {
        if cut.moment == self.log.now() {
            self.promise
        } else {
            Promise::default()
        }
    }

    /// What the next dump begins on, if this one is to be resumed.
    pub fn left(&self, cut: &Cut) -> Base {
        Base {
            disks: self.disks(cut).0.into_iter().map(Arc::new).collect(),
            old: self.old.clone(),
        }
    }
}

/// Boots a machine, begins the dump, and kills the machine when it is time.
pub fn kill(lab: &Lab<'_>, plan: &Plan, base: Base) -> Result<Killed> {
    let recorder = Recorder::start(base.disks, plan.seed)?;
    let mut disks = recorder.disks();
    if let Some(rate) = plan.rate {
        disks = disks.into_iter().map(|it| it.throttled(rate)).collect();
    }
    let mut guest = lab.start("kill", disks)?;
    let (armed, promise) = match dump(&mut guest, &recorder, plan) {
        Ok(dumped) => dumped,
        Err(error) => bail!("{error:#}\n{}", guest.report()),
    };
    guest.kill()?;
    Ok(Killed {
        plan: *plan,
        old: base.old,
        log: recorder.finish(),
        armed,
        promise,
    })
}

/// Dumps until the power goes, or the dump ends.
fn dump(guest: &mut Guest, recorder: &Recorder, plan: &Plan) -> Result<(Tick, Promise)> {
    let cache = guest.check("cat /sys/block/vd[ab]/queue/write_cache")?;
    ensure!(
        cache == "write back\nwrite back\n",
        "without a cache nothing is lost: {cache:?}"
    );
    let armed = recorder.arm(plan.instant, guest.plug());
    let ended = guest
        .start(&format!(
            "mount -t ext4 /dev/vda /mnt && {}",
            plan.command()
        ))
        .and_then(|()| guest.finish(120));
    let complete = match ended {
        Ok(output) => {
            ensure!(output.status == 0, "the dump ended early: {output:?}");
            recorder.cut();
            true
        }
        Err(_) if recorder.is_cut() => false,
        Err(error) => return Err(error),
    };
    Ok((
        armed,
        Promise {
            complete,
            bytes: checkpoint(&guest.console().transcript())?,
        },
    ))
}

/// Bytes of the last checkpoint that a console reports.
pub(crate) fn checkpoint(console: &str) -> Result<u64> {
    let Some((before, _)) = console.rsplit_once(" bytes are durable") else {
        return Ok(0);
    };
    let number = before.rsplit_once("checkpoint: ").map(|(_, number)| number);
    number
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("a checkpoint of how much? {before}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_checkpoint_counts() {
        let console = "[INFO] checkpoint: 4096 bytes are durable\n\
                       [INFO] checkpoint: 8192 bytes are durable\n[INFO] checkpoint: 123";
        assert_eq!(checkpoint(console).unwrap(), 8192);
        assert_eq!(checkpoint("resdump:/root# ").unwrap(), 0);
        assert!(checkpoint("checkpoint: all bytes are durable").is_err());
    }
}
