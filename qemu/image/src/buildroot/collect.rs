// SPDX-License-Identifier: MIT
//! The image that the suite knows, from what Buildroot left: the same files and the same manifest as
//! the quick image's.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use std::sync::Arc;

use anyhow::{Context, Result, bail};

use host::deadline::{Handle, Limit, seconds};

use super::Buildroot;
use super::source::RELEASE;
use board::image::Manifest;

use crate::manifest::{files, hashes, sources};
use board::Image;

use crate::Builder;
use crate::cross;
use host::command::output_of;
use host::step::Step;

/// Where the image goes.
pub fn folder(buildroot: &Buildroot<'_>) -> PathBuf {
    buildroot
        .paths
        .out
        .join("buildroot")
        .join(&buildroot.board.name)
        .join(buildroot.flavour)
}

/// Copies the image, adds what the tests want on top, and describes it.
pub fn collect(buildroot: &Buildroot<'_>) -> Result<Image> {
    let folder = folder(buildroot);
    fs::create_dir_all(&folder)?;
    let images = buildroot.output.join("images");
    let names = files(buildroot.board)?;
    for name in &names {
        if name.contains(".dtb") && !images.join(name).exists() {
            continue;
        }
        fs::copy(images.join(name), folder.join(name))
            .with_context(|| format!("Buildroot left no {}", images.join(name).display()))?;
    }
    let image = Image { folder };
    tools(buildroot, &image)?;
    Manifest {
        schema: 1,
        builder: "buildroot".to_owned(),
        board: buildroot.board.name.clone(),
        flavour: buildroot.flavour.to_owned(),
        versions: versions(buildroot)?,
        sources: sources(&buildroot.paths.root)?,
        files: hashes(&image.folder, &names)?,
    }
    .write(&image.folder)?;
    Ok(image)
}

/// `tools.cpio`, which only tests attach: built by the harness for either image.
fn tools(buildroot: &Buildroot<'_>, image: &Image) -> Result<()> {
    let builder = Builder {
        paths: buildroot.paths,
        tools: buildroot.tools,
        board: buildroot.board,
        flavour: buildroot.flavour,
    };
    let [probe] = cross::build(&builder, ["probe"])?;
    let mut files = cross::clients(&builder)?;
    let clock = buildroot.paths.root.join("userland/probe/boot-clock.sh");
    let tree = tempfile::tempdir()?;
    let programs = tree.path().join("usr/bin");
    fs::create_dir_all(&programs)?;
    files.extend([
        (probe, "probe".to_owned()),
        (clock, "boot-clock.sh".to_owned()),
    ]);
    for (from, name) in &files {
        fs::copy(from, programs.join(name))?;
    }
    let step = Step::start(&buildroot.logs(), "tools", "pack the tests' own tools")?;
    let archive = File::create(image.file("tools.cpio"))?;
    let mut cpio = Command::new("cpio")
        .args(["--quiet", "-o", "-H", "newc", "-R", "0:0"])
        .current_dir(tree.path())
        .stdin(Stdio::piped())
        .stdout(archive)
        .spawn()
        .context("cannot run cpio")?;
    let _limit = Limit::start(seconds(60), &Arc::new(Handle::of(&cpio)?));
    if let Some(mut input) = cpio.stdin.take() {
        let names = files.iter().map(|(_, name)| format!("usr/bin/{name}\n"));
        let names: String = names.collect();
        std::io::Write::write_all(&mut input, format!("usr\nusr/bin\n{names}").as_bytes())?;
    }
    let status = cpio.wait()?;
    if !status.success() {
        bail!("cpio ended with {status}");
    }
    step.done();
    Ok(())
}

/// As Buildroot and its tools tell them.
fn versions(buildroot: &Buildroot<'_>) -> Result<BTreeMap<String, String>> {
    let variables = output_of(
        buildroot
            .make()
            .args(["-s", "printvars"])
            .arg("VARS=LINUX_VERSION BUSYBOX_VERSION TARGET_CC"),
    )?;
    let value = |name: &str| {
        variables
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}=")))
            .map(str::to_owned)
            .with_context(|| format!("Buildroot prints no {name}"))
    };
    let tool = |program: &str| -> Result<String> {
        let text = output_of(Command::new(program).arg("--version"))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    let rustc = buildroot.output.join("host/bin/rustc");
    Ok([
        ("buildroot", RELEASE.to_owned()),
        ("linux", value("LINUX_VERSION")?),
        ("busybox", value("BUSYBOX_VERSION")?),
        ("rustc", tool(&rustc.to_string_lossy())?),
        ("cc", tool(&value("TARGET_CC")?)?),
    ]
    .map(|(name, version)| (name.to_owned(), version))
    .into())
}
