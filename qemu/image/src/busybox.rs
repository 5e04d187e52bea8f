// SPDX-License-Identifier: MIT
//! busybox, from the distribution's source package with the board's configuration.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::apt;
use crate::builder::Builder;
use crate::inputs::{Inputs, Origin};
use crate::kconfig::{self, option_of};
use host::built::unless_built;
use host::command::output_of;
use host::step::{Key, Step};

/// A built busybox.
pub struct Busybox {
    /// The static program.
    pub program: PathBuf,
    /// Paths of its links, absolute, a line each.
    pub links: PathBuf,
    /// What it was built from.
    pub origin: Origin,
}

/// Builds busybox.
pub fn build(builder: &Builder<'_>) -> Result<Busybox> {
    let prefix = &builder.board.conf.cross_compile;
    let folder = builder
        .paths
        .cache
        .join(format!("busybox-{}", prefix.trim_end_matches('-')));
    let wanted = fs::read_to_string(builder.board.common.join("busybox.config"))?;
    let source = Inputs::load(&builder.paths.root)?.busybox;
    let key = Key::new("busybox 2")
        .text(&source.sha256)
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
        let tarball = apt::fetch(builder, &step, &source)?;
        step.run(
            Command::new("tar")
                .arg("-xf")
                .arg(&tarball)
                .arg("-C")
                .arg(&tree)
                .arg("--strip-components=1"),
        )?;
        let make = |target: &str| {
            // Options that become available are asked for: an empty line takes the default.
            let mut make = builder.tools.command("sh");
            make.args(["-c", "yes '' | make \"$@\"", "sh", "-C"])
                .arg(&tree)
                .arg(format!("CROSS_COMPILE={prefix}"))
                .arg("-j2")
                .arg(target)
                .env("SOURCE_DATE_EPOCH", "0");
            make
        };
        // busybox's allnoconfig takes no list of exceptions: they are put in afterwards.
        step.run(&mut make("allnoconfig"))?;
        let config = tree.join(".config");
        fs::write(&config, merge(&fs::read_to_string(&config)?, &wanted))?;
        step.run(&mut make("oldconfig"))?;
        let all = folder.join("wanted.config");
        fs::write(&all, &wanted)?;
        kconfig::check("busybox", &all, &config)?;
        step.run(&mut make("busybox"))?;
        step.run(&mut make("busybox.links"))?;
        step.done();
        Ok(())
    })?;
    Ok(Busybox {
        program: tree.join("busybox"),
        links: tree.join("busybox.links"),
        origin: Origin::Package(source),
    })
}

/// A configuration with the lines of another in place of its own.
fn merge(config: &str, wanted: &str) -> String {
    let given = |line: &&str| option_of(line).is_some();
    let options: Vec<&str> = wanted.lines().filter_map(option_of).collect();
    let kept = config
        .lines()
        .filter(|line| option_of(line).is_none_or(|option| !options.contains(&option)));
    let lines: Vec<&str> = kept.chain(wanted.lines().filter(given)).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_lines_replace_the_configurations_own() {
        let config = "# CONFIG_DD is not set\n# CONFIG_VI is not set\n";
        let merged = merge(config, "# tools\nCONFIG_DD=y\n");
        assert_eq!(merged, "# CONFIG_VI is not set\nCONFIG_DD=y\n");
    }
}
