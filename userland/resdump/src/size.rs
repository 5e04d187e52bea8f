// SPDX-License-Identifier: MIT

//! Numbers of bytes as people write them.

use parse_size::Config;
use resmem::abi::{CHUNK_MAX, CHUNK_MIN};

/// Reads `4096`, `0x1000`, `4K`, `4KiB` (1024), `4kB` (1000), up to E: as dd(1) does.
pub fn parse(text: &str) -> Result<u64, String> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).map_err(|error| error.to_string());
    }
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("not a number of bytes, such as 4096, 0x1000, 64K or 1MiB".into());
    }
    let lower = text.to_ascii_lowercase();
    let decimal = lower.ends_with('b') && !lower.ends_with("ib");
    let config = if decimal {
        Config::new().with_decimal()
    } else {
        Config::new().with_binary()
    };
    let parse = |text: &str| config.parse_size(text).map_err(|error| error.to_string());
    let bytes = parse(text)?;
    if let Some((whole, rest)) = text.split_once('.') {
        // As a whole number of the smaller unit that its digits make, which must be bytes again.
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = u32::try_from(digits)
            .ok()
            .and_then(|it| 10u64.checked_pow(it));
        let enlarged = parse(&format!("{whole}{rest}"));
        if !matches!((enlarged, unit), (Ok(it), Some(unit)) if it.is_multiple_of(unit)) {
            return Err("not a whole number of bytes".into());
        }
    }
    match lower.contains("e-") {
        true => Err("not a whole number of bytes".into()),
        false => Ok(bytes),
    }
}

/// Reads the size of a chunk and holds it against the limits of the ABI.
pub fn parse_chunk(text: &str) -> Result<u32, String> {
    u32::try_from(parse(text)?)
        .ok()
        .filter(|chunk| (CHUNK_MIN..=CHUNK_MAX).contains(chunk) && chunk % CHUNK_MIN == 0)
        .ok_or_else(|| {
            format!("a chunk is a multiple of {CHUNK_MIN} bytes, from that to {CHUNK_MAX}")
        })
}

/// `67108864 (64 MiB)`, or the plain number for what is not a whole number of a binary unit.
pub fn display(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    units
        .iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(
            || bytes.to_string(),
            |(unit, name)| format!("{bytes} ({} {name})", bytes / unit),
        )
}

/// `67108864 bytes (64 MiB)`, or without the unit for what is not a whole number of one.
pub fn display_bytes(bytes: u64) -> String {
    let text = display(bytes);
    match text.split_once(' ') {
        Some((number, unit)) => format!("{number} bytes {unit}"),
        None => format!("{text} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_hexadecimal_and_suffixed_numbers() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("0x1000", 4096),
            ("0XfFf", 4095),
            ("64K", 65536),
            ("64k", 65536),
            ("64KiB", 65536),
            ("64kB", 64000),
            ("1M", 1 << 20),
            ("5G", 5 << 30),
            ("1.5K", 1536),
            ("0.5GiB", 1 << 29),
            ("1.5kB", 1500),
            ("2.0", 2),
            ("1.25e2", 125),
            ("0xfc0000000", 0xf_c000_0000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "K",
            "-1",
            "0x",
            "0xg",
            "1 apple",
            "18446744073709551616",
            "16E",
            ".5G",
            "1.5",
            "1.0001K",
            "0.9B",
            "15e-1",
            "10e-1",
            "1.00000000000000000000000K",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_chunk_is_held_against_the_abi() {
        assert_eq!(parse_chunk("64K"), Ok(65536));
        assert_eq!(parse_chunk("64M"), Ok(64 << 20));
        for text in ["0", "4096", "65537", "96K", "65M", "4G", "5G"] {
            assert!(parse_chunk(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whole_units_only() {
        assert_eq!(display(64 << 20), "67108864 (64 MiB)");
        assert_eq!(display(3 << 30), "3221225472 (3 GiB)");
        assert_eq!(display(1025), "1025");
        assert_eq!(display(0), "0");
        assert_eq!(display_bytes(8192), "8192 bytes (8 KiB)");
        assert_eq!(display_bytes(1), "1 bytes");
    }
}
