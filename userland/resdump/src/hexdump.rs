// SPDX-License-Identifier: MIT

//! Bytes as text: offset, 32 bytes in hexadecimal, the same bytes as ASCII.

use std::fmt::Write;

/// Bytes a line.
pub const LINE: usize = 32;

/// Appends one line for at most [`LINE`] bytes that start at `address`. The columns do not move for
/// a short line.
pub fn line(out: &mut String, address: u64, bytes: &[u8]) {
    // Writing to a string does not fail.
    let _ = write!(out, "{address:010x} ");
    for index in 0..LINE {
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
        line(&mut out, 0xf_c000_0000, &bytes);
        assert_eq!(
            out,
            "0fc0000000  3031323334353637 38393a3b3c3d3e3f 4041424344454647 48494a4b4c4d4e4f  \
             0123456789:;<=>?@ABCDEFGHIJKLMNO\n"
        );
    }

    #[test]
    fn a_short_line_keeps_the_columns() {
        let mut out = String::new();
        line(&mut out, 0, &[0, 0xff, b'~']);
        let (short, mut full) = (out.clone(), String::new());
        line(&mut full, 0, &[b'.'; LINE]);
        assert_eq!(short.find("..~"), full.find("...."));
    }
}
