// SPDX-License-Identifier: MIT
//! Each patch to Linux compiles by itself: on the source as it is released, with no other patch of ours.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use super::{apply, changed, read};
use crate::builder::Builder;
use crate::{bindgen, kconfig, linux};
use host::step::Step;

/// What is compiled for a header that a patch changes: objects that use what is changed in it.
const USERS: [(&str, &[&str]); 3] = [
    ("arch/powerpc/include/asm/bug.h", &["kernel/panic.o"]),
    (
        "arch/powerpc/include/asm/hw_irq.h",
        &["arch/powerpc/kernel/irq.o", "arch/powerpc/kvm/booke.o"],
    ),
    (
        "include/linux/fs.h",
        &["fs/inode.o", "fs/ext4/inode.o", "mm/filemap.o"],
    ),
];

/// The debug kernel's configuration without Rust, which does not compile without the first patch, and with KVM.
const CONFIGURATION: &str =
    "# CONFIG_RUST is not set\nCONFIG_VIRTUALIZATION=y\nCONFIG_KVM_E500MC=y\n";

/// Compiles what each patch touches, one patch after the other, with warnings as errors. The board must be an e500mc.
pub fn build(builder: &Builder<'_>) -> Result<()> {
    let _inputs = host::built::hold();
    let bindgen = bindgen::build(builder)?;
    let source = linux::source(builder)?;
    let folder = builder.board.common.join("linux");
    let applied = linux::patches_in(&folder.join("patches"))?;
    let others = linux::patches_in(&folder.join("upstream"))?;

    let step = Step::start(
        &builder.logs(),
        "patches-alone",
        "released Linux, for patches one at a time",
    )?;
    let scratch = builder.paths.cache.join("linux-alone");
    let (tree, build) = (scratch.join("tree"), scratch.join("build"));
    fresh(&step, &source.tree, &tree)?;
    for patch in applied.iter().rev() {
        step.run(apply(&tree, patch).arg("-R"))?;
    }
    fs::create_dir_all(&build)?;
    let make = || linux::make(builder, &tree, &build, &bindgen);
    let wanted = kconfig::wanted(builder.board, builder.flavour)?;
    // Options of Rust's are none without it.
    let wanted: String = wanted
        .lines()
        .filter(|line| !line.starts_with("CONFIG_RUST"))
        .flat_map(|line| [line, "\n"])
        .chain([CONFIGURATION])
        .collect();
    kconfig::configure(&step, builder.board, &wanted, make()?, &build)?;
    step.run(make()?.arg("prepare"))?;
    step.done();

    for patch in applied.iter().chain(&others) {
        let objects = objects(&changed(&read(patch)?))?;
        let name = patch.file_name().unwrap_or_default().to_string_lossy();
        let log = format!("patch-alone-{}", name.split('-').next().unwrap_or_default());
        let what = format!("{name} alone: {}", objects.join(" "));
        let step = Step::start(&builder.logs(), &log, &what)?;
        step.run(&mut apply(&tree, patch))?;
        let compiled = step.run(make()?.arg("W=e").args(&objects));
        step.run(apply(&tree, patch).arg("-R"))?;
        compiled?;
        step.done();
    }
    Ok(())
}

/// A copy of a source tree that shares its files; `patch` replaces those that it changes.
fn fresh(step: &Step, from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    step.run(
        Command::new("cp")
            .args(["-a", "--link", "-T"])
            .arg(from)
            .arg(to),
    )
}

/// What is compiled for these files.
fn objects(changed: &[String]) -> Result<Vec<String>> {
    let mut objects = Vec::new();
    for file in changed {
        if let Some(stem) = file.strip_suffix(".c") {
            objects.push(format!("{stem}.o"));
            continue;
        }
        let Some((_, users)) = USERS.iter().find(|(header, _)| header == file) else {
            bail!("{file}: no object is named that uses it");
        };
        objects.extend(users.iter().map(|user| (*user).to_owned()));
    }
    ensure!(!objects.is_empty(), "the patch changes nothing");
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_file_is_compiled_and_a_header_where_it_is_used() {
        let changed = ["lib/a.c", "include/linux/fs.h"].map(str::to_owned);
        let objects = objects(&changed).unwrap();
        assert_eq!(objects[..2], ["lib/a.o", "fs/inode.o"]);
    }

    #[test]
    fn a_header_that_no_object_is_known_for_is_refused() {
        assert!(objects(&["include/linux/other.h".to_owned()]).is_err());
        assert!(objects(&[]).is_err());
    }
}
