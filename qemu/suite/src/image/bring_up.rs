// SPDX-License-Identifier: MIT
//! What is run first on a board: a little of what `make bring-up` does.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::Value;

use board::Need;
use host::paths::Paths;
use labs::bringup::{self, Options};
use labs::powercut;

use super::netboot::a_dump_leaves_over_the_network;
use crate::frame::{self, Case, case};

const CUTS: usize = 2;

pub fn cases() -> Vec<Case> {
    vec![
        case!(alone, the_report_has_each_step)
            .needs(Need::PowerCut)
            .needs(Need::BringUpKernel)
            .flavour("bringup")
            .limit(900),
        case!(alone, a_dump_leaves_over_the_network)
            .needs(Need::BootLoader)
            .needs(Need::BringUpKernel)
            .flavour("bringup"),
    ]
}

fn the_report_has_each_step() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "bringup")?;
    let folder = paths.fresh_out(&frame::below(&board, "bring-up"))?;
    let options = Options {
        cuts: CUTS,
        seed: powercut::seed(),
        log: false,
    };
    let report = bringup::run(&board, &image, &folder, &options)?;
    ensure!(
        report.passed(),
        "{}\nSEED={}",
        report.markdown(),
        options.seed
    );
    let saved: Value = serde_json::from_str(&fs::read_to_string(folder.join("report.json"))?)?;
    let results: Vec<&str> = saved["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|step| step["result"].as_str())
        .collect();
    ensure!(
        results == ["passed", "passed", "passed", "passed", "passed", "passed"],
        "{saved}"
    );
    let text = fs::read_to_string(folder.join("report.md"))?;
    for said in [
        "| power cuts | passed | 2 cuts ",
        "- caches: ",
        "- kernel: `Linux 7.",
    ] {
        ensure!(text.contains(said), "no {said:?} in {text}");
    }
    // Nothing of the console unless it is asked for.
    ensure!(
        !text.contains("resdump:/root#") && saved.get("console").is_none(),
        "{text}"
    );
    Ok(())
}
