// SPDX-License-Identifier: MIT

//! Waiting for a trigger while the device writes: nothing is written to the disk.

use std::time::Duration;

use super::{
    Feed, Limits, Refusal,
    limits::{NO_CONSUMER, NO_POSITION, NO_WAIT},
};
use crate::{
    error::errno_of,
    signals::{Stop, Trigger},
};

/// Longest time between two looks: a signal between a look and a wait is seen then.
const LONGEST: Duration = Duration::from_secs(1);

/// What a recorder waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A trigger; of the device itself also where that was.
    Trigger(Option<u64>),
    /// The end.
    Stop,
}

/// Follows the device until a trigger comes, or `stop`. Meanwhile the device may write over all but the last bytes, those
/// that belong to the recording. The position is read at least as often as the limits say.
pub fn armed(
    feed: &mut dyn Feed,
    limits: &Limits,
    stop: &Stop,
    trigger: &Trigger,
) -> Result<Call, Refusal> {
    let longest = limits.patience.map_or(LONGEST, |time| time / 2);
    let longest = longest.clamp(Duration::from_millis(1), LONGEST);
    loop {
        let sample = feed
            .position()
            .map_err(|errno| Refusal::System(NO_POSITION, errno))?;
        if stop.requested() {
            return Ok(Call::Stop);
        }
        if let Some(position) = feed.triggered() {
            return Ok(Call::Trigger(Some(position)));
        }
        if trigger.take() {
            return Ok(Call::Trigger(None));
        }
        feed.consumed(sample.bytes.saturating_sub(limits.history))
            .map_err(|errno| Refusal::System(NO_CONSUMER, errno))?;
        feed.wait(None, longest)
            .map_err(|error| Refusal::System(NO_WAIT, errno_of(&error)))?;
    }
}
