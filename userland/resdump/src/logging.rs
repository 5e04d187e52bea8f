// SPDX-License-Identifier: MIT

//! Detail for a person who looks for a fault, on standard error.

#![forbid(unsafe_code)]

use log::LevelFilter;

/// Starts logging: warnings, and what `RUST_LOG` or `verbose` (the number of `-v`) adds.
pub fn start(verbose: u8) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Warn);
    builder.parse_default_env();
    match verbose {
        0 => {}
        1 => {
            builder.filter_level(LevelFilter::Info);
        }
        _ => {
            builder.filter_level(LevelFilter::Debug);
        }
    }
    builder.init();
}
