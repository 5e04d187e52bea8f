// SPDX-License-Identifier: MIT
//! The product's image, built by Buildroot from the external tree in `buildroot-external/`.

pub mod check;
mod collect;
mod config;
mod defconfig;
mod progress;
mod source;
mod stale;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::kconfig;
use crate::sbom;
use crate::toolchain::Toolchain;
use board::Board;
use board::Image;
use host::command::output;
use host::paths::Paths;
use host::settings;
use host::step::Step;

use config::{Config, EXTRA};

/// A build by Buildroot: one board, one kernel flavour.
pub struct Buildroot<'a> {
    paths: &'a Paths,
    tools: &'a Toolchain,
    board: &'a Board,
    flavour: &'a str,
    /// Of the build's folder and its logs.
    name: String,
    /// Buildroot's source.
    tree: PathBuf,
    /// Where it builds (`O=`).
    output: PathBuf,
    config: Config,
}

impl<'a> Buildroot<'a> {
    /// Gets Buildroot, and configures it unless that is done.
    pub fn prepare(
        paths: &'a Paths,
        tools: &'a Toolchain,
        board: &'a Board,
        flavour: &'a str,
    ) -> Result<Self> {
        if !board.conf.buildroot.0 {
            bail!(
                "board {}: Buildroot builds no image for it (BUILDROOT=no in its board.conf): make quick-image",
                board.name
            );
        }
        let config = Config::load(&paths.root, board, flavour)?;
        let tree = source::tree(paths, &paths.out.join("log"))?;
        let name = format!("{}-{flavour}", board.name);
        let output = paths.out.join("buildroot/output").join(&name);
        fs::create_dir_all(&output)?;
        let this = Self {
            paths,
            tools,
            board,
            flavour,
            name,
            tree,
            output,
            config,
        };
        this.configure()?;
        Ok(this)
    }

    /// Made again when the defconfig is another than last time; what `menuconfig` changed since stays
    /// otherwise.
    fn configure(&self) -> Result<()> {
        let used = self.output.join("resdump_defconfig");
        let dot_config = self.output.join(".config");
        if dot_config.exists() && fs::read_to_string(&used).is_ok_and(|it| it == self.config.text) {
            return Ok(());
        }
        let name = format!("buildroot-config-{}", self.name);
        let step = Step::start(&self.logs(), &name, "configure Buildroot")?;
        let partial = self.output.join("resdump_defconfig.partial");
        fs::write(&partial, &self.config.text)?;
        step.run(
            self.make()
                .arg("defconfig")
                .arg(format!("BR2_DEFCONFIG={}", partial.display())),
        )?;
        let name = self.config.defconfig.display().to_string();
        if let Err(lost) = kconfig::check(&name, &partial, &dot_config) {
            // Another toolchain, for example, has no use for some.
            if settings::get().buildroot_extra.is_none() {
                return Err(lost);
            }
            println!("note: with {EXTRA}: {lost}");
        }
        fs::rename(partial, used)?;
        step.done();
        Ok(())
    }

    fn logs(&self) -> PathBuf {
        self.paths.out.join("log")
    }

    /// `make` in Buildroot's tree, for this output folder. Downloads and compiler results are
    /// shared by all builds of this user.
    fn make(&self) -> Command {
        let external = self.paths.root.join("buildroot-external");
        let mut make = self.tools.command("make");
        make.arg("--no-print-directory")
            .arg("-C")
            .arg(&self.tree)
            .arg(format!("O={}", self.output.display()))
            .arg(format!("BR2_EXTERNAL={}", external.display()));
        let settings = settings::get();
        for (variable, given, folder) in [
            ("BR2_DL_DIR", &settings.br2_dl_dir, "buildroot-dl"),
            (
                "BR2_CCACHE_DIR",
                &settings.br2_ccache_dir,
                "buildroot-ccache",
            ),
        ] {
            if given.is_none() {
                make.env(variable, self.paths.cache.join(folder));
            }
        }
        if let Some(mirror) = &settings.br2_primary_site {
            make.arg(format!("BR2_PRIMARY_SITE={mirror}"));
        }
        // For Buildroot these are wrong, whatever they are. Its wrapper has a base for ccache of its own;
        // another lets names of folders into the module.
        for variable in [
            "RUSTC",
            "LIBCLANG_PATH",
            "LD_LIBRARY_PATH",
            "CCACHE_BASEDIR",
        ] {
            make.env_remove(variable);
        }
        make
    }

