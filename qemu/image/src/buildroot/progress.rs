// SPDX-License-Identifier: MIT
//! A long build: everything to a log, the names of its steps to the terminal.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use std::sync::Arc;

use anyhow::{Context, Result, bail};

use host::deadline::{Handle, Limit, seconds};

/// Seconds of a build.
const LIMIT: u64 = 12 * 3600;

/// Runs Buildroot's make; prints the packages of its `>>> package step` lines, with the
/// time since the start.
pub fn run(command: &mut Command, log: &Path) -> Result<()> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let (reader, writer) = std::io::pipe()?;
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    // The command holds the pipe's other end: it would never be seen to close.
    let limit = Limit::start(seconds(LIMIT), &Arc::new(Handle::of(&child)?));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut package = String::new();
    let mut last = Vec::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        file.write_all(&line)?;
        file.write_all(b"\n")?;
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some(now) = package_of(&line).filter(|now| *now != package) {
            println!("{:>6.0} s  {now}", started.elapsed().as_secs_f64());
            package = now;
        }
        last.push(line);
        if last.len() > 25 {
            last.remove(0);
        }
    }
    let status = child.wait()?;
    if limit.expired() {
        bail!(
            "Buildroot's make was killed after {LIMIT} s; the log is {}",
            log.display()
        );
    }
    if !status.success() {
        bail!(
            "Buildroot's make ended with {status}; the whole log is {}, its end:\n{}",
            log.display(),
            last.join("\n")
        );
    }
    Ok(())
}

/// `ESC[7m>>> linux 7.3.4 BuildingESC[27m` -> `linux 7.3.4`; what is no package (an image, a hook)
/// as it is.
fn package_of(line: &str) -> Option<String> {
    let (_, step) = line.split_once(">>> ")?;
    let step = step.split('\u{1b}').next().unwrap_or(step);
    Some(match step.split(' ').collect::<Vec<_>>()[..] {
        ["", ..] => step.trim().to_owned(),
        [name, version, ..] => format!("{name} {version}").trim().to_owned(),
        _ => step.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_distinguished_from_other_output() {
        let package = |line| package_of(line).unwrap_or_default();
        assert_eq!(
            package("\u{1b}[7m>>> linux 7.3.4 Building\u{1b}[27m"),
            "linux 7.3.4"
        );
        assert_eq!(
            package("\u{1b}[7m>>>   Generating filesystem image rootfs.cpio\u{1b}[27m"),
            "Generating filesystem image rootfs.cpio"
        );
        assert_eq!(
            package("\u{1b}[7m>>> skeleton  Building\u{1b}[27m"),
            "skeleton"
        );
        assert_eq!(package_of("  CC  kernel/fork.o"), None);
    }

    #[test]
    fn the_end_of_a_failed_build_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let error = run(&mut command, &log).unwrap_err().to_string();
        assert!(error.ends_with("out\nerr"), "{error}");
        assert_eq!(fs::read_to_string(&log).unwrap(), "out\nerr\n");
    }
}
