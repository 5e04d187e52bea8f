// SPDX-License-Identifier: MIT
//! Kernel modules, each built from a copy of its folder next to the kernel it is for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::builder::Builder;
use crate::linux::{Kernel, Source, make};
use host::built::{self, unless_built};
use host::step::{Key, Step};

/// Next to a module's objects: the key of the kernel that they were compiled for.
const KERNEL: &str = ".kernel";

/// Builds the module `name` from the folder `sources` of the checkout and returns its path.
pub fn build(
    builder: &Builder<'_>,
    source: &Source,
    kernel: &Kernel,
    bindgen: &Path,
    sources: &str,
    name: &str,
) -> Result<PathBuf> {
    let board = &builder.board.kernel;
    let folder = kernel
        .build
        .with_file_name(format!("{board}-{}-{name}", builder.flavour));
    let origin = builder.paths.root.join(sources);
    let key = Key::new("module 2")
        .path(&origin)?
        .text(&kernel.key)
        .finish();
    unless_built(&folder, &key, || {
        let step = format!("{name}-{board}-{}", builder.flavour);
        let step = Step::start(&builder.logs(), &step, "build the kernel module")?;
        // Kbuild looks for changed options next to a module's sources, where they are not: what was compiled
        // for another kernel would stay.
        let kernel_of = folder.join(KERNEL);
        if fs::read_to_string(&kernel_of).ok().as_ref() != Some(&kernel.key) {
            fs::remove_dir_all(&folder)?;
        }
        copy_sources(&origin, &folder)?;
        fs::write(&kernel_of, &kernel.key)?;
        step.run(
            make(builder, &source.tree, &kernel.build, bindgen)?
                .arg(format!("M={}", folder.display()))
                .arg("modules"),
        )?;
        step.done();
        Ok(())
    })?;
    Ok(folder.join(format!("{name}.ko")))
}

/// The modules of the kernel itself.
pub fn of_kernel(kernel: &Kernel) -> Result<Vec<PathBuf>> {
    let order = fs::read_to_string(kernel.build.join("modules.order"))?;
    let module = |line: &str| kernel.build.join(line).with_extension("ko");
    Ok(order.lines().map(module).collect())
}

/// Brings the copy up to date, subfolders included: files that did not change keep their time, so that only
/// what changed is compiled; files that went are removed.
pub fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if !from.join(&name).is_dir() {
                fs::remove_dir_all(entry.path())?;
            }
        } else if is_source(&name.to_string_lossy()) && !from.join(&name).exists() {
            fs::remove_file(entry.path())?;
        }
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_sources(&entry.path(), &target)?;
            continue;
        }
        if !is_source(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let content = fs::read(entry.path())?;
        if fs::read(&target).ok().as_deref() != Some(&content) {
            fs::write(&target, content)?;
        }
    }
    Ok(())
}

/// Sources as opposed to what a build leaves; `helpers.rs` is made by bindgen.
fn is_source(name: &str) -> bool {
    name == "Kbuild"
        || (name.ends_with(".rs") && name != "helpers.rs")
        || (name.ends_with(".c") && !name.ends_with(".mod.c"))
        || name.ends_with(".h")
        || name.ends_with(".S")
        || name.ends_with(".awk")
}

/// The kernel's own rustfmt settings and its clippy on the module; warnings are errors.
pub fn lint(builder: &Builder<'_>) -> Result<()> {
    let _inputs = built::hold();
    let bindgen = super::bindgen::build(builder)?;
    let source = super::linux::source(builder)?;
    let kernel = super::linux::build(builder, &source, &bindgen)?;
    let step = Step::start(
        &builder.logs(),
        "lint-kmod",
        "the kernel's rustfmt and clippy",
    )?;
    let origin = builder.paths.root.join("kmod");
    step.run(
        builder
            .tools
            .command(builder.tools.tool("rustfmt"))
            .args(["--check", "--edition=2021", "--config-path"])
            .arg(source.tree.join(".rustfmt.toml"))
            .arg(origin.join("resmem_main.rs"))
            .arg(builder.paths.root.join("qemu/planted/planted.rs")),
    )?;
    let folder = kernel.build.with_file_name("lint-resmem");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    copy_sources(&origin, &folder)?;
    step.run(
        make(builder, &source.tree, &kernel.build, &bindgen)?
            .arg(format!("M={}", folder.display()))
            .args(["CLIPPY=1", "W=e", "modules"]),
    )?;
    step.done();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// What the module's build says of a disassembly of its callbacks: `Err` with its words for refused.
    fn judge(disassembly: &str) -> Result<(), String> {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../kmod/abstractions/leave.awk"
        );
        let mut awk = Command::new("awk")
            .args(["-f", script])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        awk.stdin
            .take()
            .unwrap()
            .write_all(disassembly.as_bytes())
            .unwrap();
        let output = awk.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        output.status.success().then_some(()).ok_or(said)
    }

    const FPUT: &str = "000000e4 <released>:\n  e4:\t48 00 00 00 \tb       e4 <released>\n\t\t\te4: R_PPC_REL24\tfput\n";

    #[test]
    fn a_callback_that_jumps_out_of_the_module_passes() {
        let jump = "00000000 <read>:\n  e0:\t48 00 00 00 \tb       e0 <read+0x1c>\n\t\t\te0: R_PPC_REL24\tcomplete\n";
        assert_eq!(judge(&format!("{jump}{FPUT}")), Ok(()));
    }

    #[test]
    fn a_callback_that_calls_and_returns_is_refused() {
        let call = "00000000 <read>:\n  e0:\t48 00 00 01 \tbl      e0 <read+0x1c>\n\t\t\te0: R_PPC_REL24\tcomplete\n";
        let said = judge(&format!("{call}{FPUT}")).unwrap_err();
        assert!(said.contains("<read>: calls complete() by bl"), "{said}");
        let returns = format!("{FPUT}  e8:\t4e 80 00 20 \tblr\n");
        let said = judge(&returns).unwrap_err();
        assert!(said.contains("<released>: returns"), "{said}");
    }

    #[test]
    fn a_disassembly_without_callbacks_is_refused() {
        let said = judge("").unwrap_err();
        assert!(said.contains("nothing jumps to complete()"), "{said}");
    }
}
