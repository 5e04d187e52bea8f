// SPDX-License-Identifier: MIT
//! The quick image: kernel, module, dumper and root file system, put together from distribution
//! packages and this checkout.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use board::Image;
use host::built::{self, unless_built};
use host::step::Key;

use crate::builder::Builder;
use crate::{assets, bindgen, busybox, cross, disk, linux, manifest, module, rootfs};

/// Builds what is not up to date and returns the image.
pub fn build(builder: &Builder<'_>) -> Result<Image> {
    let started = Instant::now();
    let flavours = linux::flavours(builder.board);
    if !flavours.contains(&builder.flavour) {
        let (board, flavour) = (&builder.board.name, builder.flavour);
        bail!(
            "board {board} has no kernel {flavour}, but {}",
            flavours.join(" and ")
        );
    }
    let _inputs = built::hold();
    let folder = builder
        .paths
        .out
        .join("quick")
        .join(&builder.board.name)
        .join(builder.flavour);

    let bindgen = bindgen::build(builder)?;
    let source = linux::source(builder)?;
    let kernel = linux::build(builder, &source, &bindgen)?;
    let module = module::build(builder, &source, &kernel, &bindgen, "kmod", "resmem")?;
    let planted = match builder.board.is_detector() || builder.flavour == "debug" {
        true => {
            let folder = "qemu/planted";
            Some(module::build(
                builder, &source, &kernel, &bindgen, folder, "planted",
            )?)
        }
        false => None,
    };
    let config = fs::read_to_string(&kernel.config)?;
    let has = |option: &str| config.lines().any(|line| line == option);
    let mut drivers = planted.into_iter().collect::<Vec<_>>();
    if has("CONFIG_DMA_ENGINE=y") {
        let folder = "qemu/dmaengine";
        let copier = module::build(builder, &source, &kernel, &bindgen, folder, "copier")?;
        if has("CONFIG_PCI=y") {
            drivers.push(copier.with_file_name("edu_dma.ko"));
        }
        drivers.push(copier);
    }
    if has("CONFIG_DMA_SHARED_BUFFER=y") {
        drivers.push(module::build(
            builder,
            &source,
            &kernel,
            &bindgen,
            "qemu/importer",
            "importer",
        )?);
        drivers.extend(module::of_kernel(&kernel)?);
    }
    let [dumper, growdata] = cross::build(builder, ["resdump", "growdata"])?;
    let assets = assets::build(builder)?;
    let [probe] = cross::build(builder, ["probe"])?;
    let clients = cross::clients(builder)?;
    let busybox = busybox::build(builder)?;
    let parts = rootfs::Parts {
        kernel: &kernel,
        module: &module,
        dumper: &dumper,
        growdata: &growdata,
        assets: &assets,
        probe: &probe,
        clients: &clients,
        drivers: &drivers,
        busybox: &busybox,
    };

    let mut key = Key::new("image 4")
        .path(&kernel.image)?
        .path(&module)?
        .path(&dumper)?
        .path(&growdata)?
        .path(&assets)?
        .path(&probe)?
        .path(&builder.paths.root.join("userland/probe/boot-clock.sh"))?
        .path(&busybox.program)?
        .path(&builder.board.common.join("overlay"))?;
    for program in clients.iter().map(|(program, _)| program).chain(&drivers) {
        key = key.path(program)?;
    }
    let key = disk::key(builder, key)?.finish();
    unless_built(&folder, &key, || {
        if let Some(tree) = &kernel.tree {
            fs::copy(tree, folder.join("board.dtb"))
                .with_context(|| format!("cannot copy {}", tree.display()))?;
        }
        rootfs::assemble(builder, &folder, &parts)?;
        for (from, to) in [
            (&kernel.image, builder.board.conf.linux_image.as_str()),
            (&kernel.config, "linux.config"),
            (&module, "resmem.ko"),
            (&dumper, "resdump"),
            (&dumper.with_extension("symbols"), "resdump.symbols"),
        ] {
            fs::copy(from, folder.join(to))
                .with_context(|| format!("cannot copy {}", from.display()))?;
        }
        if !builder.board.is_detector() {
            disk::assemble(builder, &folder)?;
        }
        manifest::describe(builder, &source, &busybox, &folder)?.write(&folder)
    })?;
    println!(
        "image {}/{} ready after {:.1} s: {}",
        builder.board.name,
        builder.flavour,
        started.elapsed().as_secs_f64(),
        folder.display()
    );
    Ok(Image { folder })
}
