// SPDX-License-Identifier: MIT
//! Instructions from power-on to the shell's prompt, and to the end of the first dump.

use anyhow::{Context, Result};
use serde::Serialize;

use machine::guest::Guest;

/// More of the kernel command line: the first shell notes the time, dumps, and notes it again.
pub const COMMAND_LINE: &str = "ENV=/usr/bin/boot-clock.sh";

/// Guest instructions.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Boot {
    /// To the prompt, less what the processor waited, which is known to 10 ms: 10 million.
    pub prompt: u64,
    /// From there to the end of a dump of the region to a raw disk by the kernel engine.
    pub dump: u64,
}

/// Reads what the first shell has noted.
pub fn boot(guest: &mut Guest, _size: u64) -> Result<Boot> {
    let said = guest.check("cat /tmp/clock.prompt /tmp/clock.dump")?;
    let number = |name: &str| -> Result<u64> {
        said.split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.parse().ok())
            .with_context(|| format!("the probe said {said:?}"))
    };
    Ok(Boot {
        prompt: number("elapsed=")? - number("idle=")?,
        dump: number("instructions=")?,
    })
}
