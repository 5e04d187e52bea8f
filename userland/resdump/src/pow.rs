// SPDX-License-Identifier: MIT

//! The one function that the program needs of the C library's libm: the progress bar's estimate of the
//! time left calls it. With it here, a program that is linked against shared libraries needs no libm.so,
//! an eighth of the image's root file system (docs/reference/dependencies.md). It is in the program and not in the
//! library: what links that keeps its own.

#![allow(unsafe_code, reason = "a symbol of the C library's")]

/// `x` to the power of `y`, as C defines it.
// SAFETY: The name is that of the C library's function, and so are the arguments and what is returned;
// the linker takes one of the two.
#[unsafe(no_mangle)]
extern "C" fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}
