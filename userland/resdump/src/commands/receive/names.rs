// SPDX-License-Identifier: MIT

//! Names of files for dumps that come one after the other.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Most bytes of a label that get into a name.
const LABEL_MAX: usize = 64;

/// A path in `folder` that nothing has: `capture-1.raw`, `capture-2.raw` for a region `capture`.
pub(super) fn free(folder: &Path, label: &str) -> PathBuf {
    let label = harmless(label);
    let is_free = |path: &PathBuf| {
        let manifest = crate::manifest::beside(path);
        fs::symlink_metadata(path).is_err() && fs::symlink_metadata(manifest).is_err()
    };
    (1u64..)
        .map(|number| folder.join(format!("{label}-{number}.raw")))
        .find(is_free)
        .unwrap_or_else(|| folder.join(label))
}

/// What a label may be in a name. A sender may call its region as it likes: a name stays in its folder,
/// can be seen, and is no option of another program.
fn harmless(label: &str) -> String {
    let last = label.trim_end_matches('/').rsplit('/').next();
    let name: String = last
        .unwrap_or_default()
        .chars()
        .map(|character| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => character,
            _ => '_',
        })
        .take(LABEL_MAX)
        .collect();
    match name.trim_start_matches(['.', '-']) {
        "" => "dump".into(),
        name => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_label_stays_in_the_folder() {
        for (label, name) in [
            ("capture", "capture"),
            ("./saved", "saved"),
            ("../../etc/passwd", "passwd"),
            ("/", "dump"),
            ("", "dump"),
            ("..", "dump"),
            ("-rf", "rf"),
            ("a\u{1b}[2J b", "a__2J_b"),
            ("Grüße", "Gr__e"),
            ("a\0b\nc", "a_b_c"),
        ] {
            assert_eq!(harmless(label), name);
        }
        assert_eq!(harmless(&"x".repeat(300)).len(), LABEL_MAX);
    }

    #[test]
    fn numbers_are_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = free(folder.path(), "a");
        assert_eq!(path, folder.path().join("a-1.raw"));
        fs::write(&path, "").unwrap();
        fs::write(folder.path().join("a-2.raw.json"), "").unwrap();
        assert_eq!(free(folder.path(), "a"), folder.path().join("a-3.raw"));
    }
}
