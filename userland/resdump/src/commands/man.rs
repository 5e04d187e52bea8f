// SPDX-License-Identifier: MIT

//! `resdump man`: the man pages, one to standard output or all into a folder.

use std::{fs, io, path::PathBuf};

use clap::Command;
use nix::errno::Errno;

use crate::{
    advice::Doing,
    assets::{self, Page},
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    text,
};

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of a command [default: the page of resdump itself]
    page: Option<String>,

    /// Write all pages into this folder, which is made if there is none
    #[arg(long, value_name = "FOLDER", conflicts_with = "page")]
    dir: Option<PathBuf>,
}

/// Runs `man` for the command line that `command` defines.
pub fn run(args: &Args, command: Command, console: &Console) -> Result<ExitCode> {
    let pages = assets::pages(command)
        .map_err(|error| Error::during(Doing::Else, "cannot make", "man pages", &error))?;
    match &args.dir {
        Some(folder) => store(folder, &pages, console),
        None => print(args.page.as_deref(), &pages, console),
    }
}

fn print(name: Option<&str>, pages: &[Page], console: &Console) -> Result<ExitCode> {
    let wanted = match name {
        None | Some("resdump") => "resdump.1".into(),
        Some(name) => format!("resdump-{}.1", name.trim_start_matches("resdump-")),
    };
    let Some(page) = pages.iter().find(|page| page.name == wanted) else {
        return Err(Error::new(
            ExitCode::Usage,
            "no such page",
            name.unwrap_or_default(),
            Errno::ENOENT,
            "give the name of a command, as 'resdump --help' lists them",
        ));
    };
    if console.is_json() {
        let object = serde_json::json!({
            "page": page.name,
            "text": String::from_utf8_lossy(&page.text),
        });
        console.object(&object, None)?;
    } else {
        console.text(|out| out.write_all(&page.text))?;
    }
    Ok(ExitCode::Ok)
}

fn store(folder: &PathBuf, pages: &[Page], console: &Console) -> Result<ExitCode> {
    let failed = |error: io::Error| {
        Error::during(
            Doing::OpenTarget,
            "cannot write",
            text::name(folder),
            &error,
        )
    };
    fs::create_dir_all(folder).map_err(failed)?;
    for page in pages {
        fs::write(folder.join(&page.name), &page.text).map_err(failed)?;
    }
    if console.is_json() {
        let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
        let object = serde_json::json!({"folder": text::name(folder), "files": names});
        console.object(&object, None)?;
    } else {
        console.text(|out| writeln!(out, "{} pages", pages.len()))?;
    }
    Ok(ExitCode::Ok)
}
