// SPDX-License-Identifier: MIT
//! What the checks need of a Markdown document: links, anchors, tables, and which lines are prose.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A document of the checkout.
pub struct Document {
    /// Path from the checkout's root.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// Targets of links and pictures, with their line, counted from 1.
    pub links: Vec<(String, usize)>,
    /// Code in lines, and lines of code blocks, with their line.
    pub code: Vec<(String, usize)>,
    /// Anchors of the headings, as forges make them.
    pub anchors: BTreeSet<String>,
    /// For each anchor, the words in code style that the first cells of the tables below it have.
    pub first_cells: BTreeMap<String, BTreeSet<String>>,
    /// Byte ranges whose lines cannot be broken: tables and code blocks.
    fixed: Vec<Range<usize>>,
}

impl Document {
    /// Parses `text`.
    pub fn parse(path: &str, text: &str) -> Self {
        let mut document = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            links: Vec::new(),
            code: Vec::new(),
            anchors: BTreeSet::new(),
            first_cells: BTreeMap::new(),
            fixed: Vec::new(),
        };
        let (mut heading, mut anchor) = (None::<String>, String::new());
        let (mut cell, mut block) = (None::<usize>, false);
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    anchor = document.anchor(&heading.take().unwrap_or_default());
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    let link = (dest_url.into_string(), line_at(text, range.start));
                    document.links.push(link);
                }
                Event::Start(Tag::Table(_)) => document.fixed.push(range),
                Event::Start(Tag::CodeBlock(_)) => {
                    block = true;
                    document.fixed.push(range);
                }
                Event::End(TagEnd::CodeBlock) => block = false,
                Event::Text(words) if block => {
                    let first = line_at(text, range.start);
                    let lines = words.lines().map(str::to_owned);
                    document.code.extend(lines.zip(first..));
                }
                Event::Start(Tag::TableRow) => cell = Some(0),
                Event::End(TagEnd::TableCell) => cell = cell.map(|number| number + 1),
                Event::End(TagEnd::TableRow) => cell = None,
                Event::Text(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                Event::Code(words) => {
                    let code = (words.to_string(), line_at(text, range.start));
                    document.code.push(code);
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                    if cell == Some(0) {
                        let cells = document.first_cells.entry(anchor.clone()).or_default();
                        cells.insert(words.into_string());
                    }
                }
                _ => {}
            }
        }
        document
    }

    /// Makes the anchor of a heading: lower case, hyphens for spaces, a number behind one that is there.
    fn anchor(&mut self, heading: &str) -> String {
        let plain: String = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut anchor = plain.clone();
        for number in 1.. {
            if self.anchors.insert(anchor.clone()) {
                break;
            }
            anchor = format!("{plain}-{number}");
        }
        anchor
    }

    /// Lines that could be broken, with their number, counted from 1.
    pub fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut start = 0;
        self.text.lines().enumerate().filter_map(move |(at, line)| {
            let here = start;
            start += line.len() + 1;
            let is_fixed = self.fixed.iter().any(|range| range.contains(&here));
            // An indented block begins behind its indentation.
            let is_fixed =
                is_fixed || line.starts_with("    ") || line.trim_start().starts_with('|');
            (!is_fixed).then_some((at + 1, line))
        })
    }
}

/// The number of the line at a byte, counted from 1.
fn line_at(text: &str, byte: usize) -> usize {
    text[..byte].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_have_the_anchors_of_forges() {
        let document = Document::parse("a.md", "# `make run`: it works\n\n## Two\n\n## Two\n");
        let anchors: Vec<_> = document.anchors.iter().map(String::as_str).collect();
        assert_eq!(anchors, ["make-run-it-works", "two", "two-1"]);
    }

    #[test]
    fn links_have_their_line_and_code_has_none() {
        let text = "# A\n\n[b](b.md#c) and `[x](y.md)`\n\n    [x](y.md)\n\n![p](p.svg)\n";
        let document = Document::parse("a.md", text);
        let wanted = [("b.md#c".to_owned(), 3), ("p.svg".to_owned(), 7)];
        assert_eq!(document.links, wanted);
    }

    #[test]
    fn the_first_cells_of_tables_are_known_by_their_heading() {
        let text = "## Keys\n\n| key | meaning |\n|---|---|\n| `A`, `B` | `c` |\n";
        let document = Document::parse("a.md", text);
        let cells: Vec<_> = document.first_cells["keys"].iter().collect();
        assert_eq!(cells, ["A", "B"]);
    }

    #[test]
    fn tables_and_code_are_no_prose() {
        let text = "one\n\n| a |\n|---|\n| b |\n\n```\nc\n```\n\n    d\n\ntwo\n";
        let document = Document::parse("a.md", text);
        let lines: Vec<_> = document
            .prose()
            .filter(|(_, line)| !line.is_empty())
            .collect();
        assert_eq!(lines, [(1, "one"), (13, "two")]);
    }
}
