// SPDX-License-Identifier: MIT

//! AVML, which has LiME files of its own kind.

use std::{fs, path::Path};

use libtest_mimic::Failed;

use crate::{Scene, expect};

/// The commands of docs/how-to/coming-from.md.
pub(crate) fn there_and_back(scene: &Scene) -> Result<(), Failed> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/coming-from.md");
    let page = fs::read_to_string(page)?;
    let (_, section) = page.split_once("\n## AVML\n").ok_or("no section")?;
    let commands: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    let [there @ .., _, _] = &commands[..] else {
        return Err("no commands".into());
    };
    scene.resdump("convert two written --to lime")?;
    scene.shell("avml convert --source-format lime --format lime_compressed written a.avml")?;
    for command in ["show ./a.avml --ranges", "convert ./a.avml a.raw --to raw"] {
        match scene.resdump(command) {
            Err(error)
                if error
                    .message()
                    .is_some_and(|it| it.contains("avml convert")) => {}
            other => return Err(format!("{command}: {other:?}").into()),
        }
    }
    scene.shell(&there.join("\n"))?;
    let ranges = scene.resdump("show ./a.lime --ranges")?;
    expect(
        &String::from_utf8_lossy(&ranges.stdout),
        &["0x0000000000001000", "0x0000000010000000"],
    )?;
    scene.resdump("convert ./a.lime a.raw --to raw")?;
    match fs::read(scene.path("a.raw"))? == scene.bytes {
        true => Ok(()),
        false => Err("other bytes".into()),
    }
}
