// SPDX-License-Identifier: MIT
//! A command that runs in the background while its lines are read: over a serial line that may damage them, and until
//! the power goes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

use crate::console::Console;
use crate::guest::Guest;

/// Digits of a line's sum.
const SUM: usize = 16;

/// A command in the background, by where its lines begin on the console.
pub struct Background {
    from: usize,
}

impl Guest {
    /// Starts a command in the background. Each of its lines comes over the console as it is printed, with a sum; the
    /// last, `ended N`, has its exit status, and comes three times.
    pub fn start_in_background(&mut self, command: &str) -> Result<Background> {
        let from = self.console().position();
        self.check(&format!(
            "{{ {{ {command}; }} 2>&1; status=$?; for i in 1 2 3; do echo ended $status; done; }} | while read -r line; do \
             echo \"<<$(printf %s \"$line\" | sha256sum | cut -c 1-{SUM}) $line>>\"; done >/dev/console 2>&1 &"
        ))?;
        Ok(Background { from })
    }
}

impl Background {
    /// The lines that have come undamaged.
    pub fn said(&self, console: &Console) -> Vec<String> {
        let text = console.after(self.from, Duration::ZERO);
        let text = String::from_utf8_lossy(&text);
        text.lines().filter_map(undamaged).collect()
    }

    /// Waits until what has come is enough, for `limit` at most.
    pub fn wait_until(
        &self,
        console: &Console,
        limit: Duration,
        enough: impl Fn(&[String]) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let position = console.position();
            let said = self.said(console);
            if enough(&said) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || console.after(position, left).is_empty() {
                bail!(
                    "the command in the background did not say it within {limit:?}, or the line is closed; it said \
                     {said:?}"
                );
            }
        }
    }
}

/// What a line says, if its sum is right.
fn undamaged(line: &str) -> Option<String> {
    let rest = line.trim_end_matches('\r').strip_suffix(">>")?;
    let (_, rest) = rest.rsplit_once("<<")?;
    let (sum, text) = rest.split_once(' ')?;
    let digest = Sha256::digest(text.as_bytes());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    (sum == &digits[..SUM]).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_wrong_sum_is_left_out() {
        let sum = "2c26b46b68ffc68f";
        assert_eq!(
            undamaged(&format!("# <<{sum} foo>>\r")),
            Some("foo".to_owned())
        );
        assert_eq!(undamaged(&format!("<<{sum} fop>>")), None);
        assert_eq!(undamaged(&format!("<<{sum} foo>")), None);
        assert_eq!(undamaged("<<>>"), None);
    }
}
