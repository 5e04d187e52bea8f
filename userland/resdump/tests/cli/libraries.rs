// SPDX-License-Identifier: MIT

//! What the program needs of shared libraries.

use std::fs;

use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol};

#[test]
fn the_program_brings_its_own_pow() {
    let bytes = fs::read(env!("CARGO_BIN_EXE_resdump")).unwrap();
    let program = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
    let wanted: Vec<&str> = program
        .dynamic_symbols()
        .filter(|symbol| symbol.is_undefined())
        .filter_map(|symbol| symbol.name().ok())
        .collect();
    assert!(wanted.contains(&"write"), "{wanted:?}");
    assert!(!wanted.contains(&"pow"), "libm would be needed");
}
