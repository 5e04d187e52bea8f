// SPDX-License-Identifier: MIT
//! `make lint`: everything that judges the source without running it.

use std::process::Command;

use anyhow::Result;

use crate::docs::Files;
use crate::{circles, docs, licensing};
use board::Board;
use host::command::output_of;
use host::paths::Paths;
use host::step::Step;
use image::toolchain::Toolchain;
use image::{Builder, binding, check, module_lint, patches_lint, series_lint};

/// What cargo builds each by itself.
const WORKSPACES: [&str; 3] = ["qemu", "userland", "userland/fuzz"];

/// What other programs may depend on.
const CRATES: [&str; 2] = ["resmem", "resdump-format"];
/// Of these, what other systems than Linux have as well, and a target of each.
const PORTABLE: &str = "resdump-format";
const OTHER_SYSTEMS: [&str; 2] = ["x86_64-pc-windows-msvc", "aarch64-apple-darwin"];

/// The ABI says the same in Rust, in C, to each compiler that is here, and on its man page.
fn abi(paths: &Paths, tools: &Toolchain) -> Result<()> {
    let step = Step::start(
        &paths.out.join("log"),
        "lint-abi",
        "the ABI in Rust, in C and on its man page",
    )?;
    step.run(
        tools
            .command(tools.tool("cargo"))
            .args(["test", "--quiet", "--locked", "--package", "kmod-tests"])
            .args(["--test", "header", "--test", "manual"])
            .current_dir(paths.root.join("userland"))
            .env("CARGO_TARGET_DIR", paths.out.join("target/userland")),
    )?;
    step.run(
        Command::new("mandoc")
            .args(["-T", "lint", "-W", "warning"])
            .arg(paths.root.join("kmod/resmem.4")),
    )?;
    step.done();
    Ok(())
}

/// Crates for other programs: complete, and buildable from what a registry would have of them.
fn publishable(paths: &Paths, tools: &Toolchain) -> Result<()> {
    let step = Step::start(
        &paths.out.join("log"),
        "lint-publish",
        "crates as a registry would have them",
    )?;
    step.run(
        tools
            .command(tools.tool("cargo"))
            .args([
                "publish",
                "--dry-run",
                "--locked",
                "--allow-dirty",
                "--quiet",
            ])
            .args(CRATES.map(|name| format!("--package={name}")))
            .current_dir(paths.root.join("userland"))
            .env("CARGO_TARGET_DIR", paths.out.join("target/userland")),
    )?;
    for system in OTHER_SYSTEMS {
        // Their standard library from source: no distribution has it.
        step.run(
            tools
                .command(tools.tool("cargo"))
                .args([
                    "check",
                    "--locked",
                    "--quiet",
                    "-Zbuild-std",
                    "--target",
                    system,
                ])
                .args(["--package", PORTABLE])
                .current_dir(paths.root.join("userland"))
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_DIR", paths.out.join("target/hosts")),
        )?;
    }
    step.done();
    Ok(())
}

/// Runs all checks; the first that fails ends it.
pub fn lint(paths: &Paths, tools: &Toolchain, board: &Board) -> Result<()> {
    docs::check(paths)?;
    let step = Step::start(&paths.out.join("log"), "lint-circles", "import circles")?;
    circles::check(paths, &Files::list(paths)?)?;
    step.done();
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
    abi(paths, tools)?;
    publishable(paths, tools)?;
    patches_lint(&builder)?;
    series_lint(&builder)?;

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
        let optional = board.is_detector() || !board.conf.release.0;
        if optional && !check::has_compiler(&board)? {
            let compiler = board.kernel_compiler();
            println!("==> check-{name}: SKIPPED, it needs {compiler} (qemu/setup.sh)");
            continue;
        }
        check::board(&Builder {
            board: &board,
            ..builder
        })?;
    }
    Ok(())
}
