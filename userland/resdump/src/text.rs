// SPDX-License-Identifier: MIT

//! Names and labels as text that is safe to print.
//!
//! A name of a file is bytes, and a label comes from a device tree or from a stranger: either may hold
//! what is no UTF-8, or what commands a terminal. The rule, for text and for JSON: a control character,
//! and each byte that is not part of UTF-8, becomes `\\xNN`, and a backslash of a name becomes two. So
//! the name can be told from what is printed.

#![forbid(unsafe_code)]

use std::{ffi::OsStr, fmt::Write, os::unix::ffi::OsStrExt};

/// `name` by the rule of this module.
pub fn name(name: impl AsRef<OsStr>) -> String {
    let mut shown = String::new();
    for chunk in name.as_ref().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => shown.push_str("\\\\"),
                _ => push(&mut shown, character),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// One line of text with its control characters by the rule of this module, backslashes as they are.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        push(&mut shown, character);
    }
    shown
}

/// Those that Unicode calls controls are below U+00A0.
fn push(shown: &mut String, character: char) {
    if character.is_control() {
        let _ = write!(shown, "\\x{:02x}", u32::from(character));
    } else {
        shown.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_utf_8_stays_and_the_rest_is_escaped() {
        for (bytes, shown) in [
            (&b"/mnt/a b.raw"[..], "/mnt/a b.raw"),
            ("Gr\u{f6}\u{df}e".as_bytes(), "Gr\u{f6}\u{df}e"),
            (b"a\xff\xfeb", "a\\xff\\xfeb"),
            (b"\x1b[31mred\n\x7f", "\\x1b[31mred\\x0a\\x7f"),
            (b"C:\\x", "C:\\\\x"),
            (b"", ""),
        ] {
            assert_eq!(name(OsStr::from_bytes(bytes)), shown);
        }
    }

    #[test]
    fn names_that_differ_look_different() {
        let literal = name(OsStr::from_bytes(b"a\\xff"));
        assert_ne!(literal, name(OsStr::from_bytes(b"a\xff")));
    }

    #[test]
    fn a_line_commands_no_terminal() {
        let text = printable("label \u{1b}[2J\u{9b}1m: C:\\x");
        assert_eq!(text, "label \\x1b[2J\\x9b1m: C:\\x");
    }
}
