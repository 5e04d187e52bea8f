// SPDX-License-Identifier: MIT
//! Packages of another suite, fetched and signature-checked by a private apt that leaves the
//! system's own sources alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::builder::Builder;
use host::step::{Step, output_of};

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

    /// Downloads a binary package; apt checks it against the signed index. Returns its path.
    pub fn binary(&self, step: &Step, package: &str) -> Result<PathBuf> {
        let mut download = self.command("apt-get");
        step.run(
            download
                .args(["download", package])
                .current_dir(&self.downloads),
        )?;
        self.newest(&format!("{package}_"), ".deb")
    }

    /// Downloads a source package; apt checks it against the signed index. Returns the path of its
    /// upstream tarball.
    pub fn source(&self, step: &Step, package: &str) -> Result<PathBuf> {
        let mut download = self.command("apt-get");
        step.run(
            download
                .args(["source", "--download-only", package])
                .current_dir(&self.downloads),
        )?;
        self.newest(&format!("{package}_"), ".orig.tar.bz2")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C");
        command
    }

    fn newest(&self, prefix: &str, suffix: &str) -> Result<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(&self.downloads)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(prefix) && name.ends_with(suffix)
            })
            .collect();
        found.sort_by_key(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok());
        found
            .pop()
            .with_context(|| format!("apt left no {prefix}*{suffix}"))
    }
}

/// The mirror that the machine's own configuration names for the release it runs.
fn mirror() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let Some(codename) = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
    else {
        bail!("not a Debian machine: give an unpacked kernel tree with LINUX_SRC= (docs/image.md)");
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
