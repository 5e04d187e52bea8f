// SPDX-License-Identifier: MIT
//! A board as data: the key=value file `board/<name>/board.conf` and the files beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What the harness knows of a board.
#[derive(Clone, Debug)]
pub struct Board {
    /// Name of its folder.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The folder that boards share.
    pub common: PathBuf,
    values: BTreeMap<String, String>,
}

impl Board {
    /// Reads `board/<name>`.
    pub fn load(root: &Path, name: &str) -> Result<Self> {
        let folder = root.join("board").join(name);
        let file = folder.join("board.conf");
        let text = fs::read_to_string(&file)
            .with_context(|| format!("no board {name}: cannot read {}", file.display()))?;
        let values = parse(&text).with_context(|| file.display().to_string())?;
        Ok(Self {
            name: name.to_owned(),
            common: root.join("board/common"),
            folder,
            values,
        })
    }

    /// The value of a key that every board must have.
    pub fn get(&self, key: &str) -> Result<&str> {
        match self.values.get(key) {
            Some(value) => Ok(value),
            None => bail!("board {}: board.conf lacks {key}", self.name),
        }
    }

    /// The Kconfig files of a kernel flavour, in the order in which they apply.
    pub fn kconfig(&self, flavour: &str) -> Result<Vec<PathBuf>> {
        let fragments = self.common.join("linux/fragments");
        let names = self.get("LINUX_FRAGMENTS")?.split_whitespace();
        let mut files: Vec<PathBuf> = names
            .chain([flavour])
            .map(|name| fragments.join(format!("{name}.config")))
            .collect();
        files.push(self.folder.join("linux.config"));
        Ok(files)
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            bail!("not a KEY=value line: {line:?}");
        };
        let value = value.trim_matches('"');
        if values.insert(key.to_owned(), value.to_owned()).is_some() {
            bail!("{key} is given twice");
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_comments_are_not_part_of_a_value() {
        let values = parse("# a board\nCPU=e500mc\n\nFRAGMENTS=\"base rust\"\n").unwrap();
        assert_eq!(values["CPU"], "e500mc");
        assert_eq!(values["FRAGMENTS"], "base rust");
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        assert!(parse("CPU=a\nCPU=b").is_err());
    }

    #[test]
    fn a_line_without_a_value_is_refused() {
        assert!(parse("CPU").is_err());
    }
}
