// SPDX-License-Identifier: MIT
//! The version is written once, in `userland/Cargo.toml`; the changelog has an entry for it.

use std::fs;

use anyhow::Result;

use host::paths::Paths;
use image::version;

/// Findings, a line each.
pub fn check(paths: &Paths) -> Result<Vec<String>> {
    let version = version::of(&paths.root)?;
    let changes = fs::read_to_string(paths.root.join("CHANGELOG.md"))?;
    Ok(changelog(&changes, &version).into_iter().collect())
}

/// The version of the newest release in the changelog, without its date.
pub fn newest(changes: &str) -> Option<&str> {
    let mut headings = changes.lines().filter_map(|line| line.strip_prefix("## "));
    let newest = headings.find(|heading| *heading != "Unreleased")?;
    newest.split_whitespace().next()
}

fn changelog(changes: &str, version: &str) -> Option<String> {
    let newest = newest(changes).unwrap_or("none");
    (newest != version).then(|| {
        format!("CHANGELOG.md: the newest release is {newest}, userland/Cargo.toml has {version}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_is_the_version() {
        let changes = "# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-11-27)\n\n## 0.1.0\n";
        assert_eq!(changelog(changes, "0.2.0"), None);
        assert!(changelog(changes, "0.3.0").unwrap().contains("0.2.0"));
        assert!(changelog("", "0.3.0").unwrap().contains("none"));
    }
}
