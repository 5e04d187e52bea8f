// SPDX-License-Identifier: MIT
//! The root file system: an initramfs made by the kernel's own `gen_init_cpio`, so that nothing
//! depends on who builds it, or where, or when.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use super::Builder;
use super::busybox::Busybox;
use super::linux::Kernel;
use crate::step::Step;

/// What goes in beside the overlay.
pub struct Parts<'a> {
    pub kernel: &'a Kernel,
    pub module: &'a Path,
    pub dumper: &'a Path,
    pub assets: &'a Path,
    pub probe: &'a Path,
    pub busybox: &'a Busybox,
}

const FOLDERS: [&str; 18] = [
    "bin",
    "data",
    "dev",
    "etc",
    "lib",
    "lib/modules",
    "mnt",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "usr/sbin",
    "var",
    "var/log",
];

/// Writes `rootfs.cpio` and the compiled device-tree overlay into `folder`.
pub fn assemble(builder: &Builder<'_>, folder: &Path, parts: &Parts<'_>) -> Result<()> {
    let name = format!("rootfs-{}", builder.flavour);
    let step = Step::start(&builder.logs(), &name, "put the root file system together")?;
    let dependencies = folder.join("modules.dep");
    fs::write(&dependencies, "resmem.ko:\n")?;
    let cpio = |name: &str, list: String| write_cpio(parts.kernel, folder, name, &list);
    cpio("rootfs", cpio_list(builder, parts, &dependencies)?)?;
    cpio(
        "tools",
        format!(
            "file /usr/bin/probe {} 755 0 0\nfile /usr/bin/boot-clock.sh {} 644 0 0\n",
            parts.probe.display(),
            builder
                .paths
                .root
                .join("qemu/probe/boot-clock.sh")
                .display()
        ),
    )?;
    step.run(
        Command::new("dtc")
            .args(["-@", "-I", "dts", "-O", "dtb", "-o"])
            .arg(folder.join("resmem.dtbo"))
            .arg(builder.board.folder.join("resmem.dtso")),
    )?;
    step.done();
    Ok(())
}

fn write_cpio(kernel: &Kernel, folder: &Path, name: &str, list: &str) -> Result<()> {
    let file = folder.join(format!("{name}.list"));
    fs::write(&file, list)?;
    let cpio = File::create(folder.join(format!("{name}.cpio")))?;
    let program = kernel.build.join("usr/gen_init_cpio");
    let status = Command::new(&program)
        .args(["-t", "0"])
        .arg(&file)
        .stdout(Stdio::from(cpio))
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        bail!(
            "{} {} ended with {status}",
            program.display(),
            file.display()
        );
    }
    Ok(())
}

fn cpio_list(builder: &Builder<'_>, parts: &Parts<'_>, dependencies: &Path) -> Result<String> {
    let overlay = builder.board.common.join("overlay");
    let modules = format!("lib/modules/{}", release(parts.kernel)?);
    let mut lines = Vec::new();
    for name in FOLDERS {
        let mode = if name == "tmp" { "1777" } else { "755" };
        lines.push(format!("dir /{name} {mode} 0 0"));
    }
    for entry in WalkDir::new(&overlay).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        let name = entry.path().strip_prefix(&overlay)?.display().to_string();
        if entry.file_type().is_dir() {
            if !FOLDERS.contains(&name.as_str()) {
                lines.push(format!("dir /{name} 755 0 0"));
            }
        } else {
            let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
            let mode = if executable { 755 } else { 644 };
            lines.push(format!(
                "file /{name} {} {mode} 0 0",
                entry.path().display()
            ));
        }
    }
    lines.push("nod /dev/console 600 0 0 c 5 1".to_owned());
    lines.push("slink /init sbin/init 777 0 0".to_owned());
    lines.push(format!("dir /{modules} 755 0 0"));
    for (path, file, mode) in [
        (format!("{modules}/resmem.ko"), parts.module, 644),
        (format!("{modules}/modules.dep"), dependencies, 644),
        ("usr/bin/resdump".to_owned(), parts.dumper, 755),
        (
            "bin/busybox".to_owned(),
            parts.busybox.program.as_path(),
            755,
        ),
    ] {
        lines.push(format!("file /{path} {} {mode} 0 0", file.display()));
    }
    share(parts.assets, &mut lines)?;
    for link in fs::read_to_string(&parts.busybox.links)?.lines() {
        if link != "/bin/busybox" {
            lines.push(format!("slink {link} /bin/busybox 777 0 0"));
        }
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// What the shells and readers of man pages look for; of the shells, an image has at most bash.
const SHARED: [&str; 2] = ["man", "bash-completion"];

fn share(assets: &Path, lines: &mut Vec<String>) -> Result<()> {
    lines.push("dir /usr/share 755 0 0".to_owned());
    for part in SHARED {
        for entry in WalkDir::new(assets.join(part)).sort_by_file_name() {
            let entry = entry?;
            let name = entry.path().strip_prefix(assets)?.display();
            lines.push(match entry.file_type().is_dir() {
                true => format!("dir /usr/share/{name} 755 0 0"),
                false => format!("file /usr/share/{name} {} 644 0 0", entry.path().display()),
            });
        }
    }
    Ok(())
}

/// The release of a built kernel, as `uname -r` prints it.
pub fn release(kernel: &Kernel) -> Result<String> {
    let text = fs::read_to_string(kernel.build.join("include/config/kernel.release"))?;
    Ok(text.trim_end().to_owned())
}
