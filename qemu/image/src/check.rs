// SPDX-License-Identifier: MIT
//! `make check-board`: everything about a board that can be judged without compiling a kernel.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::binding;
use crate::builder::Builder;
use crate::{bindgen, contents, disk, kconfig, linux};
use board::Board;
use board::devicetree;
use host::built;
use host::command::output_of;
use host::step::Step;

/// Checks the board's kernel configuration in each flavour, its device tree against the
/// binding, and makes a disk image around a kernel that is none. Returns the boot script; a detector
/// has neither.
pub fn board(builder: &Builder<'_>) -> Result<String> {
    let board = builder.board;
    let name = format!("check-{}", board.name);
    let step = Step::start(
        &builder.logs(),
        &name,
        "configuration, device tree, boot script, disk layout",
    )?;
    let scratch = tempfile::tempdir()?;
    configurations(builder, &step, scratch.path())?;
    binding::board_tree(&step, builder.paths, board)?;
    let script = match board.is_detector() {
        true => String::new(),
        false => disk_image(builder, &step, scratch.path())?,
    };
    step.done();
    Ok(script)
}

/// Whether the compiler of a board's kernel is installed.
pub fn has_compiler(board: &Board) -> Result<bool> {
    let compiler = board.kernel_compiler();
    Ok(output_of(Command::new(compiler).arg("--version")).is_ok())
}

fn configurations(builder: &Builder<'_>, step: &Step, scratch: &Path) -> Result<()> {
    let _inputs = built::hold();
    let bindgen = bindgen::build(builder)?;
    let source = linux::source(builder)?;
    // The board with this kernel has all its configurations checked.
    let is_own = builder.board.kernel == builder.board.name;
    let flavours = linux::flavours(builder.board);
    for flavour in flavours
        .into_iter()
        .take(if is_own { usize::MAX } else { 1 })
    {
        let wanted = kconfig::wanted(builder.board, flavour)?;
        let make = linux::make(builder, &source.tree, scratch, &bindgen)?;
        kconfig::configure(step, builder.board, &wanted, make, scratch)?;
    }
    if let Some(tree) = &builder.board.conf.linux_dtb {
        step.run(linux::make(builder, &source.tree, scratch, &bindgen)?.arg(tree))?;
        let built = linux::compiled(scratch, builder.board, tree);
        fs::copy(built, scratch.join("board.dtb"))?;
    }
    Ok(())
}

fn disk_image(builder: &Builder<'_>, step: &Step, scratch: &Path) -> Result<String> {
    let board = builder.board;
    for name in [&board.conf.linux_image, "rootfs.squashfs"] {
        fs::write(scratch.join(name), "stands in for what is not built\n")?;
    }
    if let Some(overlay) = board.overlay()? {
        devicetree::compile(&fs::read_to_string(overlay)?, &scratch.join("resmem.dtbo"))?;
    }
    disk::make(builder, step, scratch)?;
    if board.overlay()?.is_some() && board.conf.linux_dtb.is_none() && board.qemu().is_err() {
        println!(
            "    not checked: the boot loader has the tree of {}; #address-cells and #size-cells of /reserved-memory in \
             resmem.dtso must be those of its root",
            board.name
        );
    }
    contents::script(scratch)
}
