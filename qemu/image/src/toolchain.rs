// SPDX-License-Identifier: MIT
//! The compilers: one Rust toolchain for everything, the distribution's where it is new enough.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use host::command::output_of;
use host::settings;

/// Oldest Rust that Linux 7.3 takes.
const RUST_MIN: (u32, u32) = (1, 95);

/// Paths of the Rust tools, and what the kernel's build wants to know of them.
#[derive(Clone, Debug)]
pub struct Toolchain {
    bin: PathBuf,
    /// `rustc --version`.
    pub version: String,
    /// Source of the standard library (`.../library`).
    pub library: PathBuf,
    /// Folder of a libclang that bindgen can use (17 or newer).
    pub libclang: PathBuf,
}

impl Toolchain {
    /// Finds the tools that `qemu/setup.sh` installed, or rustup's on the `PATH`.
    pub fn discover() -> Result<Self> {
        let path = settings::system("PATH").unwrap_or_default();
        let folders = std::iter::once(PathBuf::from("/usr/bin")).chain(env::split_paths(&path));
        for bin in folders.filter(|folder| folder.join("rustc").is_file()) {
            let Ok(version) = output_of(Command::new(bin.join("rustc")).arg("--version")) else {
                continue;
            };
            if !new_enough(&version) {
                continue;
            }
            let Some(library) = library_source(&bin.join("rustc"), &version) else {
                continue;
            };
            return Ok(Self {
                bin,
                version,
                library,
                libclang: libclang()?,
            });
        }
        bail!(
            "no Rust {}.{} or newer with its library source: `make setup` installs it on Debian, \
             elsewhere `rustup component add rust-src`",
            RUST_MIN.0,
            RUST_MIN.1
        )
    }

    /// A tool of the toolchain: `rustc`, `cargo`, `rustfmt`, `clippy-driver`, …
    pub fn tool(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// A command that finds this toolchain's tools first, and none of what an outer cargo set.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let path = settings::system("PATH").unwrap_or_default();
        let folders = std::iter::once(self.bin.clone()).chain(env::split_paths(&path));
        if let Ok(path) = env::join_paths(folders) {
            command.env("PATH", path);
        }
        for name in settings::names() {
            if name.starts_with("CARGO_") && name != "CARGO_HOME" && name != "CARGO_NET_OFFLINE"
                || [
                    "RUSTFLAGS",
                    "RUSTC",
                    "RUSTUP_TOOLCHAIN",
                    "MAKEFLAGS",
                    "MFLAGS",
                    "MAKELEVEL",
                ]
                .contains(&name.as_str())
            {
                command.env_remove(&name);
            }
        }
        command
            .env("RUSTC", self.tool("rustc"))
            .env("LIBCLANG_PATH", &self.libclang)
            .env("LC_ALL", "C");
        command
    }
}

/// `rustc 1.96.0 (...)` -> is it at least [`RUST_MIN`]?
fn new_enough(version: &str) -> bool {
    let mut numbers = version
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .split('.')
        .map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= RUST_MIN
}

fn library_source(rustc: &Path, version: &str) -> Option<PathBuf> {
    let sysroot = output_of(Command::new(rustc).args(["--print", "sysroot"])).ok()?;
    let release = version.split_whitespace().nth(1)?;
    [
        Path::new(&sysroot).join("lib/rustlib/src/rust/library"),
        PathBuf::from(format!("/usr/src/rustc-{release}/library")),
    ]
    .into_iter()
    .find(|library| library.join("core/src/lib.rs").is_file())
}

/// The newest `/usr/lib/llvm-<n>/lib` from 17 on that holds a libclang, unless `LIBCLANG_PATH` says
/// otherwise.
fn libclang() -> Result<PathBuf> {
    if let Some(path) = settings::system("LIBCLANG_PATH") {
        return Ok(path.into());
    }
    (17..30)
        .rev()
        .map(|release| PathBuf::from(format!("/usr/lib/llvm-{release}/lib")))
        .find(|folder| folder.join("libclang.so").exists() || folder.join("libclang.so.1").exists())
        .context(
            "no libclang 17 or newer below /usr/lib: install libclang-19-dev or set LIBCLANG_PATH",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_rust_that_the_kernel_takes_is_1_95() {
        assert!(new_enough("rustc 1.95.0 (59807616e 2026-04-14)"));
        assert!(new_enough("rustc 2.0.0-nightly"));
        assert!(!new_enough("rustc 1.94.1"));
        assert!(!new_enough("gcc"));
    }
}
