// SPDX-License-Identifier: MIT
//! The licences of what an image or a program consists of: a table, and each text once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, ensure};

use super::Component;

/// The report.
pub fn report(components: &[Component]) -> Result<String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut report = String::from("What it consists of, and the licence of each part.\n\n");
    for one in components {
        ensure!(!one.licence.is_empty(), "{} has no licence", one.name);
        let named = format!("{} {}", one.name, one.version);
        writeln!(report, "{named}: {}", one.licence)?;
        for file in &one.texts {
            let bytes =
                fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            texts.entry(text).or_default().push(named.clone());
        }
    }
    for (text, whose) in texts {
        write!(
            report,
            "\n{}\n{}\n{}\n\n{text}\n",
            "=".repeat(78),
            whose.join(", "),
            "-".repeat(78)
        )?;
    }
    Ok(report)
}
