// SPDX-License-Identifier: MIT

//! Waiting for a trigger while the device writes: nothing is written to the disk.

use std::time::Duration;

use super::{Feed, Refusal};
use crate::{
    error::errno_of,
    signals::{Stop, Trigger},
};

/// Longest time between two looks: a signal between a look and a wait is seen then.
const LONGEST: Duration = Duration::from_secs(1);

/// Follows the device until a trigger comes, or `stop`; whether it was the trigger. With `patience` the position is
/// read at least so often.
pub fn armed(
    feed: &mut dyn Feed,
    patience: Option<Duration>,
    stop: &Stop,
    trigger: &Trigger,
) -> Result<bool, Refusal> {
    let longest = patience.map_or(LONGEST, |time| time / 2);
    let longest = longest.clamp(Duration::from_millis(1), LONGEST);
    loop {
        feed.position()
            .map_err(|errno| Refusal::System("cannot read the position", errno))?;
        if stop.requested() {
            return Ok(false);
        }
        if trigger.take() {
            return Ok(true);
        }
        feed.wait(None, longest)
            .map_err(|error| Refusal::System("cannot wait", errno_of(&error)))?;
    }
}
