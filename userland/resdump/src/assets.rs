// SPDX-License-Identifier: MIT

//! Completions for shells, and man pages, made from the definition of the command line.

#![forbid(unsafe_code)]

use std::io;

use clap::{Command, builder::Resettable};
use clap_complete::{Shell, generate};
use clap_mangen::{
    Man,
    roff::{self, Roff},
};

/// The completions of `command` for `shell`.
pub fn completions(mut command: Command, shell: Shell) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    generate(shell, &mut command, name, &mut text);
    text
}

/// A man page.
pub struct Page {
    /// `resdump-dump.1`
    pub name: String,
    /// In roff.
    pub text: Vec<u8>,
}

/// The man pages of `command` and of its commands.
pub fn pages(command: Command) -> io::Result<Vec<Page>> {
    let mut command = command.disable_help_subcommand(true);
    // It gives each command its full name, and the options that hold everywhere.
    command.build();
    std::iter::once(&command)
        .chain(command.get_subcommands().filter(|each| !each.is_hide_set()))
        .map(|each| page(each.clone()))
        .collect()
}

fn page(command: Command) -> io::Result<Page> {
    let notes = command
        .get_after_long_help()
        .or(command.get_after_help())
        .map(ToString::to_string);
    let man = Man::new(
        command
            .after_help(Resettable::Reset)
            .after_long_help(Resettable::Reset),
    );
    let mut text = Vec::new();
    man.render(&mut text)?;
    if let Some(notes) = notes {
        // As it stands: it has columns, which the generator would fill up.
        let mut section = Roff::new();
        section.control("SH", ["NOTES"]);
        section.control("nf", []);
        for line in notes.lines() {
            section.text([roff::roman(line)]);
        }
        section.control("fi", []);
        section.to_writer(&mut text)?;
    }
    Ok(Page {
        name: man.get_filename(),
        text,
    })
}
