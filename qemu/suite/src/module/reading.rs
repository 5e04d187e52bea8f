// SPDX-License-Identifier: MIT
//! Small looks: what the driver says of its regions, and read, seek and show.

use anyhow::{Result, ensure};

use crate::frame::regions::odd;
use crate::frame::{Case, Running, case, instead};

pub fn cases() -> Vec<Case> {
    vec![
        case!(
            Low,
            a_region_is_labelled_by_memory_region_names,
            |bed| info(bed, "capture", 0x2)
        ),
        case!(Low, a_region_is_labelled_by_its_node_otherwise, |bed| info(
            bed, "odd", 0x2
        )),
        case!(Low, a_writable_region_says_so, |bed| {
            info(bed, "scratch", 0x3)
        }),
        case!(Low, nodes_are_private_to_root),
        case!(Low, reading_sees_every_byte, |bed| { reading(bed, "odd") }),
        case!(High, reading_sees_every_byte, |bed| {
            reading(bed, "high")
        }),
        case!(Low, reading_ends_at_the_end),
        case!(Low, list_names_every_region),
        case!(Low, show_prints_16_bytes_a_line_on_a_console),
    ]
}

fn info(bed: &mut Running, label: &str, flags: u32) -> Result<()> {
    let (base, page) = (bed.base(label)?, bed.page);
    let size = bed.size(label)?;
    // The debug kernel has dma-buf.
    let features = match instead() {
        Some("debug") => 0x7f,
        _ => 0x6f,
    };
    bed.says(
        &format!("info /dev/resmem/{label}"),
        &format!(
            "ok abi=7 features={features:#x} flags={flags:#x} base={base:#x} size={size:#x} page={page} label={label} zero=true"
        ),
    )
}

fn nodes_are_private_to_root(bed: &mut Running) -> Result<()> {
    let modes = bed.check("stat -c '%a %u %F' /dev/resmem/*")?;
    ensure!(
        modes
            .lines()
            .all(|line| line == "600 0 character special file")
            && modes.lines().count() == bed.labels().len(),
        "{modes}"
    );
    Ok(())
}

fn reading(bed: &mut Running, label: &str) -> Result<()> {
    bed.check(&format!("cat /dev/resmem/{label} > /tmp/copy && dd if=/tmp/copy of=$RAW bs=1M conv=fsync; rm /tmp/copy"))?;
    bed.raw_holds_all(0, label)
}

fn reading_ends_at_the_end(bed: &mut Running) -> Result<()> {
    let size = odd(bed.page);
    let count = bed.check(&format!(
        "dd if=/dev/resmem/odd bs=1 skip={} 2>/dev/null | wc -c",
        size - 5
    ))?;
    ensure!(count.trim() == "5", "{count}");
    let count = bed.check(&format!(
        "dd if=/dev/resmem/odd bs=4096 skip={} 2>/dev/null | wc -c",
        size / 4096
    ))?;
    ensure!(count.trim() == "0", "{count}");
    Ok(())
}

fn list_names_every_region(bed: &mut Running) -> Result<()> {
    let text = bed.check("resdump list")?;
    for label in bed.labels() {
        ensure!(text.contains(&label), "no {label} in {text}");
    }
    let json: serde_json::Value = serde_json::from_str(&bed.check("resdump list --json")?)?;
    let regions = json["regions"].as_array().map_or(0, Vec::len);
    ensure!(regions == bed.labels().len(), "{json}");
    Ok(())
}

fn show_prints_16_bytes_a_line_on_a_console(bed: &mut Running) -> Result<()> {
    let text = bed.check("resdump show odd --offset 0x1000 --length 64")?;
    let bytes = &bed.expected("odd")?[0x1000..0x1040];
    for line in bytes.chunks(16) {
        let hex: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let found = text
            .lines()
            .any(|shown| shown.replace(' ', "").contains(&hex));
        ensure!(found, "{hex} is not in\n{text}");
    }
    Ok(())
}
