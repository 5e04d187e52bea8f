// SPDX-License-Identifier: MIT
//! What the quick image is made of, and under which licences: a CycloneDX document and a report with
//! all texts, next to the image. Of its own image Buildroot writes that itself, except for crates.

mod crates;
mod cyclonedx;
mod licences;
mod parts;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::rootfs::{Installed, InstalledFile};
use board::Image;

use crate::Builder;
use crate::toolchain::Toolchain;
use crate::version;
use host::paths::Paths;

/// Something that an image consists of, with a version and a licence of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What it is called where it comes from.
    pub name: String,
    /// Its version there.
    pub version: String,
    /// What it is.
    pub kind: Kind,
    /// An SPDX expression.
    pub licence: String,
    /// Where it comes from, as a package URL; the project's own parts have none.
    pub purl: Option<String>,
    /// Where it is in the image.
    pub files: Vec<String>,
    /// Names of those that it contains.
    pub contains: Vec<String>,
    /// Files with the words of its licence.
    pub texts: Vec<PathBuf>,
}

/// Kinds of components, as CycloneDX has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program, or a set of them.
    Application,
    /// Part of a program.
    Library,
    /// A kernel.
    OperatingSystem,
    /// Files that are read.
    Data,
}

/// Writes `sbom.cdx.json` and `licences.txt` next to an image.
pub fn write(builder: &Builder<'_>, image: &Image) -> Result<()> {
    let manifest = image.manifest()?;
    let (mut components, runtime) = parts::all(builder)?;
    let target = &builder.board.conf.rust_target;
    for mut one in crates::all(builder.paths, builder.tools, target)? {
        if one.kind == Kind::Application {
            one.contains.extend_from_slice(&runtime);
        }
        components.push(one);
    }
    components.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    let strangers = strangers(&Installed::read(&image.folder)?, &components)?;
    ensure!(
        strangers.is_empty(),
        "programs of the root file system that no component accounts for: {strangers:?}"
    );
    let bill = image.file("sbom.cdx.json");
    let version = version::of(&builder.paths.root)?;
    fs::write(
        &bill,
        cyclonedx::document(&manifest, &version, &components)?,
    )?;
    let report = image.file("licences.txt");
    fs::write(&report, licences::report(&components)?)?;
    println!(
        "{} components: {}, {}",
        components.len(),
        bill.display(),
        report.display()
    );
    Ok(())
}

/// The licences of all that is in the dumper as a host has it.
pub fn host_licences(paths: &Paths, tools: &Toolchain, target: &str) -> Result<String> {
    let mut components = crates::of_host_dumper(paths, tools, target)?;
    components.push(parts::standard_library(tools)?);
    components.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    licences::report(&components)
}

/// Adds the crates that are linked into the programs to a document that another generator has made, where
/// `package` is the component that has the programs.
pub fn add_crates(
    document: &mut Value,
    package: &str,
    paths: &Paths,
    tools: &Toolchain,
    target: &str,
) -> Result<()> {
    cyclonedx::add(document, package, &crates::all(paths, tools, target)?)
}

/// Programs of a root file system that are in no component.
fn strangers(installed: &Installed, components: &[Component]) -> Result<Vec<String>> {
    let known: BTreeSet<&str> = components
        .iter()
        .flat_map(|component| component.files.iter().map(String::as_str))
        .collect();
    let mut strangers = Vec::new();
    for InstalledFile { path, source } in &installed.0 {
        // The folder of the modules is named for the kernel.
        let folder = path.split('/').nth(3).unwrap_or_default();
        let plain = match path.starts_with("/lib/modules/") {
            true => path.replace(folder, "*"),
            false => path.to_owned(),
        };
        if is_program(source)? && !known.contains(plain.as_str()) {
            strangers.push(path.to_owned());
        }
    }
    Ok(strangers)
}

/// Whether a file is machine code. Scripts and data of an image are the project's own.
fn is_program(file: &Path) -> Result<bool> {
    let mut magic = Vec::new();
    File::open(file)
        .with_context(|| format!("cannot open {}", file.display()))?
        .take(4)
        .read_to_end(&mut magic)?;
    Ok(magic == b"\x7fELF")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_no_component_accounts_for_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::write(at("known"), b"\x7fELF...").unwrap();
        fs::write(at("stranger"), b"\x7fELF...").unwrap();
        fs::write(at("script"), b"#!/bin/sh").unwrap();
        let installed = ["known", "stranger", "script"].map(|name| InstalledFile {
            path: format!("/bin/{name}"),
            source: at(name).into(),
        });
        let list = Installed(installed.into());
        list.write(folder.path()).unwrap();
        let list = Installed::read(folder.path()).unwrap();
        let known = Component {
            name: "known".to_owned(),
            version: "1".to_owned(),
            kind: Kind::Application,
            licence: "MIT".to_owned(),
            purl: None,
            files: vec!["/bin/known".to_owned()],
            contains: Vec::new(),
            texts: Vec::new(),
        };
        assert_eq!(strangers(&list, &[known]).unwrap(), ["/bin/stranger"]);
    }
}
