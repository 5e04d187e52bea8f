// SPDX-License-Identifier: MIT

//! The one function that the program needs of the C library's libm: the progress bar's estimate of the
//! time left calls it. With it here, a program that is linked against shared libraries needs no libm.so,
//! an eighth of the image's root file system (docs/dependencies.md).

/// `x` to the power of `y`, as C defines it.
// SAFETY: The name is that of the C library's function, and so are the arguments and what is returned;
// the linker takes one of the two.
#[unsafe(no_mangle)]
extern "C" fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    #[test]
    fn a_power_is_what_the_language_says() {
        assert_eq!(
            black_box(2f64).powf(black_box(0.5)),
            std::f64::consts::SQRT_2
        );
        assert_eq!(black_box(0.1f64).powf(black_box(2.0)), super::pow(0.1, 2.0));
    }
}
