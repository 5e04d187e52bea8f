// SPDX-License-Identifier: MIT
//! The README's transcripts, run again: the words must be the same, figures may differ.

use anyhow::{Context, Result, ensure};

use crate::bed::{Bed, Case, Running};

/// What stands before a command in a transcript.
const PROMPT: &str = "resdump:/root# ";

pub fn cases() -> Vec<Case> {
    vec![Case {
        bed: Bed::Readme,
        name: "the_transcripts_are_what_the_guest_says",
        run: transcripts,
    }]
}

fn transcripts(bed: &mut Running) -> Result<()> {
    let readme = include_str!("../../../README.md");
    let lines: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    let starts: Vec<usize> = (0..lines.len())
        .filter(|at| lines[*at].starts_with(PROMPT))
        .collect();
    ensure!(!starts.is_empty(), "the README has no transcript");
    bed.mounted(|bed| {
        for start in &starts {
            let command = lines[*start].strip_prefix(PROMPT).context("a prompt")?;
            let said = bed.guest.run(command)?;
            let said: Vec<String> = said.text.lines().map(shape).collect();
            ensure!(!said.is_empty(), "{command} says nothing");
            let shown: Vec<String> = lines[start + 1..].iter().map(|line| shape(line)).collect();
            ensure!(
                shown.starts_with(&said),
                "{command} says\n{}\nand the README shows\n{}",
                said.join("\n"),
                shown[..said.len().min(shown.len())].join("\n")
            );
        }
        Ok(())
    })
}

/// A line without its figures, and without the space that figures take.
fn shape(line: &str) -> String {
    let words: Vec<String> = line
        .split_whitespace()
        .map(|word| {
            let number = word.trim_matches(|c: char| !c.is_ascii_digit());
            match number.contains('.') && number.parse::<f64>().is_ok() {
                true => word.replace(number, "#"),
                false => word.to_owned(),
            }
        })
        .collect();
    words.join(" ")
}
