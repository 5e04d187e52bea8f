// SPDX-License-Identifier: MIT

//! How a program for the board is linked: where functions lie (`order.ld`), and without what libgcc's startup code does
//! for programs that have no program header of their own for unwinding. From GCC 13 on it reads all of `.eh_frame` at
//! each start, 180,000 instructions.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=order.ld");
    let of_target = |name| env::var(name).unwrap_or_default();
    if of_target("CARGO_CFG_TARGET_ARCH") == "powerpc" {
        let folder = of_target("CARGO_MANIFEST_DIR");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{folder}/order.ld");
        for function in ["__register_frame_info", "__deregister_frame_info"] {
            println!(
                "cargo:rustc-link-arg-bins=-Wl,--defsym={function}=resdump_frames_are_not_registered"
            );
        }
    }
}
