// SPDX-License-Identifier: MIT
//! `make lint` on the series in `upstream/`: it applies to the source, patch by patch, without fuzz, and its cover
//! letter lists each patch. What it does is tried by `make upstream`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{apply, changed, covers, read};
use crate::builder::Builder;
use crate::linux;
use host::built;
use host::step::Step;

/// Judges the series.
pub fn lint(builder: &Builder<'_>) -> Result<()> {
    let _inputs = built::hold();
    let source = linux::source(builder)?;
    let step = Step::start(
        &builder.logs(),
        "lint-upstream",
        "the series in upstream/ applies",
    )?;
    let folder = builder.paths.root.join("upstream");
    let patches = linux::patches_in(&folder)?;
    ensure!(!patches.is_empty(), "no patches in {}", folder.display());
    let scratch = tempfile::tempdir()?;
    let mut names = BTreeSet::new();
    for patch in &patches {
        names.extend(changed(&read(patch)?));
    }
    take(&source.tree, scratch.path(), &names)?;
    for patch in &patches {
        step.run(&mut apply(scratch.path(), patch))?;
    }
    covers(&folder, patches.iter())?;
    step.done();
    Ok(())
}

/// Copies the files that there are; the others are new.
fn take(tree: &Path, scratch: &Path, names: &BTreeSet<String>) -> Result<()> {
    for name in names.iter().filter(|name| tree.join(name).exists()) {
        let target = scratch.join(name);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(tree.join(name), target).with_context(|| format!("cannot copy {name}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_new_is_not_taken() {
        let (tree, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(tree.path().join("lib")).unwrap();
        fs::write(tree.path().join("lib/a.c"), "a").unwrap();
        let names = ["lib/a.c", "lib/b.c"].map(str::to_owned).into();
        take(tree.path(), scratch.path(), &names).unwrap();
        assert!(scratch.path().join("lib/a.c").exists());
        assert!(!scratch.path().join("lib/b.c").exists());
    }
}
