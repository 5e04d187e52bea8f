// SPDX-License-Identifier: MIT
//! Time limits.

use std::time::Duration;

use host::settings;

/// A limit of so many seconds on a usual machine; `RESDUMP_TIMEOUT_SCALE` stretches all of them.
pub fn seconds(limit: u64) -> Duration {
    Duration::from_secs(limit).mul_f64(settings::get().timeout_scale)
}
