// SPDX-License-Identifier: MIT
//! The pinned Buildroot release, or the folder that `BUILDROOT_DIR` names; whether the sites that a
//! build downloads from can be reached.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use host::built::unless_built;
use host::command::output_of;
use host::paths::Paths;
use host::settings;
use host::step::Step;

/// The release, a tag.
pub const RELEASE: &str = "2026.05.1";
/// The commit that the tag names.
const COMMIT: &str = "cb857ba4c87a93e5265a9e4a3f32071abf39e14a";
/// Where it is published.
const REPOSITORY: &str = "https://gitlab.com/buildroot.org/buildroot.git";
/// A site for each kind of download: the kernel, the compilers, and Buildroot's own copy of
/// everything else.
const SITES: [&str; 3] = [
    "https://cdn.kernel.org/pub/linux/kernel/",
    "https://static.rust-lang.org/dist/",
    "https://sources.buildroot.net/",
];
/// For how long a site may be silent, in seconds.
const PATIENCE: u32 = 10;

/// Buildroot's tree, fetched when it is not there.
pub fn tree(paths: &Paths, logs: &Path) -> Result<PathBuf> {
    if let Some(given) = &settings::get().buildroot_dir {
        let version = version(given).with_context(|| {
            format!("BUILDROOT_DIR={} is not a Buildroot tree", given.display())
        })?;
        if version != RELEASE {
            println!("note: BUILDROOT_DIR has Buildroot {version}; tested with {RELEASE}");
        }
        return Ok(given.canonicalize()?);
    }
    let tree = paths.cache.join(format!("buildroot-{RELEASE}"));
    unless_built(&tree, COMMIT, || {
        require(&[REPOSITORY])?;
        let step = Step::start(
            logs,
            "buildroot-source",
            &format!("get Buildroot {RELEASE}"),
        )?;
        fs::remove_dir_all(&tree)?;
        step.run(
            Command::new("git")
                .args([
                    "clone",
                    "--quiet",
                    "--depth=1",
                    "--branch",
                    RELEASE,
                    REPOSITORY,
                ])
                .arg(&tree)
                .env("GIT_TERMINAL_PROMPT", "0"),
        )?;
        let commit = output_of(
            Command::new("git")
                .arg("-C")
                .arg(&tree)
                .args(["rev-parse", "HEAD"]),
        )?;
        if commit != COMMIT {
            bail!("tag {RELEASE} of {REPOSITORY} is commit {commit}, not {COMMIT}");
        }
        step.done();
        Ok(())
    })?;
    Ok(tree)
}

/// `2026.05.1`, from the tree's Makefile.
fn version(tree: &Path) -> Result<String> {
    let makefile = fs::read_to_string(tree.join("Makefile"))?;
    makefile
        .lines()
        .find_map(|line| line.strip_prefix("export BR2_VERSION := "))
        .map(str::to_owned)
        .context("its Makefile names no version")
}

/// Fails when a build could not download what it needs. Downloads that are at hand already, or a
/// mirror, are the user's own affair: `Ok(false)`.
pub fn require_sites() -> Result<bool> {
    let settings = settings::get();
    if settings.br2_dl_dir.is_some() || settings.br2_primary_site.is_some() {
        return Ok(false);
    }
    require(&SITES)?;
    Ok(true)
}

/// Asks all sites at once, by wget, which Buildroot downloads with, and which knows the proxy.
fn require(sites: &[&str]) -> Result<()> {
    let asked: Vec<(&str, Child)> = sites
        .iter()
        .map(|site| {
            let child = Command::new("wget")
                .args(["--quiet", "--spider", "--tries=1"])
                .arg(format!("--timeout={PATIENCE}"))
                .arg(site)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .context("cannot run wget, which Buildroot needs")?;
            Ok((*site, child))
        })
        .collect::<Result<_>>()?;
    let mut silent = Vec::new();
    for (site, mut child) in asked {
        // 8: the server answered, with an error.
        if !matches!(child.wait()?.code(), Some(0 | 8)) {
            silent.push(site);
        }
    }
    if silent.is_empty() {
        return Ok(());
    }
    bail!(
        "Buildroot's download sites cannot be reached from here. Tried, for {PATIENCE} s:\n  {}\n\
         Either bring the downloads: BUILDROOT_DIR=<tree of Buildroot {RELEASE}>, and\n  \
         BR2_DL_DIR=<folder with the downloads> or BR2_PRIMARY_SITE=<mirror> (docs/how-to/buildroot.md);\n\
         or build the same image from distribution packages: make quick-image",
        silent.join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_makefile() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("Makefile"),
            "# x\nexport BR2_VERSION := 2026.05.1\n",
        )
        .unwrap();
        assert_eq!(version(folder.path()).unwrap(), "2026.05.1");
    }

    #[test]
    fn a_folder_without_a_makefile_is_no_tree() {
        assert!(version(tempfile::tempdir().unwrap().path()).is_err());
    }

    #[test]
    fn sites_that_do_not_answer_are_named() {
        // Nothing listens on port 1.
        let error = require(&["http://127.0.0.1:1/"]).unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:1/"), "{error}");
        assert!(error.contains("make quick-image"), "{error}");
    }
}
