// SPDX-License-Identifier: GPL-2.0

//! Regions that the kernel's own parameter `reserve_mem=size:align:name` reserved, for machines
//! whose device tree cannot be changed: `resmem.reserve_mem=name[:rw][,name[:rw]...]`.
//!
//! No lock is taken here but by what is called.

use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

use crate::{
    abstractions::reserved,
    device::Device,
    refusal::Refusal,
    region::Region, //
};

/// Most regions of one list.
const MOST: usize = 16;

/// Registers a device for each region that the module's parameter names. One that cannot be is
/// said in the log, and left out.
pub(crate) fn register() -> Result<KVec<Device>> {
    let mut devices = KVec::new();
    let Some(list) = reserved::parameter() else {
        return Ok(devices);
    };
    for (index, entry) in list.to_bytes().split(|byte| *byte == b',').enumerate() {
        if index == MOST {
            pr_err!("reserve_mem: more than {MOST} names, the rest is left out\n");
            break;
        }
        let (name, writable) = parse(entry);
        let name = CString::try_from_fmt(fmt!("{}", kernel::str::BStr::from_bytes(name)))?;
        let name: &CStr = &name;
        match device(name, writable) {
            Ok(device) => devices.push(device, GFP_KERNEL)?,
            Err(refusal) => pr_err!("reserve_mem: {name}: {refusal}\n"),
        }
    }
    Ok(devices)
}

fn device(name: &CStr, writable: bool) -> Result<Device, Refusal> {
    let (start, size) = reserved::by_name(name)
        .map_err(|error| Refusal::new(error, c"nothing is reserved under this name"))?;
    let label = CString::try_from(name)?;
    let region = Arc::pin_init(Region::new(label, start, size, writable, None)?, GFP_KERNEL)?;
    let device = Device::register(region, None)?;
    let last = start + (size - 1);
    pr_info!("{name}: [mem {start:#x}-{last:#x}] by reserve_mem\n");
    Ok(device)
}

/// `name` or `name:rw`.
fn parse(entry: &[u8]) -> (&[u8], bool) {
    match entry.strip_suffix(b":rw") {
        Some(name) => (name, true),
        None => (entry, false),
    }
}

#[kunit_tests(resmem_named)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_ask_for_writing() {
        assert!(parse(b"capture") == (&b"capture"[..], false));
        assert!(parse(b"capture:rw") == (&b"capture"[..], true));
        assert!(parse(b"capture:ro") == (&b"capture:ro"[..], false));
        assert!(parse(b":rw") == (&b""[..], true));
    }
}
