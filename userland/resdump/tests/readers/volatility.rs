// SPDX-License-Identifier: MIT

//! Volatility.

use libtest_mimic::Failed;

use crate::Scene;

/// Volatility reads LiME's format, which is the same on every machine: for a dump of a board.
pub(crate) fn lime(scene: &Scene) -> Result<(), Failed> {
    scene.resdump("convert two elf --to elf --machine ppc")?;
    scene.resdump("convert elf lime --to lime")?;
    scene.agrees("volatility-lime", "lime")
}

/// It reads no ELF but of 64 bits, little-endian.
pub(crate) fn elf(scene: &Scene) -> Result<(), Failed> {
    scene.elf("volatility-elf", "--machine x86_64")?;
    scene.resdump("convert two board --to elf --machine ppc --class 64 --endian little")?;
    scene.agrees("volatility-elf", "board")
}

/// When this fails, docs/reference/resdump.md says too little of Volatility.
pub(crate) fn refuses(scene: &Scene) -> Result<(), Failed> {
    for class in ["32", "64"] {
        scene.resdump(&format!(
            "convert two elf --to elf --machine ppc --class {class} --force"
        ))?;
        if scene.agrees("volatility-elf", "elf").is_ok() {
            return Err(format!("it reads a big-endian core of {class} bits").into());
        }
    }
    Ok(())
}
