// SPDX-License-Identifier: MIT
//! What is run first on a board: a little of what `make bring-up` does.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use board::{Board, Image, Lab, Need};
use host::paths::Paths;
use labs::bringup::{self, Options};
use labs::fakeboard::{Fakeboard, Noise};
use labs::powercut;

use super::netboot::a_dump_leaves_over_the_network;
use crate::frame::{self, Case, case};

/// One cut before the first checkpoint, two after one.
const CUTS: usize = 3;
/// Bytes a second that the card of the board that is none takes, so that a dump has checkpoints.
const CARD: u64 = 8_000_000;

pub fn cases() -> Vec<Case> {
    vec![
        case!(alone, the_report_has_each_step)
            .needs(Need::PowerCut)
            .needs(Need::BringUpKernel)
            .flavour("bringup")
            .limit(900),
        case!(alone, a_board_behind_commands_has_the_same_report)
            .needs(Need::PowerCut)
            .needs(Need::BootLoader)
            .needs(Need::BringUpKernel)
            .flavour("bringup")
            .limit(1800),
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
    let text = report(&board, &image, &folder, None)?;
    ensure!(text.contains("- caches: "), "{text}");
    Ok(())
}

fn a_board_behind_commands_has_the_same_report() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "bringup")?;
    let folder = paths.fresh_out(&frame::below(&board, "bring-up-desk"))?;
    let noise = Noise {
        seed: powercut::seed(),
        one_in: 4000,
    };
    let fakeboard = Fakeboard::new(&board, &image, &folder, noise, Some(CARD))?;
    let lab = Lab::load(&fakeboard.lab_file())?;
    let text = report(&board, &image, &folder, Some(&lab))
        .with_context(|| format!("noise with seed {}: {}", noise.seed, fakeboard.damage()))?;
    ensure!(
        text.contains("Ran on a board behind the commands of a lab file."),
        "{text}"
    );
    drop(fakeboard);
    for name in ["card.img", "scratch.img", "capture.bin", "medium.img"] {
        fs::remove_file(folder.join(name))?;
    }
    Ok(())
}

/// Runs all steps, each of which passes. The report's text.
fn report(board: &Board, image: &Image, folder: &Path, lab: Option<&Lab>) -> Result<String> {
    let options = Options {
        cuts: CUTS,
        seed: powercut::seed(),
        log: false,
    };
    let report = bringup::run(board, image, folder, &options, lab)?;
    ensure!(
        report.passed(),
        "{}\nSEED={}",
        report.markdown(),
        options.seed
    );
    let saved: Value = serde_json::from_str(&fs::read_to_string(folder.join("report.json"))?)?;
    let steps = saved["steps"].as_array().context("no steps")?;
    let results: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["result"].as_str())
        .collect();
    ensure!(results == ["passed"; 6], "{saved}");
    // A cut that never falls into the writing shows nothing.
    let cuts = &steps[4]["figures"];
    ensure!(
        cuts["after_checkpoint"].as_u64() >= Some(1) && cuts["resumed"].as_u64() >= Some(1),
        "{cuts}"
    );
    let text = fs::read_to_string(folder.join("report.md"))?;
    for said in ["| power cuts | passed | 3 cuts ", "- kernel: `Linux 7."] {
        ensure!(text.contains(said), "no {said:?} in {text}");
    }
    // Nothing of the console unless it is asked for.
    ensure!(
        !text.contains("resdump:/root#") && saved.get("console").is_none(),
        "{text}"
    );
    Ok(text)
}
