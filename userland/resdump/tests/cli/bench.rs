// SPDX-License-Identifier: MIT

//! A folder to run the program in.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder on a disk, with a saved file in it.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) bytes: Vec<u8>,
}

impl Bench {
    pub(crate) fn new(size: usize) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // A linear congruence: no two blocks are alike.
        let mut state = 1u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(size)
        .collect();
        fs::write(folder.path().join("saved"), &bytes).unwrap();
        Self { folder, bytes }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let output = command(self.folder.path(), args).output().unwrap();
        expect_own_options(args, &output);
        output
    }

    /// Runs it with a reader of its standard output that has gone away.
    pub(crate) fn run_unread(&self, args: &[&str]) -> Output {
        let mut child = command(self.folder.path(), args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        child.wait_with_output().unwrap()
    }

    /// Runs `dump ./saved ./out` with `args` and `--json`; status and object.
    pub(crate) fn dump(&self, args: &[&str]) -> (i32, Value) {
        let output = self.run(&[&["dump", "./saved", "./out", "--json"], args].concat());
        (
            output.status.code().unwrap(),
            serde_json::from_slice(&output.stdout).unwrap(),
        )
    }

    /// The manifest of what `dump` wrote.
    pub(crate) fn manifest(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("out.json")).unwrap()).unwrap()
    }

    /// The text of a manifest; nothing is left of its dump.
    pub(crate) fn manifest_text(&self) -> String {
        self.dump(&[]);
        let text = fs::read_to_string(self.path("out.json")).unwrap();
        fs::remove_file(self.path("out")).unwrap();
        fs::remove_file(self.path("out.json")).unwrap();
        text
    }

    /// Gives the saved file the manifest of a dump of a board's: big-endian, at 0x10000000.
    pub(crate) fn describe(&self) {
        let text = self.manifest_text();
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        manifest["region"] = "capture".into();
        manifest["base"] = 0x1000_0000.into();
        manifest["system"]["machine"] = "ppc".into();
        manifest["system"]["byte_order"] = "big".into();
        fs::write(self.path("saved.json"), manifest.to_string()).unwrap();
    }

    pub(crate) fn out(&self) -> Vec<u8> {
        fs::read(self.path("out")).unwrap()
    }
}

/// Advice names options of the command that was run, and of another only within quotes.
fn expect_own_options(args: &[&str], output: &Output) {
    use clap::CommandFactory;
    let mut cli = resdump::cli::Cli::command();
    cli.build();
    let Some(command) = args.iter().find_map(|name| cli.find_subcommand(name)) else {
        return;
    };
    let known = |word: &str| {
        let mut all = command.get_arguments().chain(cli.get_arguments());
        all.any(|arg| arg.get_long() == Some(word))
    };
    let said = String::from_utf8_lossy(&output.stderr);
    for line in said.lines().filter(|line| line.starts_with("resdump: ")) {
        // What another end says is about its own; what is quoted is another command.
        let line = line.split(" it says: ").next().unwrap_or(line);
        let own: String = line.split('\'').step_by(2).collect();
        let words = own.split(|it: char| !it.is_ascii_alphanumeric() && it != '-');
        for word in words.filter_map(|word| word.strip_prefix("--")) {
            let is_given = args.iter().any(|arg| arg.contains(word));
            assert!(
                known(word) || is_given || word == "help",
                "{args:?}: --{word}: {line}"
            );
        }
    }
}

/// Where it is.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_resdump");

/// The program, to be run in `folder`. A shell's job in the background is started with signals ignored: that
/// would hold for the program too.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT,QUIT,HUP,TERM", PROGRAM])
        .args(args)
        .current_dir(folder)
        .env_remove("RUST_LOG");
    command
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
