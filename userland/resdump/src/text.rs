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

/// JSON as a terminal may show it: what would command one is escaped. That is within a string only.
pub fn json(text: String) -> String {
    if !text.contains(is_command) {
        return text;
    }
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if !is_command(character) || character == '\n' {
            safe.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(safe, "\\u{unit:04x}");
        }
    }
    safe
}

/// Those that Unicode calls controls are below U+00A0.
fn push(shown: &mut String, character: char) {
    if character.is_control() {
        let _ = write!(shown, "\\x{:02x}", u32::from(character));
    } else if is_command(character) {
        let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
    } else {
        shown.push(character);
    }
}

/// Whether a terminal does something else with it than to show it: control characters, and those that
/// turn the direction of writing, end lines, or cannot be seen.
fn is_command(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
    fn json_says_the_same() {
        for text in [
            "a\u{9b}b\u{7f}",
            "\u{202e}x",
            "\u{e0041}",
            "Gr\u{fc}\u{df}e\n\u{1b}",
        ] {
            let safe = json(serde_json::to_string(text).unwrap());
            assert!(!safe.contains(is_command), "{safe:?}");
            assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
        assert_eq!(json("{\n}".into()), "{\n}");
    }

    #[test]
    fn no_character_gets_through_that_commands() {
        let all: String = ('\0'..=char::MAX).collect();
        assert!(!printable(&all).contains(is_command));
        assert!(!name(&all).contains(is_command));
        assert_eq!(printable("gpj\u{202e}exe"), "gpj\\u{202e}exe");
    }

    #[test]
    fn a_line_commands_no_terminal() {
        let text = printable("label \u{1b}[2J\u{9b}1m: C:\\x");
        assert_eq!(text, "label \\x1b[2J\\x9b1m: C:\\x");
    }
}
