// SPDX-License-Identifier: MIT

//! Names of targets that are made from a template, so that one command line gives a new name each time.
//!
//! | in a template | stands for |
//! |---|---|
//! | `%label` | the region's label, or a saved file's name |
//! | `%boot` | what the kernel calls this boot: 36 characters |
//! | `%n` | the first number from 1 on with which neither the name nor that of its manifest is taken |
//! | `%Y` `%m` `%d` `%H` `%M` `%S` | date and time, UTC |
//! | `%%` | `%` |
//!
//! A label is reduced to characters that no shell and no folder minds: a sender may have chosen it.

#![forbid(unsafe_code)]

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
    manifest,
    system::{self, Moment},
    text,
};

/// Highest number that is tried for `%n`.
const NUMBERS: u32 = 1_000_000;

/// What the words of a template stand for.
#[derive(Clone, Debug)]
pub struct Values {
    label: String,
    boot: String,
    time: [(u8, String); 6],
}

impl Values {
    /// Of a dump of `label`, now, on this machine.
    pub fn now(label: &str) -> Self {
        Self::at(label, &system::current().boot_id, system::now())
    }

    fn at(label: &str, boot: &str, moment: Moment) -> Self {
        let seconds = moment.wall_ms / 1000;
        let (year, month, day) = date(seconds / 86_400);
        let of_day = seconds % 86_400;
        Self {
            label: harmless(label),
            boot: harmless(boot),
            time: [
                (b'Y', format!("{year:04}")),
                (b'm', format!("{month:02}")),
                (b'd', format!("{day:02}")),
                (b'H', format!("{:02}", of_day / 3600)),
                (b'M', format!("{:02}", of_day / 60 % 60)),
                (b'S', format!("{:02}", of_day % 60)),
            ],
        }
    }
}

/// Whether `path` has something to fill in.
pub fn is_template(path: &Path) -> bool {
    path.as_os_str().as_bytes().contains(&b'%')
}

/// Whether `path` is numbered, so that it names nothing that is there.
pub fn is_numbered(path: &Path) -> bool {
    pieces(path).is_ok_and(|pieces| pieces.contains(&Piece::Number))
}

/// The name that `template` stands for. Usage error for what follows `%` and is none of the words.
pub fn fill(template: &Path, values: &Values) -> Result<PathBuf> {
    let pieces = pieces(template)?;
    let with = |number: u32| {
        let mut name = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => name.extend_from_slice(text),
                Piece::Label => name.extend_from_slice(values.label.as_bytes()),
                Piece::Boot => name.extend_from_slice(values.boot.as_bytes()),
                Piece::Number => name.extend_from_slice(number.to_string().as_bytes()),
                Piece::Time(letter) => {
                    let found = values.time.iter().find(|(known, _)| known == letter);
                    name.extend(found.iter().flat_map(|(_, text)| text.bytes()));
                }
            }
        }
        PathBuf::from(OsString::from_vec(name))
    };
    if !pieces.contains(&Piece::Number) {
        return Ok(with(0));
    }
    let is_free = |path: &PathBuf| {
        [path.clone(), manifest::beside(path)]
            .iter()
            .all(|path| fs::symlink_metadata(path).is_err())
    };
    (1..=NUMBERS).map(with).find(is_free).ok_or_else(|| {
        Error::new(
            ExitCode::Target,
            "target exists",
            text::name(template),
            Errno::EEXIST,
            format!("each number up to {NUMBERS} is taken: remove files, or give another name"),
        )
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a [u8]),
    Label,
    Boot,
    Number,
    Time(u8),
}

