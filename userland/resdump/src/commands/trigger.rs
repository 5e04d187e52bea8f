// SPDX-License-Identifier: MIT

//! `resdump trigger`: triggers the recorders of a region or a folder.
//!
//! A recorder holds a lock of its folder, and one of the region's node. The kernel names the processes that do, and a signal
//! goes to these and to no other process.

use std::{ffi::OsString, fs, path::Path};

use nix::errno::Errno;
use serde::Serialize;

use crate::{
    advice::Doing,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    recorder,
    source::{Region, Source},
    text,
};

/// Arguments of `trigger`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder that is recorded into, or label or node of a region that is recorded
    what: OsString,
}

#[derive(Serialize)]
struct Triggered {
    /// Processes.
    recorders: Vec<i32>,
}

/// Runs `trigger`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let name = text::name(&args.what);
    let failed =
        |error: std::io::Error| Error::during(Doing::Else, "cannot trigger", &name, &error);
    let metadata = match fs::metadata(Path::new(&args.what)) {
        Ok(metadata) if metadata.is_dir() => metadata,
        _ => Region::open(&args.what)?
            .file()
            .metadata()
            .map_err(failed)?,
    };
    let recorders = recorder::trigger(&metadata).map_err(failed)?;
    if recorders.is_empty() {
        return Err(Error::new(
            ExitCode::Other,
            "no recorder",
            name,
            Errno::ESRCH,
            "no 'resdump record' of it runs",
        ));
    }
    if console.is_json() {
        console.object(&Triggered { recorders }, None)?;
    } else {
        console.text(|out| {
            for process in recorders {
                writeln!(out, "triggered: process {process}")?;
            }
            Ok(())
        })?;
    }
    Ok(ExitCode::Ok)
}
