// SPDX-License-Identifier: MIT
//! What an image consists of besides crates: the kernel, the module, busybox, and what the compilers put
//! into each program.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Component, Kind};

use crate::Builder;
use crate::inputs::{Origin, Package};
use crate::toolchain::Toolchain;
use crate::version;
use crate::{busybox, linux};
use host::command::output_of;

/// All of them, and the names of those that are linked into each Rust program.
pub fn all(builder: &Builder<'_>) -> Result<(Vec<Component>, Vec<String>)> {
    let compiler = builder.board.c_compiler();
    let library = |file: &str| -> Result<PathBuf> {
        let path = output_of(Command::new(&compiler).arg(format!("-print-file-name={file}")))?;
        Ok(PathBuf::from(path.trim()))
    };
    let libc = installed(&library("libc.a")?, "LGPL-2.1-or-later", "glibc")?;
    let gcc = installed(
        &library("libgcc.a")?,
        "GPL-3.0-or-later WITH GCC-exception-3.1",
        "libgcc",
    )?;
    let std = standard_library(builder.tools)?;
    let runtime = [&libc, &gcc, &std].map(|one| one.name.clone()).into();
    let version = version::of(&builder.paths.root)?;
    let parts = vec![
        kernel(builder)?,
        busybox(builder, &libc, &gcc)?,
        Component {
            kind: Kind::Application,
            licence: "GPL-2.0-only".to_owned(),
            files: vec!["/lib/modules/*/resmem.ko".to_owned()],
            texts: vec![builder.paths.root.join("LICENSES/GPL-2.0.txt")],
            ..own("resmem", &version)
        },
        Component {
            texts: vec![builder.paths.root.join("LICENSES/MIT.txt")],
            ..own("overlay", &version)
        },
        libc,
        gcc,
        std,
    ];
    Ok((parts, runtime))
}

/// Rust's standard library, which is in every Rust program.
pub fn standard_library(tools: &Toolchain) -> Result<Component> {
    let file = tools.library.join("std/Cargo.toml");
    installed(&file, "MIT OR Apache-2.0", "Rust's standard library")
}

fn kernel(builder: &Builder<'_>) -> Result<Component> {
    let source = linux::source(builder)?;
    Ok(Component {
        kind: Kind::OperatingSystem,
        licence: "GPL-2.0-only WITH Linux-syscall-note".to_owned(),
        files: vec![builder.board.conf.linux_image.clone()],
        texts: [
            "COPYING",
            "LICENSES/preferred/GPL-2.0",
            "LICENSES/exceptions/Linux-syscall-note",
        ]
        .map(|name| source.tree.join(name))
        .into(),
        ..from(&source.origin, "linux")
    })
}

fn busybox(builder: &Builder<'_>, libc: &Component, gcc: &Component) -> Result<Component> {
    let built = busybox::build(builder)?;
    Ok(Component {
        licence: "GPL-2.0-only".to_owned(),
        files: vec!["/bin/busybox".to_owned()],
        contains: vec![libc.name.clone(), gcc.name.clone()],
        texts: vec![built.program.with_file_name("LICENSE")],
        ..from(&built.origin, "busybox")
    })
}

/// A part of this project.
fn own(name: &str, version: &str) -> Component {
    Component {
        name: name.to_owned(),
        version: version.to_owned(),
        kind: Kind::Data,
        licence: "MIT".to_owned(),
        purl: None,
        files: Vec::new(),
        contains: Vec::new(),
        texts: Vec::new(),
    }
}

/// Name and version of what is built from a source; of a tree that was given, its folder is the version.
fn from(origin: &Origin, name: &str) -> Component {
    let (version, purl) = match origin {
        Origin::Package(package) => (package.used_version().to_owned(), Some(purl(package))),
        Origin::Folder(folder) => (folder.display().to_string(), None),
    };
    Component {
        name: name.to_owned(),
        purl,
        version,
        kind: Kind::Application,
        licence: String::new(),
        files: Vec::new(),
        contains: Vec::new(),
        texts: Vec::new(),
    }
}

fn purl(package: &Package) -> String {
    let (name, version) = (&package.package, escaped(package.used_version()));
    format!("pkg:deb/debian/{name}@{version}")
}

/// The package of this machine's that a file belongs to, which is linked into the image's programs.
fn installed(file: &Path, licence: &str, what: &str) -> Result<Component> {
    let real =
        std::fs::canonicalize(file).with_context(|| format!("{what}: {}", file.display()))?;
    let owner = output_of(Command::new("dpkg-query").arg("-S").arg(&real));
    let owner = owner.with_context(|| {
        format!(
            "{what}: no package of the distribution has {}",
            real.display()
        )
    })?;
    let package = owner.split(':').next().unwrap_or_default().to_owned();
    let version = output_of(Command::new("dpkg-query").args(["-W", "-f", "${Version}", &package]))?;
    let text = Path::new("/usr/share/doc").join(&package).join("copyright");
    ensure!(text.is_file(), "{} is not there", text.display());
    Ok(Component {
        purl: Some(format!("pkg:deb/debian/{package}@{}", escaped(&version))),
        name: package,
        version,
        kind: Kind::Library,
        licence: licence.to_owned(),
        files: Vec::new(),
        contains: Vec::new(),
        texts: vec![text],
    })
}

/// A version within a package URL.
fn escaped(version: &str) -> String {
    version.replace('+', "%2B").replace(':', "%3A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_what_is_used() {
        let package = |name: &str, version: &str, file: &str| {
            Origin::Package(Package {
                package: name.to_owned(),
                suite: "any".to_owned(),
                version: version.to_owned(),
                file: file.to_owned(),
                sha256: String::new(),
            })
        };
        let linux = package("linux-source-7.3", "7.3.4-1~bpo13+1", "l.deb");
        let linux = from(&linux, "linux");
        assert_eq!(linux.version, "7.3.4-1~bpo13+1");
        let purl = "pkg:deb/debian/linux-source-7.3@7.3.4-1~bpo13%2B1";
        assert_eq!(linux.purl.as_deref(), Some(purl));
        let busybox = package("busybox", "1:1.35.0-4+deb12u1", "b.orig.tar.bz2");
        let busybox = from(&busybox, "busybox");
        assert_eq!(busybox.version, "1.35.0");
        let purl = "pkg:deb/debian/busybox@1.35.0";
        assert_eq!(busybox.purl.as_deref(), Some(purl));
        let given = from(&Origin::Folder("/src/linux".into()), "linux");
        assert_eq!((given.version.as_str(), given.purl), ("/src/linux", None));
    }
}
