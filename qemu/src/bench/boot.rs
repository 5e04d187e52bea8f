// SPDX-License-Identifier: MIT
//! Instructions from power-on to the shell's prompt, and to the end of the first dump.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::guest::Guest;

/// More of the kernel command line: the first shell notes the time, dumps, and notes it again.
pub const COMMAND_LINE: &str = "ENV=/usr/bin/boot-clock.sh";

/// Guest instructions, those of waiting not counted.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Boot {
    /// To the prompt.
    pub prompt: u64,
    /// To the end of a dump of the region to a raw disk by the kernel engine.
    pub dump: u64,
}

/// Reads what the first shell has noted.
pub fn boot(guest: &mut Guest, _size: u64) -> Result<Boot> {
    let mut at = |file: &str| -> Result<u64> {
        let said = guest.check(&format!("cat /tmp/clock.{file}"))?;
        let number = |name: &str| -> Result<u64> {
            said.split_whitespace()
                .find_map(|word| word.strip_prefix(name)?.parse().ok())
                .with_context(|| format!("the probe said {said:?}"))
        };
        Ok(number("elapsed=")? - number("idle=")?)
    };
    Ok(Boot {
        prompt: at("prompt")?,
        dump: at("dump")?,
    })
}
