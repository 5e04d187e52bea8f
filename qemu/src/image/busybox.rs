// SPDX-License-Identifier: MIT
//! busybox, from the distribution's source package with the board's configuration.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::linux::dropped_lines;
use super::{Builder, apt};
use crate::step::{Key, Step, output_of, unless_built};

const SUITE: &str = "bookworm";

/// A built busybox.
pub struct Busybox {
    /// The static program.
    pub program: PathBuf,
    /// Paths of its links, absolute, a line each.
    pub links: PathBuf,
    /// File name of the source it was built from.
    pub origin: String,
}

/// Builds busybox.
pub fn build(builder: &Builder<'_>) -> Result<Busybox> {
    let prefix = builder.board.get("CROSS_COMPILE")?;
    let folder = builder
        .paths
        .cache
        .join(format!("busybox-{}", prefix.trim_end_matches('-')));
    let wanted = fs::read_to_string(builder.board.common.join("busybox.config"))?;
    let key = Key::new("busybox 1")
        .text(&wanted)
        .text(&output_of(
            Command::new(format!("{prefix}gcc")).arg("--version"),
        )?)
        .finish();
    let tree = folder.join("tree");
    unless_built(&folder, &key, || {
        let step = Step::start(&builder.logs(), "busybox", "get and build busybox")?;
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        fs::create_dir_all(&tree)?;
        let tarball = apt::Apt::prepare(builder, &step, &[SUITE])?.source(&step, "busybox")?;
        step.run(
            Command::new("tar")
                .arg("-xf")
                .arg(&tarball)
                .arg("-C")
                .arg(&tree)
                .arg("--strip-components=1"),
        )?;
        let make = |target: &str| {
            let mut make = builder.tools.command("make");
            make.arg("-C")
                .arg(&tree)
                .arg(format!("CROSS_COMPILE={prefix}"))
                .arg("-j2")
                .arg(target)
                .env("SOURCE_DATE_EPOCH", "0");
            make
        };
        let all = folder.join("wanted.config");
        fs::write(&all, &wanted)?;
        step.run(make("allnoconfig").arg(format!("KCONFIG_ALLCONFIG={}", all.display())))?;
        let dropped = dropped_lines(&wanted, &fs::read_to_string(tree.join(".config"))?);
        if !dropped.is_empty() {
            bail!("busybox's Kconfig dropped: {}", dropped.join(", "));
        }
        step.run(&mut make("busybox"))?;
        step.run(&mut make("busybox.links"))?;
        let name = tarball.file_name().unwrap_or_default();
        fs::write(folder.join("origin"), name.to_string_lossy().as_bytes())?;
        step.done();
        Ok(())
    })?;
    Ok(Busybox {
        program: tree.join("busybox"),
        links: tree.join("busybox.links"),
        origin: fs::read_to_string(folder.join("origin"))?,
    })
}
