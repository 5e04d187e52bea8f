// SPDX-License-Identifier: MIT
//! `make update-inputs`: pins what the mirror has now.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::apt::Apt;
use crate::builder::Builder;
use crate::inputs::{self, Inputs};
use crate::python;
use host::step::Step;

/// Rewrites inputs.toml and requirements.txt of the checkout.
pub fn update(builder: &Builder<'_>) -> Result<()> {
    let root = &builder.paths.root;
    let step = Step::start(&builder.logs(), "update-inputs", "what the mirror has now")?;
    let inputs = Inputs::load(root)?;
    let _lock = builder.paths.lock_downloads()?;
    for (name, pinned) in [("linux", &inputs.linux), ("busybox", &inputs.busybox)] {
        let newest = Apt::prepare(builder, &step, &[&pinned.suite])?.newest(pinned)?;
        println!("    {name}: {} -> {}", pinned.version, newest.version);
        inputs::write(root, &inputs::replaced(root, name, &newest)?)?;
    }
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("in"), inputs.python.packages.join("\n"))?;
    step.run(
        Command::new(python::install(builder.paths, &step)?.join("pip-compile"))
            .args(["--quiet", "--generate-hashes", "--allow-unsafe"])
            .args(["--strip-extras", "--no-header", "--no-annotate"])
            .args([
                "--no-emit-index-url",
                "--no-emit-trusted-host",
                "--no-emit-find-links",
            ])
            .arg("-o")
            .arg(at("out"))
            .arg(at("in")),
    )?;
    let file = inputs::requirements(root);
    let old = fs::read_to_string(&file)?;
    let head: String = old
        .lines()
        .take_while(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let new = fs::read_to_string(at("out"))?;
    println!("    python: {} packages", new.matches("==").count());
    fs::write(&file, head + new.trim_start())?;
    println!("    bindgen, cargo-deny: by hand, in qemu/image/inputs.toml");
    step.done();
    Ok(())
}