fn pieces(template: &Path) -> Result<Vec<Piece<'_>>> {
    let mut rest = template.as_os_str().as_bytes();
    let mut pieces = Vec::new();
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        pieces.push(Piece::Text(&rest[..at]));
        let after = &rest[at + 1..];
        let (piece, length) = match after {
            [b'%', ..] => (Piece::Text(b"%"), 1),
            [b'l', b'a', b'b', b'e', b'l', ..] => (Piece::Label, 5),
            [b'b', b'o', b'o', b't', ..] => (Piece::Boot, 4),
            [b'n', ..] => (Piece::Number, 1),
            &[letter @ (b'Y' | b'm' | b'd' | b'H' | b'M' | b'S'), ..] => (Piece::Time(letter), 1),
            _ => {
                return Err(Error::new(
                    ExitCode::Usage,
                    "not a template",
                    text::name(template),
                    Errno::EINVAL,
                    "after % comes label, boot, n, Y, m, d, H, M, S, or a second % for itself",
                ));
            }
        };
        pieces.push(piece);
        rest = &after[length..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// The last part of `label`, with `_` for whatever is not a letter, a digit or one of `.,+-_@`, and for
/// a dot at its start.
fn harmless(label: &str) -> String {
    let last = label.rsplit('/').find(|part| !part.is_empty());
    let mut name: String = last
        .unwrap_or("_")
        .chars()
        .take(64)
        .map(|character| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | ',' | '+' | '-' | '_' | '@' => character,
            _ => '_',
        })
        .collect();
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    name
}

/// Year, month and day of a day that is so many after 1970-01-01, by the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Of an era of 400 years that begins on a first of March, where leap days are the last of a year.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(label: &str) -> Values {
        let moment = Moment {
            wall_ms: 1_709_210_096_789,
            since_boot_ms: 0,
        };
        Values::at(label, "0f5b-1", moment)
    }

    fn filled(template: &str) -> String {
        let path = fill(template.as_ref(), &values("capture")).unwrap();
        path.to_str().unwrap().into()
    }

    #[test]
    fn each_word_has_its_value() {
        assert_eq!(filled("/mnt/%label-%boot.raw"), "/mnt/capture-0f5b-1.raw");
        assert_eq!(filled("%Y%m%dT%H%M%S"), "20240229T123456");
        assert_eq!(filled("100%%"), "100%");
        assert_eq!(filled("%%label%%%label"), "%label%capture");
        assert_eq!(filled("/mnt/plain"), "/mnt/plain");
    }

    #[test]
    fn a_number_is_the_first_that_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let next = || fill(&path("%label-%n.raw"), &values("a")).unwrap();
        assert_eq!(next(), path("a-1.raw"));
        fs::write(path("a-1.raw"), "").unwrap();
        assert_eq!(next(), path("a-2.raw"));
        // What is left of a dump that was removed, and a link to nothing.
        fs::write(path("a-2.raw.json"), "").unwrap();
        std::os::unix::fs::symlink("none", path("a-3.raw")).unwrap();
        assert_eq!(next(), path("a-4.raw"));
        assert!(is_numbered("x%n".as_ref()) && !is_numbered("x%%n".as_ref()));
    }

    #[test]
    fn what_is_no_word_is_refused() {
        for template in ["%", "a%", "%x", "%Label", "%1", "%-n"] {
            let error = fill(template.as_ref(), &values("a")).unwrap_err();
            assert_eq!(error.code, ExitCode::Usage, "{template}");
        }
    }

    #[test]
    fn a_label_cannot_leave_the_folder() {
        for (label, name) in [
            ("capture", "capture"),
            ("/mnt/a b.raw", "a_b.raw"),
            ("../../etc/passwd", "passwd"),
            ("..", "_."),
            (".hidden", "_hidden"),
            ("", "_"),
            ("/", "_"),
            ("x\u{1b}[2J\n", "x__2J_"),
            ("$(reboot)", "__reboot_"),
        ] {
            assert_eq!(harmless(label), name, "{label:?}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (789, (1972, 2, 29)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (19_782, (2024, 2, 29)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
    }

    proptest! {
        #[test]
        fn any_name_and_label_is_filled_or_refused(template: Vec<u8>, label: String, wall_ms: u64) {
            let moment = Moment { wall_ms, since_boot_ms: 0 };
            let template = PathBuf::from(OsString::from_vec(template));
            let values = Values::at(&label, &label, moment);
            prop_assert!(!values.label.is_empty() && !values.label.contains('/'));
            if !is_numbered(&template) {
                let _ = fill(&template, &values);
            }
        }

        #[test]
        fn a_doubled_percent_is_what_it_was(name in "[a-z%]{0,20}") {
            let template = name.replace('%', "%%");
            prop_assert_eq!(filled(&template), name);
        }
    }
}
