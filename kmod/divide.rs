// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Division of 64 bits, which the kernel's Rust lacks on 32-bit machines. Plain `core` code.

/// Quotient and remainder; of a division by 0 the largest quotient.
pub fn divide(number: u64, by: u64) -> (u64, u64) {
    if by == 0 {
        return (u64::MAX, 0);
    }
    let (mut quotient, mut rest) = (0, 0u64);
    let mut bit = 64 - number.leading_zeros();
    while bit > 0 {
        bit -= 1;
        let carry = rest >> 63 != 0;
        rest = rest << 1 | number >> bit & 1;
        quotient <<= 1;
        if carry || rest >= by {
            rest = rest.wrapping_sub(by);
            quotient |= 1;
        }
    }
    (quotient, rest)
}
