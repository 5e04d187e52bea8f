// SPDX-License-Identifier: MIT

//! Writes the man pages and the shell completions, made from the definition of the command line,
//! into a folder: `cargo run --example assets -- FOLDER`.

use std::{fs, io, path::PathBuf};

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use resdump::cli::Cli;

fn main() -> io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("give a folder"));
    };
    let man = folder.join("man1");
    let completions = folder.join("completions");
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(Cli::command(), &man)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        generate_to(shell, &mut Cli::command(), "resdump", &completions)?;
    }
    Ok(())
}
