// SPDX-License-Identifier: MIT

//! `resdump completions`: what a shell needs to complete the command line.

use clap_complete::Shell;

use crate::{assets, console::Console, error::Result, exit_codes::ExitCode};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Runs `completions`, for the definition of all commands.
pub fn run(args: &Args, commands: clap::Command, console: &Console) -> Result<ExitCode> {
    let text = assets::completions(commands, args.shell);
    if console.is_json() {
        let object = serde_json::json!({
            "shell": args.shell.to_string(),
            "text": String::from_utf8_lossy(&text),
        });
        console.object(&object, None)?;
    } else {
        console.text(|out| out.write_all(&text))?;
    }
    Ok(ExitCode::Ok)
}
