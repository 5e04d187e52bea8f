// SPDX-License-Identifier: MIT
//! How cost grows with the region's size.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::LABEL;
use super::cost::{PAGE, Way, meter, mib};
use machine::guest::Guest;

/// Largest region.
pub const LARGEST: u64 = 1 << 30;

const SIZES: [u64; 6] = [1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20, LARGEST];

/// A way, and the largest size that it is measured at: copying ways take long.
const WAYS: [(Way, u64); 6] = [
    (Way::new("kernel", LABEL, "kernel", 16 << 20, 4), LARGEST),
    (Way::new("kernel_1m", LABEL, "kernel", 1 << 20, 4), LARGEST),
    (
        Way::new("kernel_64k", LABEL, "kernel", 64 << 10, 16),
        LARGEST,
    ),
    (Way::new("mmap", LABEL, "mmap", 16 << 20, 4), LARGEST),
    (
        Way::new("mapped", LABEL, "mmap --mapped", 4 << 20, 4),
        LARGEST,
    ),
    (Way::new("read", LABEL, "read", 4 << 20, 1), 64 << 20),
];

/// The cost of a way at each size.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    /// Region size in bytes, and instructions without those of program start and end.
    pub points: Vec<(u64, f64)>,
    /// Cost grows as size to the power of this, from [`Growth::from`] bytes on.
    pub exponent: f64,
    /// Smallest size of the fit: the first that is more than one request.
    pub from: u64,
    /// Instructions for each MiB at the largest size.
    pub per_mib: f64,
}

impl Growth {
    /// The points from [`Self::from`] on.
    pub fn fitted(&self) -> impl Iterator<Item = (u64, f64)> {
        self.points
            .iter()
            .copied()
            .filter(|(size, _)| *size >= self.from)
    }
}

/// Measures each way at each size.
pub fn growth(guest: &mut Guest, _size: u64) -> Result<BTreeMap<String, Growth>> {
    WAYS.iter()
        .map(|(way, most)| {
            let fixed = meter(guest, way, PAGE)?;
            let mut points = Vec::new();
            for size in SIZES.into_iter().filter(|size| size <= most) {
                points.push((size, meter(guest, way, size)? - fixed));
            }
            let from = u64::from(way.chunk) + 1;
            let per_mib = points
                .last()
                .map_or(f64::NAN, |(size, cost)| cost / mib(*size));
            let mut growth = Growth {
                exponent: f64::NAN,
                from,
                points,
                per_mib,
            };
            let fitted: Vec<(u64, f64)> = growth.fitted().collect();
            growth.from = fitted.first().map_or(from, |(size, _)| *size);
            growth.exponent = exponent(&fitted);
            Ok((way.name.to_owned(), growth))
        })
        .collect()
}

/// Slope of the least-squares line through the logarithms.
fn exponent(points: &[(u64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .map(|(size, cost)| ((*size as f64).ln(), cost.max(1.0).ln()))
        .collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|log| log.0), mean(|log| log.1));
    let covariance: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
    let variance: f64 = logs.iter().map(|log| (log.0 - x).powi(2)).sum();
    covariance / variance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_of_a_straight_line_is_one() {
        let line: Vec<(u64, f64)> = SIZES.map(|size| (size, 0.1 * size as f64)).into();
        assert!((exponent(&line) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_exponent_of_a_square_is_two() {
        let square: Vec<(u64, f64)> = SIZES.map(|size| (size, (size as f64).powi(2))).into();
        assert!((exponent(&square) - 2.0).abs() < 1e-9);
    }
}
