// SPDX-License-Identifier: MIT
//! What the environment may say to the tests and tools: read once, each value checked.
//!
//! `make` sets these from its own variables; docs/reference/settings.md has the table.

#![allow(
    clippy::disallowed_methods,
    reason = "this is where the environment is read"
)]

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

/// Every name that begins with `RESDUMP_` and means something here.
pub const NAMES: [&str; 9] = [
    "RESDUMP_BOARD",
    "RESDUMP_CACHE",
    "RESDUMP_COUNT",
    "RESDUMP_FLAVOUR",
    "RESDUMP_IMAGES",
    "RESDUMP_SEED",
    "RESDUMP_TARGET",
    "RESDUMP_TIMEOUT_SCALE",
    "RESDUMP_UPDATE_EXPECT",
];

/// Those that the dumper's own tests read.
pub const OTHERS: [&str; 2] = ["RESDUMP_PYTHON", "RESDUMP_TOOLS"];

/// The settings of this process.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `RESDUMP_BOARD`: the board under test, a folder below `board/`.
    pub board: String,
    /// `RESDUMP_CACHE`: downloads and builds that are kept, instead of the user's cache folder.
    pub cache: Option<PathBuf>,
    /// `RESDUMP_COUNT`: how many operations the fuzzer does.
    pub count: Option<u64>,
    /// `RESDUMP_FLAVOUR`: the kernel that all tests use instead of their own.
    pub flavour: Option<String>,
    /// `RESDUMP_IMAGES`: a folder with one finished image a flavour, instead of the quick ones.
    pub images: Option<PathBuf>,
    /// `RESDUMP_SEED`: repeats what was drawn at random in an earlier run.
    pub seed: Option<u64>,
    /// `RESDUMP_TARGET`: a lab file, whose board is tested instead of a machine of QEMU's.
    pub target: Option<PathBuf>,
    /// `RESDUMP_TIMEOUT_SCALE`: stretches every time limit, for a slow machine.
    pub timeout_scale: f64,
    /// `LINUX_SRC`: an unpacked kernel tree instead of the distribution's package.
    pub linux_src: Option<PathBuf>,
    /// `BUILDROOT_DIR`: a Buildroot tree instead of the pinned release.
    pub buildroot_dir: Option<PathBuf>,
    /// `BUILDROOT_EXTRA`: a file with settings of this machine, for Buildroot's configuration.
    pub buildroot_extra: Option<PathBuf>,
    /// `BR2_DL_DIR`: Buildroot's downloads.
    pub br2_dl_dir: Option<PathBuf>,
    /// `BR2_CCACHE_DIR`: Buildroot's compiler cache.
    pub br2_ccache_dir: Option<PathBuf>,
    /// `BR2_PRIMARY_SITE`: Buildroot's mirror.
    pub br2_primary_site: Option<String>,
    /// `RESDUMP_UPDATE_EXPECT`: write what was printed into the documents instead of comparing.
    pub update_expect: bool,
}

