// SPDX-License-Identifier: MIT
//! Packages of another suite, fetched and signature-checked by a private apt that leaves the
//! system's own sources alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::builder::Builder;
use crate::inputs::Package;
use host::command::output_of;
use host::step::{Step, sha256_file};

/// The archive's keys as Debian 12 ships them; they sign the later suites as well.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A private apt configuration below the cache.
pub struct Apt {
    config: PathBuf,
    downloads: PathBuf,
}

impl Apt {
    /// Prepares `deb` and `deb-src` indices of the given suites, from the mirror that the
    /// machine's own apt uses, and updates them.
    pub fn prepare(builder: &Builder<'_>, step: &Step, suites: &[&str]) -> Result<Self> {
        let mirror = mirror()?;
        let base = builder.paths.cache.join("apt");
        for folder in [
            "state/lists/partial",
            "cache/archives/partial",
            "etc/apt.conf.d",
            "etc/preferences.d",
        ] {
            fs::create_dir_all(base.join(folder))?;
        }
        let sources: String = suites
            .iter()
            .flat_map(|suite| {
                ["deb", "deb-src"]
                    .map(|kind| format!("{kind} [signed-by={KEYRING}] {mirror} {suite} main\n"))
            })
            .collect();
        fs::write(base.join("etc/sources.list"), sources)?;
        let base_text = base.display();
        let config = base.join("apt.conf");
        fs::write(
            &config,
            format!(
                "Dir \"{base_text}\";\nDir::State \"{base_text}/state\";\n\
                 Dir::State::status \"/dev/null\";\nDir::Cache \"{base_text}/cache\";\n\
                 Dir::Etc \"{base_text}/etc\";\nDir::Etc::sourceparts \"/dev/null\";\n\
                 APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
                 Acquire::Retries \"3\";\n"
            ),
        )?;
        let downloads = builder.paths.cache.join("dl");
        fs::create_dir_all(&downloads)?;
        let apt = Self { config, downloads };
        step.run(apt.command("apt-get").arg("update"))?;
        Ok(apt)
    }

    /// The file of a package, by an apt that checks it against the signed index.
    fn download(&self, step: &Step, wanted: &Package) -> Result<()> {
        let mut get = self.command("apt-get");
        let version = format!("{}={}", wanted.package, wanted.version);
        match wanted.is_binary() {
            true => get.args(["download", &version]),
            false => get.args(["source", "--download-only", &version]),
        };
        step.run(get.current_dir(&self.downloads))
    }

    /// What the mirror has of a package now: version, file and its hash.
    pub fn newest(&self, wanted: &Package) -> Result<Package> {
        let mut list = self.command("apt-get");
        match wanted.is_binary() {
            true => list.args(["download", "--print-uris", &wanted.package]),
            false => list.args(["source", "--download-only", "--print-uris", &wanted.package]),
        };
        let (file, sha256) = offered(&output_of(&mut list)?, wanted.is_binary())
            .with_context(|| format!("apt names no file of {}", wanted.package))?;
        let mut show = self.command("apt-cache");
        show.args([
            if wanted.is_binary() {
                "show"
            } else {
                "showsrc"
            },
            &wanted.package,
        ]);
        let shown = output_of(&mut show)?;
        let version = shown
            .lines()
            .find_map(|line| line.strip_prefix("Version: "))
            .with_context(|| format!("apt knows no version of {}", wanted.package))?;
        Ok(Package {
            version: version.to_owned(),
            file,
            sha256,
            ..wanted.clone()
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C");
        command
    }
}

/// The file of a package, from the cache where it is there already. Its hash is the pinned one.
pub fn fetch(builder: &Builder<'_>, step: &Step, wanted: &Package) -> Result<PathBuf> {
    let file = builder.paths.cache.join("dl").join(&wanted.file);
    // The private apt is one for all builds.
    let _lock = match file.is_file() {
        true => None,
        false => Some(builder.paths.lock_downloads()?),
    };
    if !file.is_file() {
        let apt = Apt::prepare(builder, step, &[&wanted.suite])?;
        if let Err(error) = apt.download(step, wanted) {
            bail!(
                "the mirror does not give {} {}, which qemu/image/inputs.toml pins: `make update-inputs` takes \
                 what it has now, or put a copy of {} into {}: {error:#}",
                wanted.package,
                wanted.version,
                wanted.file,
                apt.downloads.display()
            );
        }
    }
    let found = sha256_file(&file)?;
    if found != wanted.sha256 {
        bail!(
            "{} has the SHA-256 {found}, and qemu/image/inputs.toml pins {}: remove it to download it again",
            file.display(),
            wanted.sha256
        );
    }
    Ok(file)
}

/// The wanted file and its hash in what `apt-get --print-uris` prints: `'uri' name size SHA256:hash`.
fn offered(printed: &str, binary: bool) -> Option<(String, String)> {
    printed.lines().find_map(|line| {
        let mut words = line.rsplit(' ');
        let hash = words.next()?.strip_prefix("SHA256:")?;
        let name = words.nth(1)?;
        let ours = match binary {
            true => name.ends_with(".deb"),
            false => name.contains(".orig.tar."),
        };
        ours.then(|| (name.to_owned(), hash.to_owned()))
    })
}

/// The mirror that the machine's own configuration names for the release it runs.
fn mirror() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let Some(codename) = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
    else {
        bail!(
            "not a Debian machine: give an unpacked kernel tree with LINUX_SRC= (docs/how-to/image.md)"
        );
    };
    let targets = output_of(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(SITE) $(RELEASE)",
        "Identifier: Packages",
    ]))?;
    targets
        .lines()
        .find_map(|line| {
            let (site, name) = line.split_once(' ')?;
            (name == codename.trim_matches('"')).then(|| site.to_owned())
        })
        .with_context(|| format!("apt knows no mirror for {codename}: run apt-get update"))
}

/// Unpacks a binary package into `folder`.
pub fn unpack(step: &Step, package: &Path, folder: &Path) -> Result<()> {
    step.run(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_source_package_is_the_upstream_one() {
        let printed = "Need to get 2551 kB\n\
            'uri/a.dsc' a.dsc 2321 SHA256:01\n\
            'uri/a.orig.tar.bz2' a_1.orig.tar.bz2 2480624 SHA256:02\n";
        let found = offered(printed, false);
        assert_eq!(
            found,
            Some(("a_1.orig.tar.bz2".to_owned(), "02".to_owned()))
        );
        assert_eq!(offered(printed, true), None);
    }
}
