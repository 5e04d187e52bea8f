// SPDX-License-Identifier: MIT
//! The table at the end of `make run`.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

/// One dump, as the guest reported it and the host found it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which way the bytes went.
    pub engine: String,
    /// Where to.
    pub target: String,
    /// 10^6 bytes per second of guest time, the flush to the disk included.
    pub rate: f64,
    /// Bytes that went by DMA from the region's own pages.
    pub direct: Option<u64>,
    /// Bytes that a processor copied.
    pub copied: Option<u64>,
    /// Whether the disk holds what the host had put into memory.
    pub identical: bool,
}

/// The rows as a Markdown table.
pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    table.set_header([
        "engine",
        "target",
        "MB/s",
        "bytes direct",
        "bytes copied",
        "identical",
    ]);
    let count = |bytes: Option<u64>| bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
    for row in rows {
        table.add_row([
            row.engine.clone(),
            row.target.clone(),
            format!("{:.0}", row.rate),
            count(row.direct),
            count(row.copied),
            if row.identical { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    for column in 2..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// Rate of one engine relative to another on the same target, if both are there.
pub fn ratio(rows: &[Row], engine: &str, other: &str, target: &str) -> Option<f64> {
    let rate = |engine: &str| {
        rows.iter()
            .find(|row| row.engine == engine && row.target == target)
            .map(|row| row.rate)
    };
    Some(rate(engine)? / rate(other)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(engine: &str, rate: f64) -> Row {
        Row {
            engine: engine.to_owned(),
            target: "disk".to_owned(),
            rate,
            direct: Some(64),
            copied: None,
            identical: true,
        }
    }

    #[test]
    fn a_ratio_needs_both_engines() {
        let rows = [row("kernel", 300.0), row("mmap", 100.0)];
        assert_eq!(ratio(&rows, "kernel", "mmap", "disk"), Some(3.0));
        assert_eq!(ratio(&rows, "kernel", "devmem", "disk"), None);
    }

    #[test]
    fn a_row_that_is_not_identical_stands_out() {
        let mut bad = row("kernel", 1.0);
        bad.identical = false;
        assert!(table(&[bad]).contains("NO"));
    }
}
