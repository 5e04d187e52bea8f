// SPDX-License-Identifier: MIT
//! What a board's medium is written with: the image's disk, with the tests' own programs on its data partition.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::disk::Disk;
use board::Image;
use host::command;
use host::deadline::seconds;

/// Where the programs are on the board.
pub const TOOLS: &str = "/data/tools";

/// Makes it in `folder`.
pub fn make(image: &Image, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("medium.img");
    let original = image.file("sdcard.img");
    let bytes = fs::metadata(&original)?.len();
    let data = Disk::image(&path, &original, bytes)?.partition(3)?;
    let unpacked = folder.join("tools");
    fs::create_dir_all(&unpacked)?;
    let status = command::status(
        Command::new("cpio")
            .args(["--extract", "--make-directories", "--quiet"])
            .stdin(File::open(image.file("tools.cpio"))?)
            .current_dir(&unpacked),
        seconds(60),
    )?;
    ensure!(status.success(), "cpio ended with {status}");
    let mut requests = "mkdir tools\ncd tools\n".to_owned();
    let folders = ["usr/bin", "lib"].map(|name| unpacked.join(name));
    for entry in folders
        .iter()
        .filter_map(|it| fs::read_dir(it).ok())
        .flatten()
    {
        let entry = entry?;
        // The bring-up kernel's have modules besides the programs.
        if !entry.file_type()?.is_file() {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        requests += &format!(
            "write {} {name}\nset_inode_field {name} mode 0100755\n",
            entry.path().display()
        );
    }
    let mut debugfs = Command::new("debugfs")
        .arg("-w")
        .args(["-f", "-"])
        .arg(format!("{}?offset={}", path.display(), data.offset))
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run debugfs")?;
    let mut input = debugfs.stdin.take().context("no input")?;
    input.write_all(requests.as_bytes())?;
    drop(input);
    let output = debugfs.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    // It prints its version there, and what went wrong.
    ensure!(
        output.status.success() && said.lines().count() <= 1,
        "debugfs: {said}"
    );
    fs::remove_dir_all(unpacked)?;
    Ok(path)
}
