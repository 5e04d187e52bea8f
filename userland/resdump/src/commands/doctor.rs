// SPDX-License-Identifier: MIT

//! `resdump doctor`: which way works here, which does not, and why.
//!
//! ```text
//! ok  kernel                    7.3.4 on ppc
//! ok  root                      yes
//! --  direct I/O from /dev/mem  EFAULT (14): its mappings hold bare page frames (VM_PFNMAP), …
//! ok  engine kernel             65536 bytes direct, 0 copied
//! auto takes: kernel
//! ```

use std::{ffi::OsString, io::Write, path::PathBuf};

use nix::errno::Errno;
use serde::Serialize;

use crate::{
    console::Console,
    doctor::{Finding, host, tree, trial},
    engine::Name,
    error::{Error, Result},
    exit_codes::ExitCode,
    signals::Stop,
    source, text,
};

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Region to try with [default: the first that there is]
    region: Option<OsString>,

    /// Folder for a scratch file, a file to make, or (--force) a device
    #[arg(long, value_name = "PATH", default_value = ".")]
    target: PathBuf,

    /// Write to the first 64 KiB of what is there; they are put back
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Diagnosis {
    checks: Vec<Finding>,
    auto: Option<Name>,
}

/// Runs `doctor`.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let mut checks = host::findings();
    checks.extend(tree::findings());
    let name = match &args.region {
        Some(name) => Some(name.clone()),
        None => source::labels(source::DIRECTORY.as_ref())
            .into_iter()
            .next(),
    };
    let source = name.as_deref().and_then(|name| match source::open(name) {
        Ok(source) => Some(source),
        Err(error) => {
            checks.push(Finding::failed(
                format!("region {}", text::name(name)),
                &error,
            ));
            None
        }
    });
    // What is on the target is put back at the end.
    let _stop = Stop::on_signals()?;
    let (trials, auto) = trial::findings(&args.target, args.force, source.as_deref());
    checks.extend(trials);

    let error = match (&source, auto) {
        (_, Some(_)) => None,
        (None, _) => Some(Error::new(
            ExitCode::NoRegion,
            "nothing to dump",
            text::name(name.as_deref().unwrap_or(source::DIRECTORY.as_ref())),
            Errno::ENODEV,
            "see the checks marked NO",
        )),
        (Some(source), _) => Some(Error::new(
            ExitCode::Engine,
            "no engine works",
            source.name(),
            Errno::EOPNOTSUPP,
            "see the checks marked NO",
        )),
    };
    let diagnosis = Diagnosis { checks, auto };
    if console.is_json() {
        console.object(&diagnosis, error.as_ref())?;
    } else {
        console.text(|out| print(&diagnosis, out))?;
    }
    Ok(error.map_or(ExitCode::Ok, |error| console.complain(&error)))
}

fn print(diagnosis: &Diagnosis, out: &mut dyn Write) -> std::io::Result<()> {
    let width = diagnosis.checks.iter().map(|one| one.check.len()).max();
    let width = width.unwrap_or(0);
    for Finding {
        check,
        ok,
        needed,
        errno,
        errno_number,
        detail,
    } in &diagnosis.checks
    {
        let mark = match (ok, needed) {
            (true, _) => "ok",
            (false, true) => "NO",
            (false, false) => "--",
        };
        write!(out, "{mark}  {check:width$}  ")?;
        if let (Some(errno), Some(number)) = (errno, errno_number) {
            write!(out, "{errno} ({number}): ")?;
        }
        writeln!(out, "{detail}")?;
    }
    match diagnosis.auto {
        Some(name) => writeln!(out, "auto takes: {}", name.as_str()),
        None => writeln!(out, "auto takes: none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_errnos_are_named() {
        let diagnosis = Diagnosis {
            checks: vec![
                Finding::good("root", "yes"),
                Finding::bad("engine mmap", Errno::EIO, "x"),
                Finding::bad("engine devmem", Errno::EPERM, "STRICT_DEVMEM").unneeded(),
            ],
            auto: Some(Name::Kernel),
        };
        let mut out = Vec::new();
        print(&diagnosis, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
ok  root           yes
NO  engine mmap    EIO (5): x
--  engine devmem  EPERM (1): STRICT_DEVMEM
auto takes: kernel
"
        );
    }
}
