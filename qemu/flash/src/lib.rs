// SPDX-License-Identifier: MIT
//! `make flash`: a disk image onto a medium, after a look at what it would overwrite.
//!
//! Every block is written, also those that are zero: a file system that was made in a file relies on
//! blocks being zero that the file never held, so a map of the blocks in use would leave what was on
//! the medium in them.

mod copy;
mod medium;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use rustix::fs::OFlags;

use medium::Medium;

/// What a person said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Consent {
    /// A medium that is not removable is meant.
    pub force: bool,
    /// No question is to be asked.
    pub yes: bool,
}

/// Writes `image` to the disk (or plain file) `device`, reads it back and compares. `answers` is where
/// the answer to the question is read from.
pub fn flash(
    image: &Path,
    device: &Path,
    consent: Consent,
    answers: &mut impl BufRead,
) -> Result<()> {
    let bytes = fs::metadata(image)
        .with_context(|| format!("no disk image: {}", image.display()))?
        .len();
    let medium = Medium::inspect(device)?;
    println!("{medium}");
    let refusals = medium.refusals(bytes, consent.force);
    if !refusals.is_empty() {
        bail!("refused: {}: {}", device.display(), refusals.join("; "));
    }
    if !consent.yes {
        ask(&medium, answers)?;
    }

    let mut source = File::open(image)?;
    let mut target = OpenOptions::new()
        .read(true)
        .write(true)
        // The kernel refuses a disk that is in use, whatever was seen above.
        .custom_flags(match medium.is_disk() {
            true => OFlags::EXCL.bits() as i32,
            false => 0,
        })
        .open(device)
        .with_context(|| format!("cannot write to {}", device.display()))?;
    let bar = progress("writing", bytes)?;
    copy::write(&mut source, &mut target, &bar)
        .with_context(|| format!("writing to {}: it is incomplete", device.display()))?;
    bar.finish();
    let bar = progress("verifying", bytes)?;
    copy::verify(&mut source, &mut target, &bar)
        .with_context(|| format!("reading {} back", device.display()))?;
    bar.finish();
    println!(
        "PASS: {bytes} bytes on {} are the image's",
        device.display()
    );
    Ok(())
}

fn ask(medium: &Medium, answers: &mut impl BufRead) -> Result<()> {
    let name = medium.name();
    print!("Everything on it will be lost. Type {name} to continue: ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    if answer.trim() != name {
        bail!("nothing was written: {:?} is not {name}", answer.trim());
    }
    Ok(())
}

fn progress(what: &str, bytes: u64) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(
        "{msg:>9} [{bar:40}] {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
    )?;
    Ok(ProgressBar::new(bytes)
        .with_style(style)
        .with_message(what.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: usize = (5 << 20) + 512;

    /// An image and a medium, a plain file, of `bytes` that holds something else.
    fn files(bytes: usize) -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let (image, medium) = (scratch.path().join("image"), scratch.path().join("medium"));
        let content: Vec<u8> = (0..IMAGE).map(|at| (at / 7) as u8).collect();
        fs::write(&image, content).unwrap();
        fs::write(&medium, vec![0xa5; bytes]).unwrap();
        (scratch, image, medium)
    }

    fn answer(image: &Path, medium: &Path, answer: &str) -> Result<()> {
        flash(image, medium, Consent::default(), &mut answer.as_bytes())
    }

    #[test]
    fn an_image_arrives_and_what_is_behind_it_stays() {
        let (_scratch, image, medium) = files(IMAGE + 4096);
        answer(&image, &medium, "medium\n").unwrap();
        let found = fs::read(&medium).unwrap();
        assert_eq!(found[..IMAGE], fs::read(&image).unwrap());
        assert!(found[IMAGE..].iter().all(|byte| *byte == 0xa5));
    }

    #[test]
    fn another_answer_than_the_name_leaves_the_medium_alone() {
        let (_scratch, image, medium) = files(IMAGE);
        for said in ["", "yes\n", "mediu\n"] {
            assert!(answer(&image, &medium, said).is_err());
        }
        assert!(fs::read(&medium).unwrap().iter().all(|byte| *byte == 0xa5));
    }

    #[test]
    fn a_medium_that_is_too_small_is_refused() {
        let (_scratch, image, medium) = files(IMAGE - 1);
        let error = answer(&image, &medium, "medium\n").unwrap_err().to_string();
        assert!(error.contains("smaller than the image"), "{error}");
        assert!(fs::read(&medium).unwrap().iter().all(|byte| *byte == 0xa5));
    }

    #[test]
    fn a_missing_medium_is_not_made() {
        let (scratch, image, _) = files(IMAGE);
        let missing = scratch.path().join("missing");
        assert!(answer(&image, &missing, "missing\n").is_err());
        assert!(!missing.exists());
    }
}
