// SPDX-License-Identifier: MIT
//! What docs/how-to/coming-from.md promises to those who come from other programs, as far as a guest shows it; what AVML
//! does with the dumper's files is in `make readers`.

use std::fs;

use anyhow::{Context, Result, ensure};
use board::Need;
use host::paths::Paths;
use serde_json::Value;

use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, a_region_is_where_and_as_long_as_it_says, |bed| {
            let list: Value = serde_json::from_str(&bed.check("resdump list --json")?)?;
            for label in bed.labels() {
                let found = list["regions"].as_array().into_iter().flatten();
                let found = found.filter(|region| region["label"] == *label);
                let place: Vec<_> = found.map(|it| (&it["base"], &it["size"])).collect();
                let expected = (&bed.base(&label)?.into(), &bed.size(&label)?.into());
                ensure!(place == [expected], "{label}: {list}");
            }
            Ok(())
        }),
        case!(Low, a_mapping_is_written_to_a_disk_by_direct_io, |bed| {
            let size = bed.size("scratch")?;
            bed.says(
                &format!("map /dev/resmem/scratch --length {size} direct $RAW"),
                &format!("ok written={size}"),
            )?;
            bed.raw_holds_all(0, "scratch")
        }),
        case!(Low, a_region_is_written_to_where_its_node_says_so, |bed| {
            bed.says("map /dev/resmem/scratch --prot rw --node-write", "ok")?;
            bed.says("map /dev/resmem/scratch --prot rw", "EACCES")?;
            bed.says("map /dev/resmem/capture --prot rw --node-write", "EACCES")
        }),
        case!(Low, a_range_is_handed_over_and_taken_back, |bed| {
            let sync = "sync /dev/resmem/ring --region-offset 0x1000 --length 0x1000 --node-write";
            for direction in [0, 1] {
                bed.says(&format!("{sync} --direction {direction}"), "ok")?;
            }
            Ok(())
        })
        .needs(Need::DeviceNode),
        case!(Low, the_nodes_mode_is_not_all, |bed| {
            let said = bed.run("probe confined sh -c 'true < /dev/resmem/capture' 2>&1")?;
            ensure!(
                said.status != 0 && said.text.contains("Operation not permitted"),
                "{said:?}"
            );
            Ok(())
        }),
        case!(Low, each_dump_for_users_of_lime_is_one),
    ]
}

/// The commands of the page's table, with /mnt for /data.
fn each_dump_for_users_of_lime_is_one(bed: &mut Running) -> Result<()> {
    let page = fs::read_to_string(Paths::discover()?.root.join("docs/how-to/coming-from.md"))?;
    let (_, section) = page.split_once("\n## LiME\n").context("no section")?;
    let (section, _) = section.split_once("\n## ").context("no end")?;
    let commands: Vec<String> = section
        .split('`')
        .filter(|word| word.starts_with("resdump dump") && word.contains("/data/"))
        .map(|word| word.replace("/data/", "/mnt/"))
        .collect();
    ensure!(commands.len() == 2, "{commands:?}");
    bed.mounted(|bed| {
        for command in &commands {
            bed.check(&format!("{command} --quiet --digest sha256"))?;
            bed.check("grep -q sha256 /mnt/a.lime.json")?;
            let ranges = bed.check("resdump show /mnt/a.lime --ranges")?;
            let labels: Vec<String> = match command.contains("--all") {
                true => bed.labels(),
                false => vec!["capture".to_owned()],
            };
            for label in &labels {
                let base = format!("{:#018x}", bed.base(label)?);
                ensure!(ranges.contains(&base), "{command}: no {base} in {ranges}");
                bed.check(&format!("resdump verify /mnt/a.lime --against {label}"))?;
            }
            bed.check("rm /mnt/a.lime /mnt/a.lime.json")?;
        }
        for format in ["zstd", "lz4"] {
            bed.check(&format!(
                "resdump dump scratch /mnt/packed --quiet --compress {format} && \
                 resdump convert /mnt/packed /mnt/plain --to raw --quiet && \
                 cmp /mnt/plain /dev/resmem/scratch && rm /mnt/packed* /mnt/plain*"
            ))?;
        }
        let size = bed.size("odd")?;
        bed.check("resdump dump odd /mnt/odd --quiet --format raw --verify")?;
        bed.check("sync; rm /mnt/odd.json")?;
        let copied = bed.check("cmp /mnt/odd /dev/resmem/odd && wc -c < /mnt/odd")?;
        ensure!(copied.trim() == size.to_string(), "{copied}");
        bed.check("rm /mnt/odd").map(drop)
    })
}
