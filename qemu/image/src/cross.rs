// SPDX-License-Identifier: MIT
//! Programs for the guest, cross-built as static programs: with the names of their functions, which a profile wants,
//! and without, as an image has them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::builder::Builder;
use host::built::unless_built;
use host::command::output_of;
use host::step::{Key, Step};

/// The workspace of the programs, in the checkout.
const WORKSPACE: &str = "userland";

/// Builds `programs`, packages of the workspace for the guest, and returns their paths. Beside each there is the same
/// program with the extension `symbols`.
pub fn build<const N: usize>(builder: &Builder<'_>, programs: [&str; N]) -> Result<[PathBuf; N]> {
    let target = &builder.board.conf.rust_target;
    let linker = builder.board.c_compiler();
    let name = programs[0];
    // Of this checkout alone: cargo takes sources of another one, of the same names and older, for
    // its own. One folder for all programs: they share the standard library.
    let folder = builder.paths.out.join("target/guest");
    let root = &builder.paths.root;
    let workspace = root.join(WORKSPACE);
    let built = folder.join(target).join("release");
    let stripped = folder.join("programs").join(target);
    let mut key = Key::new("cross 8")
        .text(&programs.join(" "))
        .text(target)
        .path(&workspace.join("Cargo.toml"))?
        .path(&workspace.join("Cargo.lock"))?
        .path(&workspace.join("abi"))?
        .path(&workspace.join("recording"))?
        .path(&root.join("kmod/abi.rs"))?
        .path(&root.join("kmod/range.rs"))?
        .text(&builder.tools.version);
    for program in programs {
        key = key.path(&workspace.join(program))?;
    }
    let key = key.finish();
    let mark = folder.join("built").join(target).join(name);
    unless_built(&mark, &key, || {
        let what = format!("cross-build {}", programs.join(", "));
        let step = Step::start(&builder.logs(), name, &what)?;
        let variable = format!(
            "CARGO_TARGET_{}_LINKER",
            target.to_uppercase().replace('-', "_")
        );
        step.run(
            builder
                .tools
                .command(builder.tools.tool("cargo"))
                .current_dir(&workspace)
                // What is for hosts only would fill the flash.
                .args(["build", "--release", "--locked", "--no-default-features"])
                .args(programs.map(|program| format!("--package={program}")))
                .args(["--target", target, "-Zbuild-std=std,panic_abort"])
                .arg("-Zbuild-std-features=optimize_for_size")
                // Programs are the same from whichever folder, and do not name the user's.
                .arg("-Ztrim-paths")
                .env("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all")
                // Stripped below: another build would not have its functions at the same addresses.
                .env("CARGO_PROFILE_RELEASE_STRIP", "none")
                .env("RUSTC_BOOTSTRAP", "1")
                // The io-uring crate names 64-bit machines only, and works on this one too: see
                // docs/reference/dependencies.md. For size: without the places of panics in the
                // sources; without tables for unwinding, which a panic does not do here; and
                // without position-independent code, which a static program has no use for.
                .env(
                    "RUSTFLAGS",
                    "-Ctarget-feature=+crt-static -Crelocation-model=static -Cforce-unwind-tables=no \
                     -Zlocation-detail=none --cfg=io_uring_skip_arch_check",
                )
                .env("CARGO_TARGET_DIR", &folder)
                .env(variable, linker),
        )?;
        let strip = format!("{}strip", builder.board.conf.cross_compile);
        fs::create_dir_all(&stripped)?;
        for program in programs {
            let named = stripped.join(program).with_extension("symbols");
            fs::copy(built.join(program), &named)?;
            step.run(
                Command::new(&strip)
                    .arg("-o")
                    .arg(stripped.join(program))
                    .arg(&named),
            )?;
        }
        step.done();
        Ok(())
    })?;
    Ok(programs.map(|program| stripped.join(program)))
}

/// Compiles the test program in C, which knows the module by its header alone, and returns its path.
pub fn client(builder: &Builder<'_>) -> Result<PathBuf> {
    let compiler = builder.board.c_compiler();
    let root = &builder.paths.root;
    let (source, header) = (root.join("qemu/suite/c/dump.c"), root.join("kmod/resmem.h"));
    let folder = builder
        .paths
        .out
        .join("target/client")
        .join(&builder.board.name);
    let program = folder.join("resmem-dump");
    let key = Key::new("client 1")
        .path(&source)?
        .path(&header)?
        .text(&output_of(Command::new(&compiler).arg("--version"))?)
        .finish();
    unless_built(&folder, &key, || {
        let step = Step::start(&builder.logs(), "client", "compile the test program in C")?;
        // As an SDK has it.
        let include = folder.join("include");
        fs::create_dir_all(include.join("linux"))?;
        fs::copy(&header, include.join("linux/resmem.h"))?;
        step.run(
            Command::new(&compiler)
                .args(["-std=c11", "-O2", "-static", "-Wall", "-Wextra", "-Werror"])
                .arg("-I")
                .arg(&include)
                .arg("-o")
                .arg(&program)
                .arg(&source),
        )?;
        step.done();
        Ok(())
    })?;
    Ok(program)
}
