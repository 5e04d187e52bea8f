// SPDX-License-Identifier: MIT
//! Milliseconds of a slow processor, from counts.

/// Cycles that an instruction takes on average: an assumption, for caches that are cold after a program's start.
const CYCLES: f64 = 2.0;
/// Cycles a second of a 440 at 400 MHz.
const FREQUENCY: f64 = 400e6;

/// Milliseconds for so many instructions.
pub fn milliseconds(instructions: f64) -> f64 {
    instructions * CYCLES / FREQUENCY * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_thousand_instructions_take_a_millisecond() {
        assert!((milliseconds(200_000.0) - 1.0).abs() < 1e-9);
    }
}
