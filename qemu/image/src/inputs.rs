// SPDX-License-Identifier: MIT
//! What is taken from elsewhere, pinned: `qemu/image/inputs.toml`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// Where it is, from the checkout.
const FILE: &str = "qemu/image/inputs.toml";
/// The Python packages with their hashes.
const REQUIREMENTS: &str = "qemu/image/requirements.txt";

/// All inputs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// The kernel's source.
    pub linux: Package,
    /// The source of busybox.
    pub busybox: Package,
    /// The generator of the kernel's bindings.
    pub bindgen: CrateInput,
    /// The judge of licences.
    #[serde(rename = "cargo-deny")]
    pub cargo_deny: CrateInput,
    /// Python tools.
    pub python: PythonInput,
}

/// A package of the distribution.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub package: String,
    /// The suite that has it.
    pub suite: String,
    /// Its version, epoch included.
    pub version: String,
    /// The file that is used of it.
    pub file: String,
    /// SHA-256 of that file, in hexadecimal.
    pub sha256: String,
}

impl Package {
    /// Whether it is a binary package, and not one of sources.
    pub fn is_binary(&self) -> bool {
        self.file.ends_with(".deb")
    }

    /// The version of what is used of it: of a source package upstream's, for Debian's patches are left out.
    pub fn used_version(&self) -> &str {
        if self.is_binary() {
            return &self.version;
        }
        let plain = self.version.split_once(':');
        let plain = plain.map_or(self.version.as_str(), |(_epoch, version)| version);
        plain.rsplit_once('-').map_or(plain, |(version, _)| version)
    }
}

/// Where a source is from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A pinned package.
    Package(Package),
    /// A folder that the user gave.
    Folder(PathBuf),
}

impl fmt::Display for Origin {
    /// The file of the package, or the folder.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(package) => formatter.write_str(&package.file),
            Self::Folder(folder) => write!(formatter, "{}", folder.display()),
        }
    }
}

/// A program of the crate registry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrateInput {
    /// The crate.
    #[serde(rename = "crate")]
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Packages of the Python package index; `requirements.txt` has their versions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonInput {
    /// Their names.
    pub packages: Vec<String>,
}

impl Inputs {
    /// Those of a checkout.
    pub fn load(root: &Path) -> Result<Self> {
        let file = root.join(FILE);
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        toml::from_str(&text).with_context(|| file.display().to_string())
    }
}

/// The file of the Python packages, in a checkout.
pub fn requirements(root: &Path) -> PathBuf {
    root.join(REQUIREMENTS)
}

/// The text of a checkout's inputs with the table `name` replaced by `package`.
pub(crate) fn replaced(root: &Path, name: &str, package: &Package) -> Result<String> {
    let text = fs::read_to_string(root.join(FILE))?;
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end_matches(']') == name;
        }
        let value = match line.split_once(" = ").map(|(key, _)| key) {
            Some("version") => &package.version,
            Some("file") => &package.file,
            Some("sha256") => &package.sha256,
            _ => {
                lines.push(line.to_owned());
                continue;
            }
        };
        lines.push(match (inside, line.split_once(" = ")) {
            (true, Some((key, _))) => format!("{key} = \"{value}\""),
            _ => line.to_owned(),
        });
    }
    Ok(lines.join("\n") + "\n")
}

/// Writes a checkout's inputs.
pub(crate) fn write(root: &Path, text: &str) -> Result<()> {
    fs::write(root.join(FILE), text).with_context(|| format!("cannot write {FILE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn every_download_has_a_hash() {
        let inputs = Inputs::load(&root()).unwrap();
        for package in [&inputs.linux, &inputs.busybox] {
            assert_eq!(package.sha256.len(), 64, "{}", package.package);
        }
        let python = fs::read_to_string(requirements(&root())).unwrap();
        for package in &inputs.python.packages {
            let pinned = format!("{package}==");
            assert!(python.lines().any(|line| line.starts_with(&pinned)));
        }
        for entry in python.split("\n").filter(|line| line.contains("==")) {
            assert!(entry.ends_with('\\'), "no hash: {entry}");
        }
    }

    #[test]
    fn an_update_changes_one_table_and_keeps_the_rest() {
        let package = Package {
            package: "busybox".to_owned(),
            suite: "bookworm".to_owned(),
            version: "2:3".to_owned(),
            file: "f".to_owned(),
            sha256: "0".to_owned(),
        };
        let text = replaced(&root(), "busybox", &package).unwrap();
        let new: Inputs = toml::from_str(&text).unwrap();
        let old = Inputs::load(&root()).unwrap();
        assert_eq!(
            (
                &*new.busybox.version,
                &*new.busybox.file,
                &*new.busybox.sha256
            ),
            ("2:3", "f", "0")
        );
        assert_eq!(new.linux.sha256, old.linux.sha256);
        assert_eq!(new.bindgen.version, old.bindgen.version);
    }
}
