// SPDX-License-Identifier: GPL-2.0

//! The command that makes a dma-buf of a region: what a kernel with dma-buf does is in [`crate::dmabuf`].
//!
//! No lock is taken here but by what is called.

use kernel::{
    fs::LocalFile,
    prelude::*,
    sync::Arc, //
};

use crate::{
    abi,
    argument::Argument,
    region::Region, //
};

#[cfg(CONFIG_DMA_SHARED_BUFFER)]
use crate::dmabuf::export;

/// Does what [`abi::IOC_EXPORT`] says, also for the errors. May sleep.
pub(crate) fn run(region: &Arc<Region>, argument: Argument, node: &LocalFile) -> Result {
    let asked: abi::RegionExport = argument.read()?;
    if asked.flags & !(abi::EXPORT_WRITE | abi::EXPORT_CLOEXEC) != 0 || asked.reserved != [0; 4] {
        return Err(EINVAL);
    }
    export(region, asked, argument, node)
}

#[cfg(not(CONFIG_DMA_SHARED_BUFFER))]
fn export(_: &Arc<Region>, _: abi::RegionExport, _: Argument, _: &LocalFile) -> Result {
    Err(EOPNOTSUPP)
}
