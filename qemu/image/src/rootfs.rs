// SPDX-License-Identifier: MIT
//! The root file system, as an initramfs and as a squashfs with the same content. Nothing in them
//! depends on the user, place or time of the build.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::builder::Builder;
use crate::busybox::Busybox;
use crate::linux::Kernel;
use board::devicetree;
use host::step::Step;

/// What goes in besides the overlay.
pub struct Parts<'a> {
    pub kernel: &'a Kernel,
    pub module: &'a Path,
    pub dumper: &'a Path,
    pub growdata: &'a Path,
    pub assets: &'a Path,
    pub probe: &'a Path,
    /// Programs of the tests, and their names.
    pub clients: &'a [(PathBuf, String)],
    /// Modules that tests load.
    pub drivers: &'a [PathBuf],
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

/// Something in a root file system, owned by root.
enum Entry {
    Folder(u32),
    File(PathBuf, u32),
    Link(String),
    /// A character device: major and minor number.
    Device(u32, u32),
}

/// The files of a finished root file system and what each was made from, for the bill of materials.
#[derive(Debug, Serialize, Deserialize)]
pub struct Installed(pub Vec<InstalledFile>);

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct InstalledFile {
    /// Absolute path in the root file system.
    pub path: String,
    /// The file that it is a copy of.
    pub source: PathBuf,
}

impl Installed {
    const NAME: &str = "rootfs.json";

    fn of(content: &[(String, Entry)]) -> Self {
        let file = |(path, entry): &(String, Entry)| match entry {
            Entry::File(source, _) => Some(InstalledFile {
                path: path.clone(),
                source: source.clone(),
            }),
            _ => None,
        };
        Self(content.iter().filter_map(file).collect())
    }

    /// Writes it next to the image's other files.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::write(folder.join(Self::NAME), serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }

    /// That of the image in `folder`.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(Self::NAME);
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| file.display().to_string())
    }
}

/// What is in a root file system: absolute paths, folders before what is in them.
type Content = Vec<(String, Entry)>;

/// Writes `rootfs.cpio`, `rootfs.squashfs` and the compiled device-tree overlay into `folder`.
pub fn assemble(builder: &Builder<'_>, folder: &Path, parts: &Parts<'_>) -> Result<()> {
    let name = format!("rootfs-{}-{}", builder.board.name, builder.flavour);
    let step = Step::start(&builder.logs(), &name, "put the root file system together")?;
    let dependencies = folder.join("modules.dep");
    fs::write(&dependencies, "resmem.ko:\n")?;
    let root = content(builder, parts, &dependencies)?;
    write_cpio(
        &step,
        parts.kernel,
        folder,
        "rootfs",
        root.iter().filter(in_memory),
    )?;
    Installed::of(&root).write(folder)?;
    write_squashfs(&step, folder, &root)?;
    let program = |path: &Path| Entry::File(path.to_path_buf(), 0o755);
    let clock = builder.paths.root.join("userland/probe/boot-clock.sh");
    let mut tools = vec![
        ("/usr/bin/probe".to_owned(), program(parts.probe)),
        (
            "/usr/bin/boot-clock.sh".to_owned(),
            Entry::File(clock, 0o644),
        ),
    ];
    for (client, name) in parts.clients {
        tools.push((format!("/usr/bin/{name}"), program(client)));
    }
    for driver in parts.drivers {
        let name = driver.file_name().context("a module without a name")?;
        let file = Entry::File(driver.clone(), 0o644);
        tools.push((format!("/lib/{}", name.display()), file));
    }
    write_cpio(&step, parts.kernel, folder, "tools", &tools)?;
    if let Some(overlay) = builder.board.overlay()? {
        devicetree::compile(&fs::read_to_string(overlay)?, &folder.join("resmem.dtbo"))?;
    }
    step.done();
    Ok(())
}

/// Grows the partition next to the root's.
const GROWDATA: &str = "/usr/sbin/growdata";

/// Whether a root in memory has it. The kernel copies all of that at each start: no partition is next to it to be grown,
/// and nothing there reads man pages.
fn in_memory((path, _): &&(String, Entry)) -> bool {
    path != GROWDATA && !path.starts_with(SHARE)
}

/// An initramfs, by the kernel's own `gen_init_cpio`.
fn write_cpio<'a>(
    step: &Step,
    kernel: &Kernel,
    folder: &Path,
    name: &str,
    content: impl IntoIterator<Item = &'a (String, Entry)>,
) -> Result<()> {
    let mut list = String::new();
    for (path, entry) in content {
        let line = match entry {
            Entry::Folder(mode) => format!("dir {path} {mode:o} 0 0"),
            Entry::File(source, mode) => format!("file {path} {} {mode:o} 0 0", source.display()),
            Entry::Link(target) => format!("slink {path} {target} 777 0 0"),
            Entry::Device(major, minor) => format!("nod {path} 600 0 0 c {major} {minor}"),
        };
        list += &line;
        list.push('\n');
    }
    let file = folder.join(format!("{name}.list"));
    fs::write(&file, list)?;
    let archive = folder.join(format!("{name}.cpio"));
    step.run(
        Command::new(kernel.build.join("usr/gen_init_cpio"))
            .args(["-t", "0", "-o"])
            .arg(&archive)
            .arg(&file),
    )?;
    // The tool makes a file that only its owner can read.
    fs::set_permissions(&archive, fs::Permissions::from_mode(0o644))?;
    Ok(())
}