impl Settings {
    /// Those of `environment`. An error for a value that cannot be parsed, and for a name that
    /// begins with `RESDUMP_` and is none of [`NAMES`].
    fn read(environment: &dyn Fn(&str) -> Option<String>, names: &[String]) -> Result<Self> {
        for name in names.iter().filter(|name| name.starts_with("RESDUMP_")) {
            ensure!(
                NAMES.iter().chain(&OTHERS).any(|known| known == name),
                "{name} is not a setting; there are: {}",
                NAMES.join(", ")
            );
        }
        let scale = match environment("RESDUMP_TIMEOUT_SCALE") {
            Some(text) => parse("RESDUMP_TIMEOUT_SCALE", &text)?,
            None => 1.0,
        };
        if !(0.01..=1000.0).contains(&scale) {
            bail!("RESDUMP_TIMEOUT_SCALE={scale}: give a number from 0.01 to 1000");
        }
        Ok(Self {
            board: environment("RESDUMP_BOARD").unwrap_or_else(|| "qemu-ppce500".to_owned()),
            cache: environment("RESDUMP_CACHE").map(PathBuf::from),
            count: number(environment, "RESDUMP_COUNT")?,
            flavour: environment("RESDUMP_FLAVOUR"),
            images: environment("RESDUMP_IMAGES").map(PathBuf::from),
            seed: number(environment, "RESDUMP_SEED")?,
            target: environment("RESDUMP_TARGET").map(PathBuf::from),
            timeout_scale: scale,
            linux_src: environment("LINUX_SRC").map(PathBuf::from),
            buildroot_dir: environment("BUILDROOT_DIR").map(PathBuf::from),
            buildroot_extra: environment("BUILDROOT_EXTRA").map(PathBuf::from),
            br2_dl_dir: environment("BR2_DL_DIR").map(PathBuf::from),
            br2_ccache_dir: environment("BR2_CCACHE_DIR").map(PathBuf::from),
            br2_primary_site: environment("BR2_PRIMARY_SITE"),
            update_expect: match environment("RESDUMP_UPDATE_EXPECT").as_deref() {
                None => false,
                Some("1") => true,
                Some(other) => bail!("RESDUMP_UPDATE_EXPECT={other}: give 1, or leave it out"),
            },
        })
    }
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// Reads them from the environment. A program does this first, so that a mistake ends it at once.
pub fn load() -> Result<&'static Settings> {
    if let Some(settings) = SETTINGS.get() {
        return Ok(settings);
    }
    let names: Vec<String> = names().collect();
    let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let settings = Settings::read(&value, &names)?;
    Ok(SETTINGS.get_or_init(|| settings))
}

/// The settings, after [`load`].
///
/// # Panics
///
/// Where the environment holds a mistake that [`load`] would have reported.
pub fn get() -> &'static Settings {
    match load() {
        Ok(settings) => settings,
        Err(error) => panic!("{error:#}"),
    }
}

/// A variable that belongs to the system and is no setting of the project: `PATH`, `HOME` and the like.
pub fn system(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// Names of all variables.
pub fn names() -> impl Iterator<Item = String> {
    env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned())
}

/// A number, decimal or with `0x`.
fn number(environment: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<Option<u64>> {
    let Some(text) = environment(name) else {
        return Ok(None);
    };
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let number = parsed.with_context(|| format!("{name}={text}: not a number"))?;
    Ok(Some(number))
}

fn parse<T: FromStr>(name: &str, text: &str) -> Result<T> {
    match text.parse() {
        Ok(value) => Ok(value),
        Err(_) => bail!("{name}={text}: not a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Settings> {
        let names: Vec<String> = given.iter().map(|(name, _)| (*name).to_owned()).collect();
        let value = |wanted: &str| {
            let found = given.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&value, &names)
    }

    #[test]
    fn what_is_not_given_has_a_default() {
        let settings = read(&[("PATH", "/bin")]).unwrap();
        assert_eq!(settings.board, "qemu-ppce500");
        assert_eq!(settings.timeout_scale, 1.0);
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        let settings = read(&[("RESDUMP_SEED", "0x3e8"), ("RESDUMP_COUNT", "21")]);
        let settings = settings.unwrap();
        assert_eq!((settings.seed, settings.count), (Some(1000), Some(21)));
    }

    #[test]
    fn a_value_that_cannot_be_parsed_is_an_error() {
        for given in [
            ("RESDUMP_TIMEOUT_SCALE", "4x"),
            ("RESDUMP_TIMEOUT_SCALE", "0"),
            ("RESDUMP_TIMEOUT_SCALE", "nan"),
            ("RESDUMP_SEED", "x"),
            ("RESDUMP_COUNT", "1e6"),
            ("RESDUMP_UPDATE_EXPECT", "yes"),
        ] {
            let error = read(&[given]).unwrap_err().to_string();
            assert!(error.contains(given.0), "{error}");
        }
    }

    #[test]
    fn a_name_that_is_misspelt_is_an_error() {
        let error = read(&[("RESDUMP_TIMEOUT_SCALES", "4")]).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("RESDUMP_TIMEOUT_SCALES is not a setting"));
        assert!(error.contains("RESDUMP_TIMEOUT_SCALE,"));
    }
}
