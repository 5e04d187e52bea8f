// SPDX-License-Identifier: MIT
//! The kernel: source from a distribution package (or `LINUX_SRC`), the project's patches, a
//! configuration made of the board's fragments, and a check that none of their lines was dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::builder::Builder;
use crate::inputs::{Inputs, Origin, Package};
use crate::{apt, kconfig};
use board::Board;
use host::built::unless_built;
use host::command::output_of;
use host::settings;
use host::step::{Key, Step};

/// The kernels that a board has, each with a fragment of its own.
pub(crate) const FLAVOURS: [&str; 4] = ["appliance", "lab", "debug", "bringup"];

/// The flavours that a board has: those, unless it names its own.
pub(crate) fn flavours(board: &Board) -> Vec<&str> {
    match board.conf.flavours.as_slice() {
        [] => FLAVOURS.to_vec(),
        own => own.iter().map(String::as_str).collect(),
    }
}

/// A patched source tree.
pub struct Source {
    /// The tree.
    pub tree: PathBuf,
    /// Where it is from.
    pub origin: Origin,
    /// Key of its content.
    key: String,
}

/// A built kernel.
pub struct Kernel {
    /// Build folder (`O=`), which out-of-tree modules need.
    pub build: PathBuf,
    /// The boot image.
    pub image: PathBuf,
    /// The final configuration.
    pub config: PathBuf,
    /// The board's compiled device tree, where the kernel's sources have it.
    pub tree: Option<PathBuf>,
    /// Key of all that it was built from.
    pub key: String,
}

/// Unpacks and patches the kernel source. Patches that only some boards need make a tree of its own.
pub fn source(builder: &Builder<'_>) -> Result<Source> {
    let common = builder.board.common.join("linux/patches");
    let origin = match &settings::get().linux_src {
        Some(tree) => Origin::Folder(tree.clone()),
        None => Origin::Package(Inputs::load(&builder.paths.root)?.linux),
    };
    let mut key = Key::new("linux source 1").path(&common)?;
    let mut name = match &origin {
        Origin::Folder(tree) => {
            let makefile = tree.join("Makefile");
            key = key.path(&makefile)?.text(&tree.to_string_lossy());
            "linux-given".to_owned()
        }
        Origin::Package(wanted) => {
            key = key.text(&wanted.sha256);
            wanted.package.clone()
        }
    };
    let own = builder.board.patches()?;
    if let Some((own, owner)) = &own {
        key = key.path(own)?;
        name += &format!("-{owner}");
    }
    let key = key.finish();
    let folder = builder.paths.cache.join(name);
    let tree = folder.join("tree");
    unless_built(&folder, &key, || {
        let step = Step::start(
            &builder.logs(),
            "linux-source",
            "get, unpack and patch Linux",
        )?;
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        fs::create_dir_all(&tree)?;
        match &origin {
            Origin::Folder(given) => step.run(
                Command::new("cp")
                    .args(["-a", "--reflink=auto", "-T"])
                    .arg(given)
                    .arg(&tree),
            )?,
            Origin::Package(wanted) => unpack_package(builder, &step, wanted, &folder, &tree)?,
        }
        let own = own.as_ref().map(|(own, _)| own);
        for patches in [Some(&common), own].into_iter().flatten() {
            patch(&step, &tree, patches)?;
        }
        step.done();
        Ok(())
    })?;
    Ok(Source { tree, origin, key })
}

fn unpack_package(
    builder: &Builder<'_>,
    step: &Step,
    wanted: &Package,
    folder: &Path,
    tree: &Path,
) -> Result<()> {
    let package = apt::fetch(builder, step, wanted)?;
    let unpacked = folder.join("deb");
    apt::unpack(step, &package, &unpacked)?;
    let tarball = unpacked.join(format!("usr/src/{}.tar.xz", wanted.package));
    step.run(
        Command::new("tar")
            .arg("-xf")
            .arg(&tarball)
            .arg("-C")
            .arg(tree)
            .arg("--strip-components=1"),
    )?;
    fs::remove_dir_all(&unpacked)?;
    Ok(())
}

/// The patches in a folder, in the order in which they apply.
pub(super) fn patches_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "patch")
        })
        .collect();
    files.sort();
    Ok(files)
}

/// Applies the patches that the tree does not hold already.
fn patch(step: &Step, tree: &Path, patches: &Path) -> Result<()> {
    for file in patches_in(patches)? {
        let patch = |arguments: &[&str]| {
            let mut command = Command::new("patch");
            command
                .arg("-d")
                .arg(tree)
                .args(["-p1", "-f", "-i"])
                .arg(&file)
                .args(arguments);
            command
        };
        if output_of(&mut patch(&["-R", "--dry-run"])).is_ok() {
            continue;
        }
        step.run(&mut patch(&["--no-backup-if-mismatch"]))?;
    }
    Ok(())
}

