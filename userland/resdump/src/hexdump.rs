// SPDX-License-Identifier: MIT

//! Bytes as text: offset, bytes in hexadecimal, the same bytes as ASCII.

#![forbid(unsafe_code)]

use std::{
    fmt::Write,
    io::{self, IsTerminal},
};

use terminal_size::{Width, terminal_size_of};

/// Bytes a line, where there is room.
pub const WIDE: usize = 32;

/// Bytes a line on a terminal that is narrower than [`WIDE_COLUMNS`], or does not tell its width, as
/// serial lines do not: 64 columns.
pub const NARROW: usize = 16;

/// Columns of a line of [`WIDE`] bytes.
const WIDE_COLUMNS: u16 = 113;

/// Bytes a line for what is printed to standard output.
pub fn bytes_a_line() -> usize {
    let output = io::stdout();
    if output.is_terminal() {
        for_terminal(terminal_size_of(output).map(|(Width(columns), _)| columns))
    } else {
        WIDE
    }
}

fn for_terminal(columns: Option<u16>) -> usize {
    match columns {
        Some(WIDE_COLUMNS..) => WIDE,
        _ => NARROW,
    }
}

/// Appends one line for at most `most` bytes that start at `address`. The columns do not move for a
/// short line.
pub fn line(out: &mut String, address: u64, bytes: &[u8], most: usize) {
    // Writing to a string does not fail.
    let _ = write!(out, "{address:010x} ");
    for index in 0..most {
        if index % 8 == 0 {
            out.push(' ');
        }
        let _ = match bytes.get(index) {
            Some(byte) => write!(out, "{byte:02x}"),
            None => write!(out, "  "),
        };
    }
    out.push_str("  ");
    out.extend(bytes.iter().map(|&byte| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }));
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_line() {
        let bytes: Vec<u8> = (0x30..0x50).collect();
        let mut out = String::new();
        line(&mut out, 0xf_c000_0000, &bytes, WIDE);
        assert_eq!(
            out,
            "0fc0000000  3031323334353637 38393a3b3c3d3e3f 4041424344454647 48494a4b4c4d4e4f  \
             0123456789:;<=>?@ABCDEFGHIJKLMNO\n"
        );
        assert_eq!(out.trim_end().len(), usize::from(WIDE_COLUMNS));
    }

    #[test]
    fn a_narrow_line_fits_80_columns_also_at_the_end_of_memory() {
        let mut out = String::new();
        line(&mut out, u64::MAX - 15, &[b'~'; NARROW], NARROW);
        assert!(out.trim_end().len() < 80, "{out}");
    }

    #[test]
    fn a_short_line_keeps_the_columns() {
        for most in [NARROW, WIDE] {
            let mut out = String::new();
            line(&mut out, 0, &[0, 0xff, b'~'], most);
            let (short, mut full) = (out.clone(), String::new());
            line(&mut full, 0, &vec![b'.'; most], most);
            assert_eq!(short.find("..~"), full.find("...."));
        }
    }

    #[test]
    fn a_terminal_that_is_narrow_or_silent_gets_short_lines() {
        for (columns, bytes) in [
            (None, NARROW),
            (Some(80), NARROW),
            (Some(112), NARROW),
            (Some(113), WIDE),
            (Some(200), WIDE),
        ] {
            assert_eq!(for_terminal(columns), bytes, "{columns:?}");
        }
    }
}
