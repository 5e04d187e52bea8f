// SPDX-License-Identifier: MIT

//! Writes the man pages and the shell completions, made from the definition of the command line,
//! into a folder that is laid out as `/usr/share`:
//! `cargo run --no-default-features --example assets -- FOLDER`, for a program that is built so.

use std::{fs, io, path::PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;
use resdump::cli::Cli;

#[path = "../src/assets.rs"]
#[allow(unreachable_pub, reason = "it is a module of the library")]
mod assets;

/// Where each shell looks.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/resdump"),
    (Shell::Fish, "fish/vendor_completions.d/resdump.fish"),
    (Shell::Zsh, "zsh/site-functions/_resdump"),
];

fn main() -> io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("give a folder"));
    };
    let pages = folder.join("man/man1");
    fs::create_dir_all(&pages)?;
    for page in assets::pages(Cli::command())? {
        fs::write(pages.join(page.name), page.text)?;
    }
    for (shell, name) in COMPLETIONS {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, assets::completions(Cli::command(), shell))?;
    }
    Ok(())
}
