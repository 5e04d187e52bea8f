// SPDX-License-Identifier: MIT

//! A recording as SigMF: what its metadata say of samples, captures and doubts.
//!
//! Samples that follow each other without a gap are a capture. Its `core:global_index` is the number of its first
//! sample since the device was started, so that a gap is the difference that is missing. Samples of which a byte is
//! suspect are annotated. A sample that is not there as a whole is left out.

use std::{fmt, ops::Range, str::FromStr};

use serde_json::{Map, Value, json};

use super::Piece;

/// What a sample is, as SigMF names it: `ci16_le`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datatype {
    name: String,
    /// Bytes of a sample.
    size: u64,
}

impl Default for Datatype {
    /// Bytes.
    fn default() -> Self {
        Self {
            name: "ru8".to_owned(),
            size: 1,
        }
    }
}

impl FromStr for Datatype {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || -> Option<u64> {
            let (parts, rest) = match name.strip_prefix('c') {
                Some(rest) => (2, rest),
                None => (1, name.strip_prefix('r')?),
            };
            let bytes = match rest {
                "i8" | "u8" => 1,
                _ => match rest.strip_suffix("_le").or(rest.strip_suffix("_be"))? {
                    "i16" | "u16" => 2,
                    "i32" | "u32" | "f32" => 4,
                    "f64" => 8,
                    _ => return None,
                },
            };
            Some(parts * bytes)
        };
        let size = known().ok_or("expected a type of SigMF, such as ci16_le, rf32_be or ru8")?;
        Ok(Self {
            name: name.to_owned(),
            size,
        })
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What goes into the file of samples, and what is said of it.
#[derive(Debug)]
pub struct Dataset {
    /// In this order, without anything between.
    pub pieces: Vec<Piece>,
    /// The content of the file of metadata.
    pub meta: Value,
}

impl Dataset {
    /// Of the pieces of a recording, in the order of the stream.
    pub fn new(pieces: &[Piece], datatype: &Datatype, rate: Option<f64>) -> Self {
        let mut kept = Vec::new();
        let (mut captures, mut annotations) = (Vec::new(), Vec::new());
        let mut samples = 0;
        let mut rest = pieces;
        while let [first, ..] = rest {
            let joined = |pair: &[Piece]| {
                pair[0].to == pair[1].from
                    && pair[0].shift == pair[1].shift
                    && pair[0].segment == pair[1].segment
            };
            let count = 1 + rest.windows(2).take_while(|pair| joined(pair)).count();
            let (run, after) = rest.split_at(count);
            rest = after;
            let last = run[count - 1].to;
            let Some(whole) = whole(first.shift, first.from..last, datatype.size) else {
                continue;
            };
            let index = whole.start.wrapping_add(first.shift) / datatype.size;
            captures.push(json!({ "core:sample_start": samples, "core:global_index": index }));
            for piece in run.iter().filter_map(|piece| piece.within(&whole)) {
                if piece.suspect {
                    let from = (piece.from - whole.start) / datatype.size;
                    let to = (piece.to - whole.start).div_ceil(datatype.size);
                    annotations.push(json!({
                        "core:sample_start": samples + from,
                        "core:sample_count": to - from,
                        "core:label": "suspect",
                        "core:comment": "may have been overwritten while the disk read it",
                    }));
                }
                kept.push(piece);
            }
            samples += (whole.end - whole.start) / datatype.size;
        }
        let mut global = Map::new();
        global.insert("core:datatype".into(), datatype.name.as_str().into());
        global.insert("core:version".into(), "1.0.0".into());
        global.insert("core:num_channels".into(), 1.into());
        let recorder = concat!("resdump ", env!("CARGO_PKG_VERSION"));
        global.insert("core:recorder".into(), recorder.into());
        if let Some(rate) = rate {
            global.insert("core:sample_rate".into(), rate.into());
        }
        let meta = json!({ "global": global, "captures": captures, "annotations": annotations });
        Self { pieces: kept, meta }
    }
}

/// The whole samples in `range`: they begin at multiples of their size from the device's start on.
fn whole(shift: u64, range: Range<u64>, size: u64) -> Option<Range<u64>> {
    let part = range.start.wrapping_add(shift) % size;
    let start = range.start + (size - part) % size;
    let length = range.end.checked_sub(start)?;
    let whole = start..start + (length - length % size);
    (!whole.is_empty()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(from: u64, to: u64, suspect: bool) -> Piece {
        Piece {
            from,
            to,
            place: from,
            segment: 1 << 20,
            shift: 8,
            suspect,
        }
    }

    #[test]
    fn types_have_a_size() {
        for (name, size) in [
            ("ru8", 1),
            ("ci8", 2),
            ("ci16_le", 4),
            ("rf32_be", 4),
            ("cf64_le", 16),
        ] {
            assert_eq!(name.parse::<Datatype>().unwrap().size, size, "{name}");
        }
        for name in ["", "u8", "ri16", "rf16_le", "cu8_le", "ri24_be", "zi8"] {
            name.parse::<Datatype>().unwrap_err();
        }
    }

    #[test]
    fn a_gap_is_a_capture_of_its_own_with_the_index_behind_it() {
        let datatype = "ci16_le".parse().unwrap();
        let pieces = [
            piece(0, 400, false),
            piece(400, 410, true),
            piece(410, 800, false),
            // Neither its first two bytes nor its last one are a sample.
            piece(1202, 1601, false),
        ];
        let Dataset { pieces, meta } = Dataset::new(&pieces, &datatype, Some(1e6));
        assert_eq!(
            meta["captures"],
            json!([
                { "core:sample_start": 0, "core:global_index": 2 },
                { "core:sample_start": 200, "core:global_index": 303 },
            ])
        );
        let note = &meta["annotations"][0];
        assert_eq!(
            (
                note["core:sample_start"].clone(),
                note["core:sample_count"].clone()
            ),
            (100.into(), 3.into())
        );
        assert_eq!(meta["global"]["core:sample_rate"], 1e6);
        let bytes: u64 = pieces.iter().map(|piece| piece.to - piece.from).sum();
        assert_eq!(bytes, 800 + 396);
        assert_eq!((pieces[3].from, pieces[3].place), (1204, 1204));
    }

    #[test]
    fn nothing_recorded_is_no_capture() {
        let datatype = "cf64_le".parse().unwrap();
        let Dataset { pieces, meta } = Dataset::new(&[piece(1, 9, false)], &datatype, None);
        assert!(pieces.is_empty() && meta["captures"] == json!([]));
    }
}
