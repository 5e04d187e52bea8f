// SPDX-License-Identifier: MIT

//! `resdump man`: the man pages, one to standard output or all into a folder.

use std::{
    fs, io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use crate::{
    advice::Doing,
    assets::{self, Page},
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    output::{Manner, Output, Permit, Request},
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

    /// Overwrite files of these names that are no pages of resdump
    #[arg(long, requires = "dir")]
    force: bool,
}

/// Runs `man`, for the definition of all commands.
pub fn run(args: &Args, commands: clap::Command, console: &Console) -> Result<ExitCode> {
    let pages = assets::pages(commands)
        .map_err(|error| Error::during(Doing::Else, "cannot make", "man pages", &error))?;
    match &args.dir {
        Some(folder) => store(folder, args.force, &pages, console),
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

fn store(folder: &Path, force: bool, pages: &[Page], console: &Console) -> Result<ExitCode> {
    fs::create_dir_all(folder).map_err(|error| {
        Error::during(Doing::OpenTarget, "cannot make", text::name(folder), &error)
    })?;
    // All of them are opened before one is written.
    let outputs = pages
        .iter()
        .map(|page| {
            let path = folder.join(&page.name);
            let permit = Permit {
                force: force || is_page(&path),
                ..Permit::default()
            };
            let request = Request {
                path: &path,
                manner: Manner::Whole,
                permit,
                inputs: &[],
            };
            Output::open(&request, None)
        })
        .collect::<Result<Vec<Output>>>()?;
    for (output, page) in outputs.into_iter().zip(pages) {
        output.file().write_all_at(&page.text, 0).map_err(|error| {
            Error::during(
                Doing::Write,
                "cannot write",
                text::name(output.path()),
                &error,
            )
        })?;
        output.commit()?;
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

/// Whether there is a man page of this program, to be replaced by a newer one.
fn is_page(path: &Path) -> bool {
    let mut start = [0; 128];
    let read = fs::File::open(path).and_then(|file| match file.metadata()?.is_file() {
        true => file.read_at(&mut start, 0),
        false => Err(io::ErrorKind::InvalidInput.into()),
    });
    read.is_ok_and(|length| String::from_utf8_lossy(&start[..length]).contains("\n.TH resdump"))
}
