// SPDX-License-Identifier: MIT
//! The quick image: kernel, module, dumper and root file system, put together from distribution
//! packages and this checkout.

mod apt;
mod assets;
mod bindgen;
mod busybox;
pub mod check;
mod contents;
pub mod cross;
mod disk;
mod kconfig;
pub mod linux;
pub mod manifest;
mod module;
mod patches;
mod rootfs;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::board::Board;
use crate::paths::Paths;
use crate::step::{Key, unless_built};
use crate::toolchain::Toolchain;

pub use manifest::Manifest;
pub use module::lint as module_lint;
pub use patches::lint as patches_lint;

/// What an image builder needs to know.
pub struct Builder<'a> {
    /// Folders.
    pub paths: &'a Paths,
    /// Compilers.
    pub tools: &'a Toolchain,
    /// For which board.
    pub board: &'a Board,
    /// Which kernel: the name of a fragment in `board/common/linux/fragments`.
    pub flavour: &'a str,
}

/// A finished image: a folder with the kernel, the root file system for memory (`rootfs.cpio`) and
/// for a partition (`rootfs.squashfs`), `resmem.dtbo`, `boot.scr`, the disk image `sdcard.img`,
/// `resmem.ko`, `resdump`, `linux.config` and `manifest.json`. `tools.cpio` beside them holds what the tests want in the
/// guest on top, and is not part of the image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The folder.
    pub folder: PathBuf,
}

impl Image {
    /// The image of a flavour below the folder that `RESDUMP_IMAGES` names; `None` when that is not
    /// set.
    pub fn given(flavour: &str) -> Result<Option<Self>> {
        let Some(images) = env::var_os("RESDUMP_IMAGES") else {
            return Ok(None);
        };
        let folder = PathBuf::from(images).join(flavour);
        if !folder.join("manifest.json").is_file() {
            bail!(
                "no image in {}: Buildroot makes it with `make image FLAVOUR={flavour}`",
                folder.display()
            );
        }
        Ok(Some(Self { folder }))
    }

    /// Path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Builder<'_> {
    /// Where step logs go.
    fn logs(&self) -> PathBuf {
        self.paths.out.join("log")
    }

    /// Builds what is not up to date and returns the image.
    pub fn build(&self) -> Result<Image> {
        let started = Instant::now();
        let flavours = linux::flavours(self.board);
        if !flavours.contains(&self.flavour) {
            let (board, flavour) = (&self.board.name, self.flavour);
            bail!(
                "board {board} has no kernel {flavour}, but {}",
                flavours.join(" and ")
            );
        }
        let _lock = self.paths.lock_cache()?;
        let folder = self
            .paths
            .out
            .join("quick")
            .join(&self.board.name)
            .join(self.flavour);

        let bindgen = bindgen::build(self)?;
        let source = linux::source(self)?;
        let kernel = linux::build(self, &source, &bindgen)?;
        let module = module::build(self, &source, &kernel, &bindgen, "kmod", "resmem")?;
        let planted = match self.board.instrument() || self.flavour == "debug" {
            true => {
                let folder = "qemu/planted";
                Some(module::build(
                    self, &source, &kernel, &bindgen, folder, "planted",
                )?)
            }
            false => None,
        };
        let [dumper, growdata] = cross::build(self, "userland", ["resdump", "growdata"])?;
        let assets = assets::build(self)?;
        let [probe] = cross::build(self, "qemu/probe", ["probe"])?;
        let client = cross::client(self)?;
        let busybox = busybox::build(self)?;
        let parts = rootfs::Parts {
            kernel: &kernel,
            module: &module,
            dumper: &dumper,
            growdata: &growdata,
            assets: &assets,
            probe: &probe,
            client: &client,
            planted: planted.as_deref(),
            busybox: &busybox,
        };

        let mut key = Key::new("image 1")
            .path(&kernel.image)?
            .path(&module)?
            .path(&dumper)?
            .path(&growdata)?
            .path(&assets)?
            .path(&probe)?
            .path(&client)?
            .path(&self.paths.root.join("qemu/probe/boot-clock.sh"))?
            .path(&busybox.program)?
            .path(&self.board.common.join("overlay"))?;
        if let Some(planted) = &planted {
            key = key.path(planted)?;
        }
        let key = disk::key(self, key)?.finish();
        unless_built(&folder, &key, || {
            if let Some(tree) = &kernel.tree {
                fs::copy(tree, folder.join("board.dtb"))
                    .with_context(|| format!("cannot copy {}", tree.display()))?;
            }
            rootfs::assemble(self, &folder, &parts)?;
            for (from, to) in [
                (&kernel.image, self.board.get("LINUX_IMAGE")?),
                (&kernel.config, "linux.config"),
                (&module, "resmem.ko"),
                (&dumper, "resdump"),
            ] {
                fs::copy(from, folder.join(to))
                    .with_context(|| format!("cannot copy {}", from.display()))?;
            }
            if !self.board.instrument() {
                disk::assemble(self, &folder)?;
            }
            Manifest::describe(self, &source, &busybox, &folder)?.write(&folder)
        })?;
        println!(
            "image {}/{} ready after {:.1} s: {}",
            self.board.name,
            self.flavour,
            started.elapsed().as_secs_f64(),
            folder.display()
        );
        Ok(Image { folder })
    }
}
