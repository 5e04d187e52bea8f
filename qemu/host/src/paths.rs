// SPDX-License-Identifier: MIT
//! Where things are: the checkout, its output folder, and the cache that checkouts share.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::settings;

/// Folders of this run.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The checkout.
    pub root: PathBuf,
    /// Output of this checkout: images, run folders, logs. Safe to delete.
    pub out: PathBuf,
    /// Downloads and builds that are worth keeping, outside any checkout. Safe to delete.
    pub cache: PathBuf,
}

impl Paths {
    /// The checkout that this program was built in; the cache is `RESDUMP_CACHE`, else the user's
    /// cache folder.
    pub fn discover() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("this program was not built in a folder of the checkout")?
            .to_path_buf();
        let cache = match &settings::load()?.cache {
            Some(cache) => cache.clone(),
            None => match settings::system("XDG_CACHE_HOME") {
                Some(base) => PathBuf::from(base).join("resdump"),
                None => PathBuf::from(settings::system("HOME").context("HOME is not set")?)
                    .join(".cache/resdump"),
            },
        };
        let out = root.join("out");
        for folder in [&out, &cache] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(Self { root, out, cache })
    }

    /// The same folders for another checkout.
    pub fn of_checkout(&self, root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            out: root.join("out"),
            cache: self.cache.clone(),
        }
    }

    /// The folder of a board's image: below the one that `RESDUMP_IMAGES` names, else the quick one.
    pub fn image(&self, board: &str, flavour: &str) -> PathBuf {
        let images = match &settings::get().images {
            Some(images) => images.clone(),
            None => self.out.join("quick").join(board),
        };
        images.join(flavour)
    }

    /// The dumper for this machine, once the front door has built it.
    pub fn host_dumper(&self) -> PathBuf {
        self.out.join("target/userland/debug/resdump")
    }

    /// Takes the downloads for this process, waiting for another that has them; given back on drop.
    pub fn lock_downloads(&self) -> Result<File> {
        let path = self.cache.join(".lock");
        let file =
            File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        if file.try_lock().is_err() {
            println!(
                "waiting for another process that downloads to {}",
                self.cache.display()
            );
            file.lock()?;
        }
        Ok(file)
    }

    /// A fresh, empty folder below `out`.
    pub fn fresh_out(&self, name: &str) -> Result<PathBuf> {
        let folder = self.out.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}
