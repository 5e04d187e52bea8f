// SPDX-License-Identifier: MIT

//! numpy, by the programs of docs/how-to/recipes.md, and the package of SigMF.

use std::{fs, path::Path, process::Command};

use libtest_mimic::Failed;

use crate::{Scene, interpreter, recording};

/// The program of docs/how-to/recipes.md that has `word` in it, with its argument; what it prints.
fn python(scene: &Scene, word: &str, argument: &str) -> Result<String, Failed> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/recipes.md");
    let page = fs::read_to_string(page)?;
    let (_, section) = page.split_once("\n## In Python\n").ok_or("no section")?;
    let mut programs = section
        .split("\n\n")
        .filter(|it| it.starts_with("    import "));
    let program = programs.find(|it| it.contains(word)).ok_or("no program")?;
    let program: Vec<&str> = program
        .lines()
        .map(|line| line.get(4..).unwrap_or(""))
        .collect();
    let tool = Path::new(env!("CARGO_BIN_EXE_resdump"))
        .parent()
        .ok_or("no folder")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(interpreter())
        .args(["-c", &program.join("\n"), argument])
        .current_dir(scene.folder.path())
        .env("PATH", format!("{}:{path}", tool.display()))
        .output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{output:?}").into()),
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

pub(crate) fn numpy_dump(scene: &Scene) -> Result<(), Failed> {
    scene.resdump("dump ./raw ./again --offset 512 --quiet")?;
    let bytes = &scene.bytes[512..];
    let expected = format!("{} {}\n", bytes.len(), sum(bytes));
    let said = python(scene, "manifest", "again")?;
    match said == expected {
        true => Ok(()),
        false => Err(format!("{said:?} and not {expected:?}").into()),
    }
}

pub(crate) fn numpy_recording(scene: &Scene) -> Result<(), Failed> {
    recording::make(&scene.path("recording"), &scene.bytes);
    let mut expected = String::new();
    for (from, to) in [(0, 8192), (8192, 9000), (9512, 12_000), (13_000, 16_384)] {
        let bytes = &scene.bytes[from..to];
        expected += &format!(
            "{} {} {}\n",
            recording::BEGIN as usize + from,
            to - from,
            sum(bytes)
        );
    }
    let said = python(scene, "show", "recording")?;
    match said == expected {
        true => Ok(()),
        false => Err(format!("{said:?} and not {expected:?}").into()),
    }
}

/// The schema of SigMF's own package takes what `convert` makes of a recording with gaps, and its samples are found.
pub(crate) fn sigmf(scene: &Scene) -> Result<(), Failed> {
    recording::make(&scene.path("recording"), &scene.bytes);
    let line =
        "convert recording samples --to sigmf --datatype ri16_be --sample-rate 1000000 --quiet";
    let output = scene.try_resdump(line)?;
    // Recorded, with gaps.
    if output.status.code() != Some(14) {
        return Err(format!("{output:?}").into());
    }
    let program = "import sys, sigmf\n\
                   it = sigmf.fromfile(sys.argv[1])\n\
                   it.validate()\n\
                   print(it.sample_count, len(it.get_captures()), len(it.get_annotations()))";
    let output = Command::new(interpreter())
        .args(["-c", program, "samples.sigmf-meta"])
        .current_dir(scene.folder.path())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // 12,000 and 3,384 bytes in two captures, of which 512 are suspect.
    match output.status.success() && said == "7692 2 1\n" {
        true => Ok(()),
        false => Err(format!("{said}: {output:?}").into()),
    }
}
