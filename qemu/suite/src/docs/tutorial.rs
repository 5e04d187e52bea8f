// SPDX-License-Identifier: MIT
//! The transcripts of the documents, run again: the words must be the same, figures may differ.
//! `RESDUMP_UPDATE_EXPECT=1` takes over what the guest says.

use std::fs;

use anyhow::{Result, ensure};

use board::Placement;
use host::paths::Paths;
use host::settings;

use crate::frame::{Case, Running, case};

/// What stands before a line of a transcript.
const INDENT: &str = "    ";
/// What stands before a command in one.
const PROMPT: &str = "    resdump:/root# ";

pub fn cases() -> Vec<Case> {
    vec![
        case!(Readme, the_transcripts_are_what_the_guest_says, |bed| {
            transcripts(bed, "docs/tutorial.md", 4)
        }),
        case!(Docs, the_transcripts_are_what_the_guest_says, |bed| {
            transcripts(bed, "docs/reference/resdump.md", 20)
        }),
    ]
}

/// Runs all commands of a document, at least `least` of them, with the ext4 disk on /mnt.
fn transcripts(bed: &mut Running, name: &str, least: usize) -> Result<()> {
    let file = Paths::discover()?.root.join(name);
    let text = fs::read_to_string(&file)?;
    let anywhere = *bed.board.placement() == Placement::ReserveMem;
    let (mut fresh, mut wrong) = (String::new(), Vec::new());
    let mut lines = text.lines().peekable();
    let mut commands = 0;
    bed.mounted(|bed| {
        while let Some(line) = lines.next() {
            fresh += line;
            fresh.push('\n');
            let Some(command) = line.strip_prefix(PROMPT) else {
                continue;
            };
            commands += 1;
            let mut shown = Vec::new();
            while let Some(line) =
                lines.next_if(|line| line.starts_with(INDENT) && !line.starts_with(PROMPT))
            {
                shown.push(line[INDENT.len()..].to_owned());
            }
            let said = bed.run(command)?.text;
            let said: Vec<String> = said.lines().map(visible).collect();
            let alike = |line: &String| shape(line, anywhere);
            if !said.iter().map(alike).eq(shown.iter().map(alike)) {
                wrong.push(format!(
                    "{command} says\n{}\nand {name} shows\n{}",
                    said.join("\n"),
                    shown.join("\n")
                ));
            }
            for line in said {
                fresh += format!("{INDENT}{line}").trim_end();
                fresh.push('\n');
            }
        }
        Ok(())
    })?;
    if settings::get().update_expect {
        fs::write(&file, fresh)?;
    }
    ensure!(commands >= least, "{name} has {commands} commands");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// What stays on the terminal of a line that was drawn over, as a progress bar is.
fn visible(line: &str) -> String {
    line.rsplit("\x1b[2K").next().unwrap_or_default().to_owned()
}

/// A line without its figures, and without the space that figures take. Where regions may be anywhere,
/// addresses are figures.
fn shape(line: &str, anywhere: bool) -> String {
    let words = line.split_whitespace().map(|word| match word {
        _ if anywhere && is_address(word) => "#".to_owned(),
        _ => figureless(word),
    });
    let mut words: Vec<String> = words.collect();
    // How many requests a disk of QEMU's takes differs by its version.
    if let Some(last) = words.iter().position(|word| word == "requests)")
        && let Some(count) = last.checked_sub(1)
    {
        words[count] = "#".to_owned();
    }
    words.join(" ")
}

/// Physical addresses are padded: by `list` to 64 bits, by `show` to 40.
fn is_address(word: &str) -> bool {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    digits.chars().all(|c| c.is_ascii_hexdigit())
        && matches!(digits.len(), 10 | 16)
        && digits.starts_with("00")
}

/// A measured number, a version or a digest is a `#`; a whole number stays.
fn figureless(word: &str) -> String {
    let number = word.trim_matches(|c: char| !c.is_ascii_digit());
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if number.contains('.') && number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        word.replace(number, "#")
    } else if core.len() >= 8
        && core.chars().all(|c| c.is_ascii_hexdigit())
        && core.contains(|c: char| c.is_ascii_alphabetic())
    {
        word.replace(core, "#")
    } else {
        word.to_owned()
    }
}