/// `make` in the kernel tree with the board's architecture and the project's tools.
pub fn make(builder: &Builder<'_>, tree: &Path, build: &Path, bindgen: &Path) -> Result<Command> {
    let (tools, board) = (builder.tools, builder.board);
    let mut make = tools.command("make");
    make.arg("-C")
        .arg(tree)
        .arg(format!("O={}", build.display()))
        .arg(format!("ARCH={}", &board.conf.linux_arch))
        .arg(match board.conf.llvm.as_deref() {
            // The architecture sets the compiler's target.
            Some(release) => format!("LLVM={release}"),
            None => format!("CROSS_COMPILE={}", board.conf.cross_compile),
        })
        .arg(format!("BINDGEN={}", bindgen.display()))
        .arg(format!("RUSTC={}", tools.tool("rustc").display()))
        .arg(format!("HOSTRUSTC={}", tools.tool("rustc").display()))
        .arg(format!("RUSTDOC={}", tools.tool("rustdoc").display()))
        .arg(format!("-j{}", jobs()))
        .env("RUST_LIB_SRC", &tools.library)
        .env("KBUILD_BUILD_TIMESTAMP", "1970-01-01")
        .env("SOURCE_DATE_EPOCH", "0")
        .env("KBUILD_BUILD_USER", "resdump")
        .env("KBUILD_BUILD_HOST", "resdump")
        .env("KBUILD_BUILD_VERSION", "1");
    Ok(make)
}

fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Configures and builds the kernel; a build that was interrupted goes on.
pub fn build(builder: &Builder<'_>, source: &Source, bindgen: &Path) -> Result<Kernel> {
    let board = builder.board;
    let target = board.conf.linux_image.as_str();
    let builds = builder.paths.cache.join("linux-build");
    let build = builds.join(format!("{}-{}", board.kernel, builder.flavour));
    let wanted = kconfig::wanted(board, builder.flavour)?;
    let compiler = board.kernel_compiler();
    let key = Key::new("linux build 1")
        .text(&source.key)
        .text(&wanted)
        .text(&builder.tools.version)
        .text(&output_of(Command::new(compiler).arg("--version"))?)
        .path(bindgen)?
        .finish();
    let arch = build.join("arch").join(&board.conf.linux_arch);
    let mut kernel = Kernel {
        image: match target {
            "vmlinux" => build.join(target),
            _ => arch.join("boot").join(target),
        },
        tree: None,
        config: build.join(".config"),
        build: build.clone(),
        key: key.clone(),
    };
    unless_built(&build, &key, || {
        let name = format!("linux-{}-{}", board.kernel, builder.flavour);
        let what = format!("configure and build Linux for {}", board.kernel);
        let step = Step::start(&builder.logs(), &name, &what)?;
        let configure = make(builder, &source.tree, &build, bindgen)?;
        kconfig::configure(&step, board, &wanted, configure, &build)?;
        step.run(make(builder, &source.tree, &build, bindgen)?.args([target, "modules"]))?;
        step.done();
        Ok(())
    })?;
    if let Some(tree) = &board.conf.linux_dtb {
        kernel.tree = Some(device_tree(builder, source, bindgen, &kernel, tree)?);
    }
    Ok(kernel)
}

/// Compiles a device tree of the kernel's sources, in a folder of its own: boards with other trees may have the same
/// kernel.
fn device_tree(
    builder: &Builder<'_>,
    source: &Source,
    bindgen: &Path,
    kernel: &Kernel,
    tree: &str,
) -> Result<PathBuf> {
    let name = format!("{}-{}-tree", builder.board.name, builder.flavour);
    let build = kernel.build.with_file_name(&name);
    let key = Key::new("device tree 1")
        .text(&kernel.key)
        .text(tree)
        .finish();
    unless_built(&build, &key, || {
        let what = format!("compile {tree}");
        let step = Step::start(&builder.logs(), &format!("linux-{name}"), &what)?;
        fs::create_dir_all(&build)?;
        fs::copy(&kernel.config, build.join(".config"))?;
        step.run(make(builder, &source.tree, &build, bindgen)?.arg(tree))?;
        step.done();
        Ok(())
    })?;
    Ok(compiled(&build, builder.board, tree))
}

/// Where a device tree is after it was compiled in `build`.
pub(crate) fn compiled(build: &Path, board: &Board, tree: &str) -> PathBuf {
    let arch = build.join("arch").join(&board.conf.linux_arch);
    arch.join("boot/dts").join(tree)
}
