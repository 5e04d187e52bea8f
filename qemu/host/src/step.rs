// SPDX-License-Identifier: MIT
//! Steps of a build: each says what it does and how long it took; a failure names the step and the
//! log file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::command;
use crate::deadline::seconds;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// Seconds of a command, which may compile a kernel on a slow machine.
const LIMIT: u64 = 4 * 3600;

/// A running step. Commands that it runs write to its log.
pub struct Step {
    name: String,
    log: PathBuf,
    started: Instant,
}

impl Step {
    /// Announces the step and starts its log, `<logs>/<name>.log`.
    pub fn start(logs: &Path, name: &str, what: &str) -> Result<Self> {
        fs::create_dir_all(logs)?;
        let log = logs.join(format!("{name}.log"));
        File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        println!("==> {name}: {what}");
        Ok(Self {
            name: name.to_owned(),
            log,
            started: Instant::now(),
        })
    }

    /// Runs a command to its end; an exit status other than 0 is an error that shows the end of the
    /// log.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        let mut log = File::options().append(true).open(&self.log)?;
        writeln!(log, "+ {command:?}")?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let status = command::status(command, seconds(LIMIT))
            .with_context(|| format!("step {}", self.name))?;
        if !status.success() {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines[lines.len().saturating_sub(25)..].join("\n");
            bail!(
                "step {} failed: {:?} ended with {status}; the whole log is {}, its end:\n{tail}",
                self.name,
                command.get_program(),
                self.log.display()
            );
        }
        Ok(())
    }

    /// Ends the step and says how long it took.
    pub fn done(self) {
        println!(
            "    {} done in {:.1} s",
            self.name,
            self.started.elapsed().as_secs_f64()
        );
    }
}

/// A key that changes when any of its inputs does.
#[derive(Clone)]
pub struct Key(Sha256);

impl Key {
    /// A key of some kind of thing; `what` and the first inputs tell kinds apart.
    pub fn new(what: &str) -> Self {
        Self(Sha256::new()).text(what)
    }

    /// Adds a piece of text.
    pub fn text(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
        self
    }

    /// Adds a file's content, or that of all files below a folder with their relative paths.
    pub fn path(mut self, path: &Path) -> Result<Self> {
        for entry in WalkDir::new(path).sort_by_file_name() {
            let entry = entry.with_context(|| format!("cannot read {}", path.display()))?;
            let name = entry
                .path()
                .strip_prefix(path)?
                .to_string_lossy()
                .into_owned();
            if entry.file_type().is_file() {
                let content = fs::read(entry.path())?;
                self = self.text(&name);
                self.0.update((content.len() as u64).to_be_bytes());
                self.0.update(content);
            } else if entry.file_type().is_symlink() {
                let target = fs::read_link(entry.path())?;
                self = self.text(&name).text(&target.to_string_lossy());
                // A file of the checkout's that two programs share; an absolute one is the guest's.
                if target.is_relative() && entry.path().is_file() {
                    self.0.update(fs::read(entry.path())?);
                }
            }
        }
        Ok(self)
    }

    /// The key, 16 hexadecimal digits.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())[..16].to_owned()
    }
}

/// SHA-256 of a file, in hexadecimal.
pub fn sha256_file(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    std::io::copy(&mut file, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
