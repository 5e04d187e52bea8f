// SPDX-License-Identifier: MIT
//! House language: phrases that are not used, with what to write instead, from `language.toml`.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Content of `language.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// A phrase in lower case, and what to write instead.
    instead: BTreeMap<String, String>,
    /// Commands and the like whose words are names of something, and what they name.
    #[serde(default)]
    names: BTreeMap<String, String>,
    /// Beginnings of paths, and how often phrases still occur there: never more than this.
    remaining: BTreeMap<String, usize>,
    /// Beginnings of paths that are not looked at, each with the reason.
    allowed: BTreeMap<String, String>,
}

impl Language {
    /// Parses the file's text.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("language.toml")
    }

    /// Findings in files (path, text), a line each.
    pub fn check(&self, files: &[(String, String)]) -> Vec<String> {
        let mut findings = Vec::new();
        let mut remaining: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (path, text) in files {
            if self.allowed.keys().any(|start| path.starts_with(start)) {
                continue;
            }
            let found = self.phrases(path, text);
            let known = self.remaining.keys().find(|start| path.starts_with(*start));
            match known {
                Some(start) => remaining.entry(start).or_default().extend(found),
                None => findings.extend(found),
            }
        }
        for (start, most) in &self.remaining {
            let found = remaining.remove(start.as_str()).unwrap_or_default();
            if found.len() > *most {
                findings.extend(found.iter().cloned());
                let many = found.len();
                findings.push(format!("{start}: {many} phrases, {most} were left there"));
            }
        }
        findings
    }

    /// The phrases in a file. Words are what is between characters that are no letters, so they are
    /// found in names of tests, and across the lines of a comment.
    fn phrases(&self, path: &str, text: &str) -> Vec<String> {
        let mut words: Vec<(String, usize)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            let parts = line.split(|c: char| !c.is_alphanumeric());
            words.extend(
                parts
                    .filter(|word| !word.is_empty())
                    .map(|word| (word.to_owned(), at + 1)),
            );
        }
        let named: Vec<Range<usize>> = self
            .names
            .keys()
            .flat_map(|name| places(&words, name))
            .collect();
        let mut findings = Vec::new();
        for (phrase, instead) in &self.instead {
            for place in places(&words, phrase) {
                if !named
                    .iter()
                    .any(|name| name.start <= place.start && place.end <= name.end)
                {
                    let line = words[place.start].1;
                    findings.push(format!("{path}:{line}: \"{phrase}\": write {instead}"));
                }
            }
        }
        findings
    }
}

/// Where the words of a phrase follow each other.
fn places(words: &[(String, usize)], phrase: &str) -> Vec<Range<usize>> {
    let wanted: Vec<&str> = phrase.split(' ').collect();
    let windows = words.windows(wanted.len()).enumerate();
    windows
        .filter(|(_, window)| window.iter().map(|(word, _)| word).eq(wanted.iter()))
        .map(|(start, _)| start..start + wanted.len())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language() -> Language {
        Language::parse(
            "[instead]\n\"as ever\" = \"(leave out)\"\nmended = \"fixed\"\n\
             [remaining]\n\"old/\" = 1\n[allowed]\n\"foreign/\" = \"not ours\"\n",
        )
        .unwrap()
    }

    fn found(path: &str, text: &str) -> Vec<String> {
        let files = [
            (path.to_owned(), text.to_owned()),
            ("old/a".to_owned(), "mended".to_owned()),
        ];
        language().check(&files)
    }

    #[test]
    fn a_phrase_is_found_in_names_and_across_lines() {
        assert_eq!(
            found("a.rs", "// As\n// ever\nfn it_is_mended() {}\n"),
            [
                "a.rs:1: \"as ever\": write (leave out)",
                "a.rs:3: \"mended\": write fixed"
            ]
        );
        assert_eq!(
            found("a.rs", "recommended, everything as everywhere"),
            [""; 0]
        );
    }

    #[test]
    fn what_remains_may_become_less_and_not_more() {
        assert_eq!(found("old/b", "fine"), [""; 0]);
        let more = found("old/b", "mended");
        assert_eq!(more.last().unwrap(), "old/: 2 phrases, 1 were left there");
        assert_eq!(language().check(&[]), [""; 0]);
    }

    #[test]
    fn a_name_is_no_phrase() {
        let text = "[instead]\nnobody = \"no user\"\n[names]\n\"su nobody\" = \"an account\"\n[remaining]\n[allowed]\n";
        let language = Language::parse(text).unwrap();
        let file = |text: &str| [("a.rs".to_owned(), text.to_owned())];
        assert_eq!(language.check(&file("su nobody -c id")), [""; 0]);
        assert_eq!(language.check(&file("su nobody\n// nobody reads")).len(), 1);
    }

    #[test]
    fn what_is_allowed_is_not_looked_at() {
        assert_eq!(found("foreign/a", "mended"), [""; 0]);
    }
}
