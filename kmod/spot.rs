// SPDX-License-Identifier: GPL-2.0

//! A place that a device and the module share: a register, or a word of the region.
//!
//! No lock is taken here but by what is called.

use kernel::prelude::*;

use crate::{
    abstractions::{
        producer::{
            self,
            Register,
            Width, //
        },
        syscon::Syscon, //
    },
    region::Region, //
};

/// See the module.
pub(crate) enum Spot {
    /// A word of the region, at this byte.
    Word(u64, Width),
    Register(Register),
    Syscon(Syscon),
}

impl Spot {
    /// What is there. Sleeps where the region's caches do not see what the device does. Errors: those of
    /// [`Region::look`]; what the system controller answers.
    pub(crate) fn read(&self, region: &Region) -> Result<u64> {
        match self {
            Self::Word(offset, width) => {
                region.look(*offset, width.bytes.into())?;
                producer::read_word(region.memory(), *offset, *width)
            }
            Self::Register(register) => register.read(),
            Self::Syscon(register) => register.read(),
        }
    }

    /// Puts the lower 32 bits of `value` there. Of a word: of a region whose caches see what the device does.
    pub(crate) fn write(&self, region: &Region, value: u64) -> Result {
        match self {
            Self::Word(offset, width) => {
                producer::write_word(region.memory(), *offset, *width, value as u32)
            }
            Self::Register(register) => {
                register.write(value as u32);
                Ok(())
            }
            Self::Syscon(register) => register.write(value as u32),
        }
    }

    /// Whether reading it takes a lock of the region, and perhaps long.
    pub(crate) fn read_sleeps(&self, region: &Region) -> bool {
        matches!(self, Self::Word(..)) && region.look_sleeps()
    }
}