    /// Any target of Buildroot's, on this terminal.
    pub fn pass(&self, targets: &[String]) -> Result<()> {
        let mut make = self.make();
        make.args(targets);
        let saves = targets.iter().any(|target| target == "savedefconfig");
        if saves {
            if settings::get().buildroot_extra.is_some() {
                bail!("savedefconfig: {EXTRA} would get into the defconfig; unset it first");
            }
            make.arg(format!("BR2_DEFCONFIG={}", self.config.defconfig.display()));
        }
        // Some targets are for a person at a terminal, and take any time.
        let status = make
            .status()
            .with_context(|| format!("cannot run {make:?}"))?;
        if !status.success() {
            bail!("Buildroot: make {} ended with {status}", targets.join(" "));
        }
        if saves {
            fs::copy(
                &self.config.defconfig,
                self.output.join("resdump_defconfig"),
            )?;
        }
        Ok(())
    }

    /// Builds the image and its SDK, and leaves them in the folder that the suite knows.
    pub fn image(&self) -> Result<Image> {
        let started = Instant::now();
        let kernel = &self.board.conf.linux_image;
        let first = !self.output.join("images").join(kernel).exists();
        if first && source::require_sites()? {
            self.fill_hashes()?;
        }
        stale::forget(self)?;
        let log = self.logs().join(format!("buildroot-{}.log", self.name));
        println!(
            "==> buildroot: build {} {} (log {})",
            self.board.name,
            self.flavour,
            log.display()
        );
        progress::run(&mut self.make(), &log)?;
        let image = collect::collect(self)?;
        if !self.has_sdk()? {
            progress::run(self.make().arg("sdk"), &log)?;
        }
        println!(
            "image {}/{} ready after {:.1} s: {}",
            self.board.name,
            self.flavour,
            started.elapsed().as_secs_f64(),
            image.folder.display()
        );
        Ok(image)
    }

    /// A build that was ended halfway has a kernel and no SDK.
    fn has_sdk(&self) -> Result<bool> {
        let mut names = fs::read_dir(self.output.join("images"))?
            .flatten()
            .map(|it| it.file_name());
        Ok(names.any(|name| name.to_string_lossy().ends_with("_sdk-buildroot.tar.gz")))
    }

    /// The kernel's hash, from upstream's signed list, unless the checkout has it.
    fn fill_hashes(&self) -> Result<()> {
        let external = self.paths.root.join("buildroot-external");
        let known = fs::read_to_string(external.join("hashes/linux/linux.hash"))?;
        if known.contains(".tar.xz") {
            return Ok(());
        }
        let step = Step::start(&self.logs(), "fill-hashes", "get hashes from upstream")?;
        step.run(&mut self.tools.command(external.join("fill-hashes")))?;
        step.done();
        Ok(())
    }

    /// Writes `sbom.cdx.json` next to the image: CycloneDX, by the generator that Buildroot ships,
    /// from its own data, and the crates in the dumper, which Buildroot does not know.
    pub fn sbom(&self) -> Result<()> {
        let step = Step::start(&self.logs(), "sbom", "software bill of materials")?;
        let file = collect::folder(self).join("sbom.cdx.json");
        fs::create_dir_all(collect::folder(self))?;
        let info = self.output.join("show-info.json");
        let output = output(self.make().args(["-s", "show-info"]))?;
        if !output.status.success() {
            bail!(
                "show-info failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        fs::write(&info, output.stdout)?;
        let mut generator = self
            .tools
            .command(self.tree.join("utils/generate-cyclonedx"));
        if settings::get().br2_dl_dir.is_none() {
            generator.env("BR2_DL_DIR", self.paths.cache.join("buildroot-dl"));
        }
        step.run(
            generator
                .arg("--in-file")
                .arg(&info)
                .arg("--out-file")
                .arg(&file),
        )?;
        let mut document = serde_json::from_slice(&fs::read(&file)?)?;
        let target = &self.board.conf.rust_target;
        sbom::add_crates(&mut document, "resdump", self.paths, self.tools, target)?;
        fs::write(&file, serde_json::to_string_pretty(&document)? + "\n")?;
        step.done();
        println!("{}", file.display());
        Ok(())
    }
}
