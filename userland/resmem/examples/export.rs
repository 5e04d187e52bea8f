// SPDX-License-Identifier: MIT

//! `export LABEL PROGRAM [ARGUMENT]...`: makes a dma-buf of a region and starts a program that has it as standard input,
//! for a driver that imports it: V4L2, DRM, FunctionFS.

use std::{
    env,
    error::Error,
    process::{Command, exit},
};

use resmem::{Access, Region, abi::FEATURE_EXPORT};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, label, program, rest @ ..] = &arguments[..] else {
        return Err("usage: export LABEL PROGRAM [ARGUMENT]...".into());
    };
    let region = Region::open(label).map_err(|error| format!("{label}: {error}"))?;
    if !region.has_feature(FEATURE_EXPORT) {
        return Err(format!("{label}: this kernel has no dma-buf").into());
    }
    let buffer = region
        .export(0..region.size(), Access::Read)
        .map_err(|error| format!("{label}: {error}"))?;
    // The dma-buf keeps what it needs.
    drop(region);
    let status = Command::new(program)
        .args(rest)
        .stdin(buffer)
        .status()
        .map_err(|error| format!("{program}: {error}"))?;
    exit(status.code().unwrap_or(1));
}
