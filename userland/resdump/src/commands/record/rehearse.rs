// SPDX-License-Identifier: MIT

//! `record --rehearse`: the recorder as it is, with a device that is played, into a folder that is removed.

use std::time::Duration;

use nix::errno::Errno;
use resmem::abi::RingPosition;

use super::{Job, limits, report};
use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
    recorder::{self, Limits, Live, Played},
};

/// Without another: longer than the caches of most disks hold at the rate of a fast device.
const DURATION: Duration = Duration::from_secs(30);

/// Status 0: the disk holds the rate. 14: bytes would be lost.
pub(super) fn run(job: &Job<'_>, live: &mut Live, rate: u64) -> Result<ExitCode> {
    let folder = &job.args.folder;
    let scratch = limits::scratch(folder)?;
    let taken = recorder::take(scratch.path()).map_err(|refusal| job.refused(&refusal))?;
    // The segment that is prepared ahead takes room as well.
    let room = limits::available(folder)?.saturating_sub(job.limits.keep_free) / 2;
    let room = (room - room % job.limits.block).max(job.limits.segment);
    let limits = Limits {
        duration: job.limits.duration.or(Some(DURATION)),
        max_size: Some(job.limits.max_size.map_or(room, |most| most.min(room))),
        ..job.limits
    };
    let (outcome, time) = job.run(&mut Played::new(live, Some(rate)), &taken, &limits)?;
    report::tell_rehearsed(job, &outcome, time, rate)
}

/// The rate to rehearse: `asked` for, or where that is 0 what the node declares.
pub(super) fn rate(asked: u64, declared: &RingPosition) -> Result<u64> {
    match (asked, declared.max_rate) {
        (rate @ 1.., _) | (_, rate @ 1..) => Ok(rate),
        _ => Err(Error::new(
            ExitCode::Usage,
            "cannot be recorded",
            "--rehearse",
            Errno::EINVAL,
            "the node has no resdump,max-rate: say how many bytes a second, as --rehearse=40M",
        )),
    }
}
