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
    let built = cargo(builder, programs[0], &programs, &[])?;
    Ok(programs.map(|program| built.join(program)))
}

/// Examples of the client crate, which the suite runs as a user would.
const EXAMPLES: [&str; 6] = ["dump", "export", "handover", "load", "record", "snapshot"];

/// Builds `packages`, or of one its `examples`, as what is called `name`; the folder with the programs.
fn cargo(
    builder: &Builder<'_>,
    name: &str,
    packages: &[&str],
    examples: &[&str],
) -> Result<PathBuf> {
    let target = &builder.board.conf.rust_target;
    let linker = builder.board.c_compiler();
    // Of this checkout alone: cargo takes sources of another one, of the same names and older, for
    // its own. One folder for all programs: they share the standard library.
    let folder = builder.paths.out.join("target/guest");
    let workspace = builder.paths.root.join(WORKSPACE);
    let (programs, built) = match examples {
        [] => (packages, "release"),
        _ => (examples, "release/examples"),
    };
    let built = folder.join(target).join(built);
    // The io-uring crate names 64-bit machines only, and works on this one too: see
    // docs/reference/dependencies.md. For size: without the places of panics in the
    // sources; without tables for unwinding, which a panic does not do here; and
    // without position-independent code, which a static program has no use for.
    let mut flags = [
        "-Ctarget-feature=+crt-static -Crelocation-model=static -Cforce-unwind-tables=no",
        "-Zlocation-detail=none --cfg=io_uring_skip_arch_check",
    ]
    .join(" ");
    if let Some(cpu) = &builder.board.conf.rust_cpu {
        flags += &format!(" -Ctarget-cpu={cpu}");
    }
    let stripped = folder.join("stripped").join(target).join(name);
    let mut key = Key::new("cross 9")
        .text(&programs.join(" "))
        .text(target)
        .path(&workspace.join("Cargo.toml"))?
        .path(&workspace.join("Cargo.lock"))?
        .path(&workspace.join("resmem"))?
        .path(&workspace.join("resdump-format"))?
        .text(&builder.tools.version);
    if let Some(cpu) = &builder.board.conf.rust_cpu {
        key = key.text(cpu);
    }
    for package in packages {
        key = key.path(&workspace.join(package))?;
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
                .args(
                    packages
                        .iter()
                        .map(|package| format!("--package={package}")),
                )
                .args(
                    examples
                        .iter()
                        .map(|example| format!("--example={example}")),
                )
                .args(["--target", target, "-Zbuild-std=std,panic_abort"])
                .arg("-Zbuild-std-features=optimize_for_size")
                // Programs are the same from whichever folder, and do not name the user's.
                .arg("-Ztrim-paths")
                .env("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all")
                // Stripped below: another build would not have its functions at the same addresses.
                .env("CARGO_PROFILE_RELEASE_STRIP", "none")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTFLAGS", &flags)
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
    Ok(stripped)
}

/// Programs that know the module as any other program does, by their names in the guest: the examples in C, which have
/// its header alone, and those of the client crate.
pub fn clients(builder: &Builder<'_>) -> Result<Vec<(PathBuf, String)>> {
    let of_crate = cargo(builder, "examples", &["resmem"], &EXAMPLES)?;
    let in_c = c_examples(builder)?;
    Ok([(of_crate, "resmem-rust"), (in_c, "resmem-c")]
        .into_iter()
        .flat_map(|(folder, name)| {
            EXAMPLES.map(|example| (folder.join(example), format!("{name}-{example}")))
        })
        .collect())
}

/// Compiles the examples in C; the folder with the programs.
fn c_examples(builder: &Builder<'_>) -> Result<PathBuf> {
    let compiler = builder.board.c_compiler();
    let root = &builder.paths.root;
    let (sources, header) = (root.join("kmod/examples"), root.join("kmod/resmem.h"));
    let folder = builder
        .paths
        .out
        .join("target/client")
        .join(&builder.board.name);
    let key = Key::new("client 2")
        .path(&sources)?
        .path(&header)?
        .text(&output_of(Command::new(&compiler).arg("--version"))?)
        .finish();
    unless_built(&folder, &key, || {
        let step = Step::start(&builder.logs(), "client", "compile the examples in C")?;
        // As an SDK has it.
        let include = folder.join("include");
        fs::create_dir_all(include.join("linux"))?;
        fs::copy(&header, include.join("linux/resmem.h"))?;
        for example in EXAMPLES {
            step.run(
                Command::new(&compiler)
                    .args(["-std=c11", "-O2", "-static", "-Wall", "-Wextra", "-Werror"])
                    .arg("-I")
                    .arg(&include)
                    .arg("-o")
                    .arg(folder.join(example))
                    .arg(sources.join(example).with_extension("c")),
            )?;
        }
        step.done();
        Ok(())
    })?;
    Ok(folder)
}
