// SPDX-License-Identifier: MIT
//! The crates that are linked into the programs of an image, as the lock file has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId, TargetKind};

use super::{Component, Kind};
use crate::toolchain::Toolchain;
use host::paths::Paths;

/// Where the programs are, by the package that makes them.
const PROGRAMS: [(&str, &str); 2] = [
    ("resdump", "/usr/bin/resdump"),
    ("growdata", "/usr/sbin/growdata"),
];

/// The programs of `userland/`, and every crate that one of them contains on `target`.
pub fn all(paths: &Paths, tools: &Toolchain, target: &str) -> Result<Vec<Component>> {
    // As `image::cross` builds them.
    let options = ["--no-default-features"];
    of(
        paths,
        tools,
        target,
        &options,
        &PROGRAMS.map(|(name, _)| name),
    )
}

/// The dumper as a host has it, and every crate that it contains on `target`.
pub fn of_host_dumper(paths: &Paths, tools: &Toolchain, target: &str) -> Result<Vec<Component>> {
    of(paths, tools, target, &[], &["resdump"])
}

fn of(
    paths: &Paths,
    tools: &Toolchain,
    target: &str,
    options: &[&str],
    programs: &[&str],
) -> Result<Vec<Component>> {
    let metadata = MetadataCommand::new()
        .cargo_path(tools.tool("cargo"))
        .manifest_path(paths.root.join("userland/Cargo.toml"))
        .other_options(
            ["--locked", "--filter-platform", target]
                .iter()
                .chain(options)
                .map(|option| (*option).to_owned())
                .collect::<Vec<_>>(),
        )
        .exec()?;
    let linked = linked(&metadata, programs)?;
    let mut all = Vec::new();
    for (id, contains) in &linked {
        let package = &metadata[id];
        let names = contains.iter().map(|id| metadata[id].name.to_string());
        all.push(component(&paths.root, package, names.collect())?);
    }
    Ok(all)
}

/// Packages that are in the programs, each with those that it uses itself. What only builds or tests
/// them is left out, and so are macros: what they write is the code of the caller.
fn linked(metadata: &Metadata, programs: &[&str]) -> Result<BTreeMap<PackageId, Vec<PackageId>>> {
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo resolved nothing")?;
    let mut wait: Vec<PackageId> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| programs.iter().any(|name| package.name == *name))
        .map(|package| package.id.clone())
        .collect();
    ensure!(wait.len() == programs.len(), "cargo knows {wait:?} only");
    let mut linked = BTreeMap::new();
    while let Some(id) = wait.pop() {
        if linked.contains_key(&id) {
            continue;
        }
        let node = resolve.nodes.iter().find(|node| node.id == id);
        let contains: BTreeSet<PackageId> = node
            .with_context(|| format!("cargo did not resolve {id}"))?
            .deps
            .iter()
            .filter(|dependency| {
                let mut kinds = dependency.dep_kinds.iter();
                kinds.any(|kind| kind.kind == DependencyKind::Normal)
            })
            .map(|dependency| dependency.pkg.clone())
            .filter(|id| !is_macro(&metadata[id]))
            .collect();
        wait.extend(contains.iter().cloned());
        linked.insert(id, contains.into_iter().collect());
    }
    Ok(linked)
}

fn is_macro(package: &Package) -> bool {
    let mut targets = package.targets.iter();
    targets.any(|target| target.is_kind(TargetKind::ProcMacro))
}

fn component(root: &Path, package: &Package, contains: Vec<String>) -> Result<Component> {
    let name = package.name.to_string();
    let program = PROGRAMS.iter().find(|(program, _)| name == *program);
    let own = package.source.is_none();
    // An old way to say the same.
    let licence = package
        .license
        .as_ref()
        .with_context(|| format!("crate {name} names no licence"))?
        .replace('/', " OR ");
    let folder = package.manifest_path.parent().context("no folder")?;
    let texts = match own {
        true => vec![root.join("LICENSES/MIT.txt")],
        false => texts(folder.as_std_path())?,
    };
    Ok(Component {
        purl: (!own).then(|| format!("pkg:cargo/{name}@{}", package.version)),
        version: package.version.to_string(),
        kind: match program {
            Some(_) => Kind::Application,
            None => Kind::Library,
        },
        files: program.iter().map(|(_, file)| (*file).to_owned()).collect(),
        licence,
        contains,
        texts,
        name,
    })
}

/// Files of a crate that have its licences.
fn texts(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let wanted = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"]
            .iter()
            .any(|start| name.to_uppercase().starts_with(start));
        if wanted && path.is_file() {
            texts.push(path);
        }
    }
    texts.sort();
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_listed_and_what_builds_or_tests_is_not() {
        let paths = Paths::discover().unwrap();
        let tools = Toolchain::discover().unwrap();
        let all = all(&paths, &tools, "powerpc-unknown-linux-gnu").unwrap();
        let has = |name: &str| all.iter().any(|one| one.name == name);
        assert!(has("resdump") && has("growdata") && has("nix") && has("libc"));
        // By way of another crate.
        assert!(has("clap_builder"));
        // A test's, a macro, what a macro uses, another system's.
        assert!(!has("expect-test") && !has("serde_derive") && !has("syn"));
        assert!(has("tempfile"));
        assert!(!has("windows-sys"));
        let dumper = all.iter().find(|one| one.name == "resdump").unwrap();
        assert_eq!(dumper.files, ["/usr/bin/resdump"]);
        assert!(dumper.contains.iter().any(|name| name == "resmem"));
    }
}
