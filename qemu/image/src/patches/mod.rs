// SPDX-License-Identifier: MIT
//! `make lint` on the patches to Linux: they apply to the source one after the other, those that nothing
//! applies and those of single boards behind those of every kernel, and the kernel's own checkpatch finds nothing.

pub(crate) mod alone;
pub(crate) mod series;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::builder::Builder;
use crate::linux;
use board::Board;
use host::built;
use host::step::Step;

/// Judges the patches in `board/common/linux/patches`, `board/common/linux/upstream` and boards' folders.
pub fn lint(builder: &Builder<'_>) -> Result<()> {
    let _inputs = built::hold();
    let source = linux::source(builder)?;
    let step = Step::start(
        &builder.logs(),
        "lint-patches",
        "patches to Linux apply, and checkpatch",
    )?;
    let folder = builder.board.common.join("linux");
    let applied = linux::patches_in(&folder.join("patches"))?;
    let mut others = linux::patches_in(&folder.join("upstream"))?;
    others.extend(of_boards(&builder.paths.root)?);
    ensure!(
        !applied.is_empty(),
        "no patches in {}",
        folder.join("patches").display()
    );
    let scratch = tempfile::tempdir()?;
    take_files(&source.tree, scratch.path(), applied.iter().chain(&others))?;
    for patch in applied.iter().rev() {
        step.run(apply(scratch.path(), patch).arg("-R"))?;
    }
    for patch in applied.iter().chain(&others) {
        step.run(&mut apply(scratch.path(), patch))?;
    }
    for patch in applied.iter().chain(&others) {
        // The source is no repository: there is no history to look the fixed commits up in.
        step.run(
            Command::new("perl")
                .arg(source.tree.join("scripts/checkpatch.pl"))
                .args(["--strict", "--terse", "--no-summary", "--root=."])
                .args(["--ignore", "UNKNOWN_COMMIT_ID"])
                .arg(patch)
                .current_dir(&source.tree),
        )?;
    }
    covers(&folder.join("upstream"), applied.iter().chain(&others))?;
    step.done();
    Ok(())
}

/// Those of single boards; what is only for a detector is not to be sent.
fn of_boards(root: &Path) -> Result<Vec<PathBuf>> {
    let mut patches = Vec::new();
    for name in Board::names(root)? {
        let board = Board::load(root, &name)?;
        let own = root.join("board").join(&name).join("patches");
        if !board.is_detector() && own.is_dir() {
            patches.extend(linux::patches_in(&own)?);
        }
    }
    Ok(patches)
}

/// `patch` without tolerance for lines that are not what the patch says.
fn apply(tree: &Path, patch: &Path) -> Command {
    let mut command = Command::new("patch");
    command
        .arg("-d")
        .arg(tree)
        .args(["-p1", "-f", "--fuzz=0", "--no-backup-if-mismatch", "-i"])
        .arg(patch);
    command
}

/// Copies the files that patches change.
fn take_files<'a>(
    tree: &Path,
    scratch: &Path,
    patches: impl Iterator<Item = &'a PathBuf>,
) -> Result<()> {
    let mut names = BTreeSet::new();
    for patch in patches {
        let changed = changed(&read(patch)?);
        ensure!(!changed.is_empty(), "{} changes nothing", patch.display());
        names.extend(changed);
    }
    for name in names {
        let target = scratch.join(&name);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(tree.join(&name), target).with_context(|| format!("cannot copy {name}"))?;
    }
    Ok(())
}

/// Names of the files that a patch changes.
fn changed(patch: &str) -> Vec<String> {
    let names = patch.lines().filter_map(|line| line.strip_prefix("+++ b/"));
    names.map(str::to_owned).collect()
}

/// Each patch belongs to a series: a cover letter names its subject.
fn covers<'a>(folder: &Path, patches: impl Iterator<Item = &'a PathBuf>) -> Result<()> {
    let mut letters = String::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "cover") {
            letters += &read(&path)?;
        }
    }
    for patch in patches {
        let subject = subject(&read(patch)?)
            .with_context(|| format!("{}: not as git format-patch writes it", patch.display()))?;
        ensure!(
            letters.lines().any(|line| line.trim() == subject),
            "{}: no cover letter in {} lists {subject:?}",
            patch.display(),
            folder.display()
        );
    }
    Ok(())
}

/// The subject of a mail, without what stands in brackets.
fn subject(mail: &str) -> Option<String> {
    let mut lines = mail
        .lines()
        .skip_while(|line| !line.starts_with("Subject: "));
    let mut subject = lines.next()?.strip_prefix("Subject: ")?.to_owned();
    for more in lines.take_while(|line| line.starts_with(' ')) {
        subject += more;
    }
    let (_, subject) = subject.split_once("] ")?;
    Some(subject.to_owned())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From 0 Mon Sep 17\nSubject: [PATCH 1/2] lib: a subject that is\n folded\n\
                        To: A\n\ntext\n---\n--- a/lib/a.c\n+++ b/lib/a.c\n@@ -1 +1 @@\n-a\n+b\n";

    #[test]
    fn a_subject_may_be_folded() {
        assert_eq!(
            subject(MAIL).as_deref(),
            Some("lib: a subject that is folded")
        );
    }

    #[test]
    fn the_files_that_a_patch_changes_are_named() {
        assert_eq!(changed(MAIL), ["lib/a.c"]);
    }

    #[test]
    fn a_patch_without_a_cover_letter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let patch = folder.path().join("0001.patch");
        fs::write(&patch, MAIL).unwrap();
        let patches = [patch];
        assert!(covers(folder.path(), patches.iter()).is_err());
        fs::write(
            folder.path().join("a.cover"),
            "  lib: a subject that is folded\n",
        )
        .unwrap();
        covers(folder.path(), patches.iter()).unwrap();
    }
}
