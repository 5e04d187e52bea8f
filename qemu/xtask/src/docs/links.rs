// SPDX-License-Identifier: MIT
//! Links lead somewhere, and every document can be reached from the README.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use super::{Document, Files};

/// Findings, a line each.
pub fn check(files: &Files, documents: &[Document]) -> Vec<String> {
    let mut findings = Vec::new();
    for document in documents {
        for (link, line) in &document.links {
            if let Some(reason) = broken(files, documents, document, link) {
                findings.push(format!("{}:{line}: {link}: {reason}", document.path));
            }
        }
    }
    let reached = reached(documents);
    let lost = documents
        .iter()
        .filter(|one| one.path.starts_with("docs/") && !reached.contains(one.path.as_str()));
    findings.extend(lost.map(|one| format!("{}: no link leads here from README.md", one.path)));
    findings
}

/// Why a link leads nowhere. Addresses on the net are not looked up.
fn broken(
    files: &Files,
    documents: &[Document],
    from: &Document,
    link: &str,
) -> Option<&'static str> {
    if is_address(link) {
        return None;
    }
    let (path, anchor) = parts(from, link);
    if !files.exists(&path) {
        return Some("no such file in the checkout");
    }
    let target = documents.iter().find(|one| one.path == path)?;
    let anchor = anchor?;
    (!target.anchors.contains(anchor)).then_some("the document has no such heading")
}

fn is_address(link: &str) -> bool {
    ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| link.starts_with(scheme))
}

/// The path from the checkout's root, and the anchor.
fn parts<'a>(from: &Document, link: &'a str) -> (String, Option<&'a str>) {
    let (path, anchor) = match link.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (link, None),
    };
    if path.is_empty() {
        return (from.path.clone(), anchor);
    }
    let folder = Path::new(&from.path).parent().unwrap_or(Path::new(""));
    let mut whole = Vec::new();
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::Normal(name) => whole.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    (whole.join("/"), anchor)
}

/// Documents that links lead to, from the README on.
fn reached(documents: &[Document]) -> BTreeSet<&str> {
    let mut reached = BTreeSet::from(["README.md"]);
    let mut next = vec!["README.md".to_owned()];
    while let Some(path) = next.pop() {
        let Some(document) = documents.iter().find(|one| one.path == path) else {
            continue;
        };
        for (link, _) in document.links.iter().filter(|(link, _)| !is_address(link)) {
            let (path, _) = parts(document, link);
            let target = documents.iter().find(|one| one.path == path);
            if target.is_some_and(|target| reached.insert(target.path.as_str())) {
                next.push(path);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(texts: &[(&str, &str)]) -> Vec<String> {
        let files = Files::of(texts.iter().map(|(path, _)| *path));
        let documents: Vec<_> = texts
            .iter()
            .map(|(path, text)| Document::parse(path, text))
            .collect();
        check(&files, &documents)
    }

    #[test]
    fn links_to_files_folders_and_headings_that_are_there_are_good() {
        let readme = "# A\n\n[b](docs/b.md#two) [d](docs) [a](#a) [x](https://example.org/y)";
        let b = "## Two\n\n[a](../README.md)";
        assert_eq!(
            findings(&[("README.md", readme), ("docs/b.md", b)]),
            [""; 0]
        );
    }

    #[test]
    fn a_file_or_heading_that_is_not_there_is_found() {
        let readme = "[b](docs/b.md#three)\n[c](docs/c.md)";
        let found = findings(&[("README.md", readme), ("docs/b.md", "## Two")]);
        assert_eq!(
            found,
            [
                "README.md:1: docs/b.md#three: the document has no such heading",
                "README.md:2: docs/c.md: no such file in the checkout"
            ]
        );
    }

    #[test]
    fn a_document_that_no_link_leads_to_is_found() {
        let found = findings(&[("README.md", "# A"), ("docs/b.md", "# B")]);
        assert_eq!(found, ["docs/b.md: no link leads here from README.md"]);
    }
}
