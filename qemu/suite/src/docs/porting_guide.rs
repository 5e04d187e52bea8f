// SPDX-License-Identifier: MIT
//! docs/how-to/port-a-board.md: its files and commands, word for word, on a copy of the boards.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use board::Need;
use host::command::output;
use host::paths::Paths;

use crate::frame::{Case, case};

/// A step of the guide: a file with its content, or a command with the lines that it prints among
/// others.
enum Step {
    File(String, String),
    Command(String, Vec<String>),
}

/// The indented blocks of the guide. One after a line "`path`:" is that file; others have
/// commands behind `$ `. What the reader is to do on the real board is behind another prompt.
fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut path, mut open) = (None, false);
    for line in text.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            if let Some(named) = line.strip_prefix('`').and_then(|l| l.strip_suffix("`:")) {
                path = Some(named.to_owned());
            } else if !line.is_empty() {
                path = None;
            }
            // An empty line belongs to the block around it.
            open &= line.is_empty();
            continue;
        };
        if let Some(named) = path.take() {
            steps.push(Step::File(named, String::new()));
            open = true;
        }
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step::Command(command.to_owned(), Vec::new()));
                open = true;
            }
            (None, Some(Step::File(_, content))) if open => *content += &format!("{line}\n"),
            (None, Some(Step::Command(_, said))) if open => said.push(line.to_owned()),
            // For the reader alone.
            (None, _) => {}
        }
    }
    steps
}

pub fn cases() -> Vec<Case> {
    vec![
        case!(host, the_guide_makes_a_board)
            .needs(Need::Host)
            .limit(600),
    ]
}

fn the_guide_makes_a_board() -> Result<()> {
    let paths = Paths::discover()?;
    let scratch = tempfile::tempdir()?;
    let root = scratch.path();
    shell(&format!("cp -a {}/board .", paths.root.display()), root)?;
    // What the checks take from elsewhere.
    fs::create_dir_all(root.join("qemu/image"))?;
    for name in ["qemu/image/inputs.toml", "qemu/image/requirements.txt"] {
        fs::copy(paths.root.join(name), root.join(name))?;
    }
    let guide = fs::read_to_string(paths.root.join("docs/how-to/port-a-board.md"))?;
    let steps = steps(&guide);
    let (mut files, mut checks) = (0, 0);
    for step in steps {
        match step {
            Step::File(path, content) => {
                fs::write(root.join(&path), content).with_context(|| path.clone())?;
                files += 1;
            }
            Step::Command(command, said) => {
                let output = match command.strip_prefix("make check-board BOARD=") {
                    Some(name) => {
                        checks += 1;
                        check_board(root, name)?
                    }
                    None => shell(&command, root)?,
                };
                let mut lines = output.lines();
                for line in said {
                    ensure!(
                        lines.any(|printed| printed == line),
                        "{command} does not print {line:?} (there), but\n{output}"
                    );
                }
            }
        }
    }
    ensure!(files >= 3 && checks == 1, "{files} files, {checks} checks");
    Ok(())
}

/// What `make check-board` runs, on the copy.
fn check_board(copy: &Path, name: &str) -> Result<String> {
    let program = std::env::current_exe()?.with_file_name("xtask");
    let output = output(Command::new(&program).arg("--checkout").arg(copy).args([
        "--board",
        name,
        "check-board",
    ]))?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "check-board ended with {}: {text}",
        output.status
    );
    Ok(text)
}

fn shell(command: &str, folder: &Path) -> Result<String> {
    let output = output(
        Command::new("sh")
            .args(["-ec", command])
            .current_dir(folder),
    )?;
    if !output.status.success() {
        bail!("{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
