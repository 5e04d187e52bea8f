// SPDX-License-Identifier: MIT
//! Lines of documents fit a window, and the README fits a few screens.

use super::Document;

/// Most characters of a line of prose that has no link.
const COLUMNS: usize = 120;
/// Most lines of the README.
const README_LINES: usize = 100;

/// Findings, a line each.
pub fn check(documents: &[Document]) -> Vec<String> {
    let mut findings = Vec::new();
    for document in documents {
        for (number, line) in document.prose() {
            let columns = line.chars().count();
            if columns > COLUMNS && !line.contains("](") && !line.contains("://") {
                let path = &document.path;
                findings.push(format!(
                    "{path}:{number}: {columns} columns, {COLUMNS} at most"
                ));
            }
        }
        let lines = document.text.lines().count();
        if document.path == "README.md" && lines > README_LINES {
            findings.push(format!("README.md: {lines} lines, {README_LINES} at most"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prose_without_links_is_measured() {
        let long = "word ".repeat(30);
        let text = format!("{long}\n\n    {long}\n\n| {long} |\n\n{long} [a](b)\n");
        let found = check(&[Document::parse("a.md", &text)]);
        assert_eq!(found, ["a.md:1: 150 columns, 120 at most"]);
    }

    #[test]
    fn a_long_readme_is_found() {
        let found = check(&[Document::parse("README.md", &"a\n".repeat(101))]);
        assert_eq!(found, ["README.md: 101 lines, 100 at most"]);
    }
}
