// SPDX-License-Identifier: MIT
//! `make lint`: everything that judges the source without running it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::board::Board;
use crate::image::{Builder, module_lint};
use crate::paths::Paths;
use crate::step::{Key, Step, output_of, unless_built};
use crate::toolchain::Toolchain;

/// The release of the device-tree schema tools, from the Python package index.
const DTSCHEMA: &str = "dtschema==2026.9";

/// Runs all checks; the first that fails ends it.
pub fn lint(paths: &Paths, tools: &Toolchain, board: &Board) -> Result<()> {
    let logs = paths.out.join("log");
    for workspace in ["qemu", "qemu/probe", "userland"] {
        let name = format!("lint-{}", workspace.replace('/', "-"));
        let step = Step::start(&logs, &name, &format!("rustfmt and clippy on {workspace}"))?;
        let cargo = |arguments: &[&str]| {
            let mut cargo = tools.command(tools.tool("cargo"));
            cargo
                .args(arguments)
                .current_dir(paths.root.join(workspace))
                .env("CARGO_TARGET_DIR", paths.out.join("target").join(workspace));
            cargo
        };
        step.run(&mut cargo(&["fmt", "--all", "--check"]))?;
        step.run(&mut cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))?;
        step.done();
    }

    let builder = Builder {
        paths,
        tools,
        board,
        flavour: "appliance",
    };
    module_lint(&builder)?;

    let step = Step::start(&logs, "lint-shell", "shellcheck")?;
    let files = output_of(
        Command::new("git")
            .args(["grep", "-lE", "^#!.*/(ba|da)?sh"])
            .current_dir(&paths.root),
    )?;
    step.run(
        Command::new("shellcheck")
            .args(files.lines())
            .current_dir(&paths.root),
    )?;
    step.done();

    binding(paths, board)
}

/// The binding against the meta-schema, its examples against the binding, and the board's own tree
/// against both.
fn binding(paths: &Paths, board: &Board) -> Result<()> {
    let step = Step::start(
        &paths.out.join("log"),
        "lint-binding",
        "device-tree binding",
    )?;
    let venv = paths.cache.join("dtschema");
    unless_built(&venv, &Key::new(DTSCHEMA).finish(), || {
        step.run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&venv),
        )?;
        step.run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", DTSCHEMA]))
    })?;
    let bindings = paths.root.join("board/common/bindings");
    let tool = |name: &str| {
        let mut command = Command::new(venv.join("bin").join(name));
        command.current_dir(&bindings);
        command
    };
    let scratch = tempfile::tempdir()?;
    let at = |name: &str| -> PathBuf { scratch.path().join(name) };
    let schema = "resdump,resmem.yaml";

    step.run(tool("dt-doc-validate").args(["-u", ".", schema]))?;
    let example = output_of(tool("dt-extract-example").arg(schema))?;
    std::fs::write(at("example.dts"), example)?;
    step.run(
        Command::new("dtc")
            .args(["-q", "-O", "dtb", "-o"])
            .arg(at("example.dtb"))
            .arg(at("example.dts")),
    )?;
    // The board's overlay on an empty tree.
    std::fs::write(
        at("base.dts"),
        "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; model = \"x\"; compatible = \"x\"; };",
    )?;
    for (source, target) in [
        (at("base.dts"), at("base.dtb")),
        (board.file("resmem.dtso")?, at("board.dtbo")),
    ] {
        step.run(
            Command::new("dtc")
                .args(["-q", "-@", "-O", "dtb", "-o"])
                .arg(target)
                .arg(source),
        )?;
    }
    crate::devicetree::apply(&at("base.dtb"), &at("board.dtbo"), &at("board.dtb"))?;
    for tree in ["example.dtb", "board.dtb"] {
        // It exits with 0 whatever it finds.
        let output = tool("dt-validate")
            .args(["-s", ".", "-l", "resmem"])
            .arg(at(tree))
            .output()?;
        let findings =
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if !findings.is_empty() || !output.status.success() {
            anyhow::bail!("{tree} does not follow the binding:\n{findings}");
        }
    }
    step.done();
    Ok(())
}
