// SPDX-License-Identifier: MIT
//! What judges the external tree: Buildroot's own checker and its Kconfig.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::python;
use host::command::{output, output_of};
use host::paths::Paths;
use host::settings;
use host::step::Step;

/// Runs `check-package` of the tree that `BUILDROOT_DIR` names, a warning of which is an error, and
/// loads the defconfigs; says so when there is none.
pub fn lint(paths: &Paths) -> Result<()> {
    let Some(tree) = settings::get().buildroot_dir.clone() else {
        println!("==> lint-buildroot: SKIPPED, it needs BUILDROOT_DIR=<tree of Buildroot>");
        return Ok(());
    };
    let step = Step::start(
        &paths.out.join("log"),
        "lint-buildroot",
        "Buildroot's check-package",
    )?;
    let bin = python::install(paths, &step)?;
    let files = output_of(
        Command::new("git")
            .args(["ls-files", "buildroot-external"])
            .current_dir(&paths.root),
    )?;
    let path = settings::system("PATH").unwrap_or_default();
    let folders = std::iter::once(bin.clone()).chain(env::split_paths(&path));
    let output = output(
        Command::new(bin.join("python3"))
            .arg(tree.join("utils/check-package"))
            .arg("-b")
            .args(files.lines().filter(|file| judged(Path::new(file))))
            .current_dir(&paths.root)
            .env("PATH", env::join_paths(folders)?),
    )?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if !output.status.success() || !said.contains("\n0 warnings generated") {
        bail!("check-package:\n{said}");
    }
    step.done();
    super::defconfig::check(paths, &tree)
}

/// Cargo's files are not Buildroot's.
fn judged(file: &Path) -> bool {
    !file.starts_with("buildroot-external/package/bindgen-cli/source")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shared object of that name in `folder`, linked against others there.
    fn link(folder: &Path, name: &str, against: &[&str]) {
        let output = Command::new("gcc")
            .args(["-shared", "-nostdlib", "-Wl,--no-as-needed", "-o", name])
            .arg(format!("-Wl,-soname,{name}"))
            .args(against)
            .args(["-x", "c", "/dev/null"])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    #[test]
    fn libraries_that_no_program_needs_are_left_out_and_others_are_not() {
        let target = tempfile::tempdir().unwrap();
        let lib = target.path().join("lib");
        std::fs::create_dir(&lib).unwrap();
        link(&lib, "libresolv.so.2", &[]);
        link(&lib, "libm.so.6", &["libresolv.so.2"]);
        link(&lib, "libdl.so.2", &[]);
        link(&lib, "libutil.so.1", &["libdl.so.2"]);
        link(&lib, "program", &["libm.so.6"]);
        // A library need not be executable.
        let plain = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(lib.join("libm.so.6"), plain).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let status = Command::new(root.join("../../buildroot-external/post-fakeroot.sh"))
            .arg(target.path())
            .status()
            .unwrap();
        assert!(status.success());
        let mut left: Vec<_> = std::fs::read_dir(&lib)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["libm.so.6", "libresolv.so.2", "program"]);
    }
}
