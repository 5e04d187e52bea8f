// SPDX-License-Identifier: MIT
//! What a kernel can report about itself: its detectors, as its configuration has them, and its taint.

use std::fs;

use anyhow::{Context, Result};

use board::Image;

/// The taint of a kernel with an out-of-tree module, and nothing else.
pub const TAINT_OUT_OF_TREE: u32 = 1 << 12;
/// The taint of a kernel that looks for signatures and has loaded a module without one.
pub(crate) const TAINT_UNSIGNED: u32 = 1 << 13;
/// The taint of a kernel that has run KUnit tests.
pub const TAINT_TEST: u32 = 1 << 18;

/// The detectors of a kernel, as its configuration has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detectors {
    /// Order and context of locks (lockdep).
    pub locks: bool,
    /// Unreferenced memory (kmemleak).
    pub leaks: bool,
    /// Use of the DMA interface.
    pub dma: bool,
    /// Signatures of modules. Ours have none, and the kernel is tainted by that.
    pub signatures: bool,
    /// Data races (KCSAN).
    pub races: bool,
}

impl Detectors {
    /// Those of an image.
    pub fn of(image: &Image) -> Result<Self> {
        let file = image.file("linux.config");
        let config =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self::configured(&config))
    }

    fn configured(config: &str) -> Self {
        let has = |option: &str| config.lines().any(|line| line == format!("{option}=y"));
        Self {
            locks: has("CONFIG_PROVE_LOCKING"),
            leaks: has("CONFIG_DEBUG_KMEMLEAK"),
            dma: has("CONFIG_DMA_API_DEBUG"),
            signatures: has("CONFIG_MODULE_SIG"),
            races: has("CONFIG_KCSAN"),
        }
    }

    /// How many times longer things may take.
    pub fn slowness(self) -> f64 {
        if self.locks || self.races { 4.0 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruments_are_what_the_configuration_says() {
        let config = "CONFIG_PROVE_LOCKING=y\n# CONFIG_DEBUG_KMEMLEAK is not set\n";
        let found = Detectors::configured(config);
        assert!(found.locks && !found.leaks && !found.dma);
        assert!(found.slowness() > Detectors::configured("").slowness());
    }
}
