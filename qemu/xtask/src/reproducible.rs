// SPDX-License-Identifier: MIT
//! `make reproducible`: the image once more, from a copy of the checkout in another folder and with
//! nothing kept from the first build but downloads. Every file must be the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use board::Board;
use board::Image;
use board::image::Manifest;
use host::command::{self, output_of};
use host::deadline::seconds;
use host::paths::Paths;
use host::settings;
use image::toolchain::Toolchain;

/// Builds the appliance again by the front door's `target`, and compares it with `first`, which lies
/// in `<out>/<way>`. `Ok(false)` when a file differs.
pub fn check(
    paths: &Paths,
    tools: &Toolchain,
    board: &Board,
    first: &Image,
    target: &str,
    way: &str,
) -> Result<bool> {
    let second = paths.cache.join("second");
    let checkout = second.join("a-folder-with-another-and-longer-name");
    let cache = second.join("cache");
    for folder in [&checkout, &cache] {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(folder)?;
    }
    copy_checkout(&paths.root, &checkout)?;
    println!("==> reproducible: make {target} in {}", checkout.display());
    let mut make = tools.command("make");
    make.arg("-C")
        .arg(&checkout)
        .args([target, &format!("BOARD={}", board.name)])
        .env("RESDUMP_CACHE", &cache)
        .env("BR2_CCACHE_DIR", cache.join("buildroot-ccache"));
    if settings::get().br2_dl_dir.is_none() {
        make.env("BR2_DL_DIR", paths.cache.join("buildroot-dl"));
    }
    let status = command::status(&mut make, seconds(12 * 3600))?;
    if !status.success() {
        bail!("the second build ended with {status}");
    }
    let again = checkout
        .join("out")
        .join(way)
        .join(&board.name)
        .join("appliance");
    compare(&first.folder, &again)
}

/// What git would commit, as it is now.
pub(crate) fn copy_checkout(from: &Path, to: &Path) -> Result<()> {
    let list = output_of(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(from),
    )?;
    for name in list.lines() {
        let (from, to) = (from.join(name), to.join(name));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        if from.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else if from.is_file() {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    // The build asks git which files there are.
    output_of(Command::new("git").args(["init", "-q"]).current_dir(to))?;
    Ok(())
}

fn compare(first: &Path, again: &Path) -> Result<bool> {
    let (one, other) = (Manifest::read(first)?, Manifest::read(again)?);
    if one.sources != other.sources {
        bail!("the sources have changed since the first build");
    }
    let mut same = one.files.len() == other.files.len();
    for (name, hash) in &one.files {
        let equal = other.files.get(name) == Some(hash);
        same &= equal;
        println!(
            "{:>10}  {}",
            if equal { "identical" } else { "DIFFERS" },
            name
        );
    }
    if !same {
        println!("compare {} with {}", first.display(), again.display());
    }
    Ok(same)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn image(folder: &Path, content: &str) {
        let manifest = Manifest {
            schema: 1,
            builder: "quick".to_owned(),
            board: "b".to_owned(),
            flavour: "appliance".to_owned(),
            versions: BTreeMap::new(),
            sources: BTreeMap::new(),
            files: [("rootfs.cpio".to_owned(), content.to_owned())].into(),
        };
        fs::create_dir_all(folder).unwrap();
        manifest.write(folder).unwrap();
    }

    #[test]
    fn a_file_that_differs_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (one, same, other) = (
            folder.path().join("1"),
            folder.path().join("2"),
            folder.path().join("3"),
        );
        image(&one, "a");
        image(&same, "a");
        image(&other, "b");
        assert!(compare(&one, &same).unwrap());
        assert!(!compare(&one, &other).unwrap());
    }
}
