// SPDX-License-Identifier: MIT
//! What only the laboratory's kernel shows: the module's unit tests, and /dev/mem.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use board::Need;
use host::paths::Paths;

use crate::frame::{Case, Running, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(Kunit, the_modules_unit_tests_pass),
        case!(Lab, the_boards_own_region_arrives),
        case!(Lab, dev_mem_is_copied_for_comparison).needs(Need::DevMem),
        case!(Low, dev_mem_is_forbidden_in_the_product),
    ]
}

fn the_modules_unit_tests_pass(bed: &mut Running) -> Result<()> {
    let log = bed.check("dmesg")?;
    let suites = suites(&Paths::discover()?.root.join("kmod"))?;
    ensure!(suites.len() >= 8, "{suites:?}");
    for suite in suites {
        let passed = log
            .lines()
            .any(|line| line.contains("ok ") && line.ends_with(&suite));
        ensure!(passed, "KUnit suite {suite} did not pass:\n{log}");
    }
    ensure!(!log.contains("not ok "), "{log}");
    Ok(())
}

/// The KUnit suites that the module's sources in `folder` have.
fn suites(folder: &Path) -> Result<Vec<String>> {
    let mut suites = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            suites.extend(self::suites(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path)?;
            let names = source.split("kunit_tests(").skip(1);
            suites.extend(names.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
        }
    }
    Ok(suites)
}

fn the_boards_own_region_arrives(bed: &mut Running) -> Result<()> {
    bed.dump("capture $RAW")?;
    bed.raw_holds_all(0, "capture")
}

fn dev_mem_is_copied_for_comparison(bed: &mut Running) -> Result<()> {
    let answer = bed.dump("capture $RAW --seek 64M --engine devmem")?;
    ensure!(answer["direct"] == 0, "{answer}");
    bed.raw_holds_all(64 << 20, "capture")
}

fn dev_mem_is_forbidden_in_the_product(bed: &mut Running) -> Result<()> {
    let output = bed.run("resdump dump capture $RAW --engine devmem --force")?;
    let text = &output.text;
    ensure!(
        output.status == 10 && text.contains("EPERM") && text.contains("STRICT_DEVMEM"),
        "{output:?}"
    );
    Ok(())
}
