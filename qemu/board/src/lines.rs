// SPDX-License-Identifier: MIT
//! A file of `KEY=value` lines, as board.conf and a lab file are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A value as a file gives it.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub value: String,
    pub file: PathBuf,
    pub line: usize,
}

impl Given {
    /// Where it is, for an error.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// The `KEY=value` lines of a file, by key; a value is all that follows the sign. Empty lines and comments are left
/// out. An error for any other line, for a key that is not `known`, and for one that is given twice.
pub(crate) fn lines(
    text: &str,
    file: &Path,
    known: fn(&str) -> Result<()>,
) -> Result<BTreeMap<String, Given>> {
    let mut values = BTreeMap::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        let place = || format!("{}:{}", file.display(), index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            bail!("{}: not a KEY=value line: {line:?}", place());
        };
        known(key).with_context(|| format!("{}: {key}", place()))?;
        let given = Given {
            value: value.to_owned(),
            file: file.to_path_buf(),
            line: index + 1,
        };
        if values.insert(key.to_owned(), given).is_some() {
            bail!("{}: {key} is given twice", place());
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, Given>, String> {
        let known = |key: &str| match key {
            "ONE" | "TWO" => Ok(()),
            _ => bail!("no such key"),
        };
        lines(text, Path::new("x.conf"), known).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_value_is_the_rest_of_its_line() {
        let values = read("# both\n\nONE=a = \"b\"\n  TWO=\n").unwrap();
        assert_eq!(values["ONE"].value, "a = \"b\"");
        assert_eq!(
            (&*values["TWO"].value, &*values["TWO"].place()),
            ("", "x.conf:4")
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        assert_eq!(
            read("ONE=a\nONE=b").unwrap_err(),
            "x.conf:2: ONE is given twice"
        );
        assert_eq!(
            read("\nONE").unwrap_err(),
            "x.conf:2: not a KEY=value line: \"ONE\""
        );
        assert_eq!(read("NOE=a").unwrap_err(), "x.conf:1: NOE: no such key");
    }
}
