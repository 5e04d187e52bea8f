// SPDX-License-Identifier: MIT
//! `make lint`: everything that judges the source without running it.

use std::process::Command;

use anyhow::Result;

use crate::{docs, licensing};
use board::Board;
use host::command::output_of;
use host::paths::Paths;
use host::step::Step;
use image::toolchain::Toolchain;
use image::{Builder, binding, check, module_lint, patches_lint};

/// What cargo builds each by itself.
const WORKSPACES: [&str; 3] = ["qemu", "userland", "userland/fuzz"];

/// The ABI's header for C says the same as its Rust file, to each compiler that is here.
fn header(paths: &Paths, tools: &Toolchain) -> Result<()> {
    let step = Step::start(
        &paths.out.join("log"),
        "lint-header",
        "the ABI in C and in Rust",
    )?;
    step.run(
        tools
            .command(tools.tool("cargo"))
            .args(["test", "--quiet", "--locked"])
            .args(["--package", "resmem-abi", "--test", "header"])
            .current_dir(paths.root.join("userland"))
            .env("CARGO_TARGET_DIR", paths.out.join("target/userland")),
    )?;
    step.done();
    Ok(())
}

/// Runs all checks; the first that fails ends it.
pub fn lint(paths: &Paths, tools: &Toolchain, board: &Board) -> Result<()> {
    docs::check(paths)?;
    let logs = paths.out.join("log");
    for workspace in WORKSPACES {
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

    licensing::check(paths, tools, &WORKSPACES)?;

    let builder = Builder {
        paths,
        tools,
        board,
        flavour: "appliance",
    };
    module_lint(&builder)?;
    header(paths, tools)?;
    patches_lint(&builder)?;

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

    image::buildroot::check::lint(paths)?;
    binding::check(paths)?;
    binding::check_ci(paths)?;
    for name in Board::names(&paths.root)? {
        let board = Board::load(&paths.root, &name)?;
        if board.instrument() && !check::has_compiler(&board)? {
            println!("==> check-{name}: SKIPPED, it needs `qemu/setup.sh twin`");
            continue;
        }
        check::board(&Builder {
            board: &board,
            ..builder
        })?;
    }
    Ok(())
}