/// The same for a partition. Everything comes from the list, nothing from the disk: owners, devices
/// and times do not depend on the user that builds it.
fn write_squashfs(step: &Step, folder: &Path, content: &[(String, Entry)]) -> Result<()> {
    let mut list = String::new();
    for (path, entry) in content {
        let line = match entry {
            Entry::Folder(mode) => format!("{path} d {mode:o} 0 0"),
            Entry::File(source, mode) => {
                format!("{path} f {mode:o} 0 0 cat '{}'", source.display())
            }
            Entry::Link(target) => format!("{path} s 777 0 0 {target}"),
            Entry::Device(major, minor) => format!("{path} c 600 0 0 {major} {minor}"),
        };
        list += &line;
        list.push('\n');
    }
    let file = folder.join("rootfs.squashfs.list");
    fs::write(&file, list)?;
    let empty = tempfile::tempdir()?;
    step.run(
        Command::new("mksquashfs")
            // It takes either this or times on its command line.
            .env_remove("SOURCE_DATE_EPOCH")
            .arg(empty.path())
            .arg(folder.join("rootfs.squashfs"))
            .args(["-noappend", "-no-progress", "-comp", "gzip"])
            .args(["-Xcompression-level", "9", "-b", "128K"])
            .args(["-mkfs-time", "0", "-all-time", "0", "-all-root"])
            .args(["-p", "/ d 755 0 0", "-pf"])
            .arg(&file),
    )
}

fn content(builder: &Builder<'_>, parts: &Parts<'_>, dependencies: &Path) -> Result<Content> {
    let overlay = builder.board.common.join("overlay");
    let modules = format!("/lib/modules/{}", release(parts.kernel)?);
    let mut content = Vec::new();
    for name in FOLDERS {
        let mode = if name == "tmp" { 0o1777 } else { 0o755 };
        content.push((format!("/{name}"), Entry::Folder(mode)));
    }
    for entry in WalkDir::new(&overlay).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        let name = entry.path().strip_prefix(&overlay)?.display().to_string();
        if entry.file_type().is_dir() {
            if !FOLDERS.contains(&name.as_str()) {
                content.push((format!("/{name}"), Entry::Folder(0o755)));
            }
        } else {
            let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            let file = Entry::File(entry.path().to_path_buf(), mode);
            content.push((format!("/{name}"), file));
        }
    }
    content.push(("/dev/console".to_owned(), Entry::Device(5, 1)));
    content.push(("/init".to_owned(), Entry::Link("sbin/init".to_owned())));
    content.push((modules.clone(), Entry::Folder(0o755)));
    for (path, file, mode) in [
        (format!("{modules}/resmem.ko"), parts.module, 0o644),
        (format!("{modules}/modules.dep"), dependencies, 0o644),
        ("/usr/bin/resdump".to_owned(), parts.dumper, 0o755),
        (GROWDATA.to_owned(), parts.growdata, 0o755),
        (
            "/bin/busybox".to_owned(),
            parts.busybox.program.as_path(),
            0o755,
        ),
    ] {
        content.push((path, Entry::File(file.to_path_buf(), mode)));
    }
    share(parts.assets, &mut content)?;
    for link in fs::read_to_string(&parts.busybox.links)?.lines() {
        if link != "/bin/busybox" {
            content.push((link.to_owned(), Entry::Link("/bin/busybox".to_owned())));
        }
    }
    Ok(content)
}

/// What the shells and readers of man pages look for; of the shells, an image has at most bash.
const SHARED: [&str; 2] = ["man", "bash-completion"];
const SHARE: &str = "/usr/share";

fn share(assets: &Path, content: &mut Vec<(String, Entry)>) -> Result<()> {
    content.push((SHARE.to_owned(), Entry::Folder(0o755)));
    for part in SHARED {
        for entry in WalkDir::new(assets.join(part)).sort_by_file_name() {
            let entry = entry?;
            let name = entry.path().strip_prefix(assets)?.display();
            let what = match entry.file_type().is_dir() {
                true => Entry::Folder(0o755),
                false => Entry::File(entry.path().to_path_buf(), 0o644),
            };
            content.push((format!("{SHARE}/{name}"), what));
        }
    }
    Ok(())
}

/// The release of a built kernel, as `uname -r` prints it.
pub fn release(kernel: &Kernel) -> Result<String> {
    let text = fs::read_to_string(kernel.build.join("include/config/kernel.release"))?;
    Ok(text.trim_end().to_owned())
}
