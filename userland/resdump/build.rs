// SPDX-License-Identifier: MIT

//! Where functions lie in a program for the board: see `order.ld`.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=order.ld");
    let of_target = |name| env::var(name).unwrap_or_default();
    if of_target("CARGO_CFG_TARGET_ARCH") == "powerpc" {
        let folder = of_target("CARGO_MANIFEST_DIR");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{folder}/order.ld");
    }
}
