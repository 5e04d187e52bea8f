// SPDX-License-Identifier: MIT
//! Python tools of lint, with the hashes of `requirements.txt`, in a virtual environment of their own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::inputs;
use host::built::unless_built;
use host::paths::Paths;
use host::step::{Key, Step};

/// Installs them unless they are there, and returns the folder of the programs.
pub(crate) fn install(paths: &Paths, step: &Step) -> Result<PathBuf> {
    let venv = paths.cache.join("python");
    let requirements = inputs::requirements(&paths.root);
    let key = Key::new("python").path(&requirements)?.finish();
    unless_built(&venv, &key, || {
        step.run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&venv),
        )?;
        step.run(
            Command::new(venv.join("bin/pip"))
                .args(["install", "--quiet", "--require-hashes", "-r"])
                .arg(&requirements),
        )
    })?;
    Ok(venv.join("bin"))
}
