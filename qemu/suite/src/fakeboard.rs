// SPDX-License-Identifier: MIT
//! A board behind the commands of a lab file, over a serial line that is slow and noisy: commands arrive, run once, and
//! their answers come whole; power goes and comes back.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use board::lab::Scratch;
use board::{Lab, Need};
use host::paths::Paths;
use host::settings;
use labs::fakeboard::{Fakeboard, Noise, SERIAL};
use machine::guest::Guest;
use machine::lab::{self, Start};
use machine::scratch::take_scratch_disk;

use crate::frame::{Case, below, board, case, image};

pub fn cases() -> Vec<Case> {
    vec![
        case!(alone, commands_arrive_and_run_once_over_a_noisy_line)
            .needs(Need::BootLoader)
            .limit(600),
        case!(alone, what_was_written_is_there_after_a_power_cycle)
            .needs(Need::BootLoader)
            .limit(600),
        case!(alone, a_disk_with_another_serial_number_is_refused)
            .needs(Need::BootLoader)
            .limit(600),
    ]
}

/// Starts the board from its card, runs a test, and has the transcript in an error of it.
fn on_the_board(
    name: &str,
    one_in: u64,
    test: impl FnOnce(&mut Guest, &Lab, &board::Board) -> Result<()>,
) -> Result<()> {
    let paths = Paths::discover()?;
    let board = board(&paths)?;
    let image = image(&paths, &board, "appliance")?;
    let folder: PathBuf = paths.fresh_out(&below(&board, name))?;
    let seed = settings::get().seed;
    let seed = seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
    let noise = Noise { seed, one_in };
    let fakeboard = Fakeboard::new(&board, &image, &folder, noise, None)?;
    let lab = Lab::load(&fakeboard.lab_file())?;
    let medium = image.file("sdcard.img");
    let how = Start {
        medium: Some(&medium),
        extra: "",
    };
    let result = lab::start(&lab, &board, &image, &folder, &how).and_then(|mut guest| {
        let tested = test(&mut guest, &lab, &board);
        let ended = tested.and_then(|()| guest.check_health(machine::detectors::TAINT_OUT_OF_TREE));
        ended.map_err(|error| error.context(guest.report()))
    });
    result.map_err(|error| error.context(format!("SEED={seed}; {}", fakeboard.damage())))?;
    for name in ["card.img", "scratch.img", "capture.bin"] {
        fs::remove_file(folder.join(name))?;
    }
    Ok(())
}

fn commands_arrive_and_run_once_over_a_noisy_line() -> Result<()> {
    on_the_board("fakeboard-noise", 1000, |guest, _, _| {
        for number in 1..=40 {
            let said = guest.check(&format!(
                "echo {number} >>/tmp/count; echo \"it's $(({number} + 1))\""
            ))?;
            ensure!(
                said == format!("it's {}\n", number + 1),
                "{number}: {said:?}"
            );
        }
        let counted = guest.check("cat /tmp/count")?;
        let wanted: String = (1..=40).map(|number| format!("{number}\n")).collect();
        ensure!(counted == wanted, "{counted}");
        let failed =
            guest.run("echo no end; printf without; exit_status() { return 7; }; exit_status")?;
        ensure!(
            failed.status == 7 && failed.text == "no end\nwithout",
            "{failed:?}"
        );
        let wanted: String = (1..=1500)
            .map(|number| format!("line {number} of many\n"))
            .collect();
        let long = guest.check("seq 1 1500 | sed 's/.*/line & of many/'")?;
        ensure!(
            long == wanted,
            "{} bytes instead of {}",
            long.len(),
            wanted.len()
        );
        let word = "x".repeat(3000);
        let said = guest.check(&format!("echo {word}"))?;
        ensure!(said.trim_end() == word, "{said}");
        // Otherwise nothing was tried.
        ensure!(guest.repeated() > 10, "{} repeated", guest.repeated());
        Ok(())
    })
}

fn what_was_written_is_there_after_a_power_cycle() -> Result<()> {
    on_the_board("fakeboard-power", 4000, |guest, lab, board| {
        guest.check("resdump dump capture /data/kept --verify --quiet && touch /tmp/gone")?;
        let before = guest.check("sha256sum /data/kept")?;
        guest.power_cycle()?;
        lab::boot(guest, lab, board, "")?;
        let after = guest.check("test ! -e /tmp/gone && sha256sum /data/kept")?;
        ensure!(after == before, "{after} instead of {before}");
        Ok(())
    })
}

fn a_disk_with_another_serial_number_is_refused() -> Result<()> {
    on_the_board("fakeboard-serial", 0, |guest, lab, _| {
        take_scratch_disk(guest, lab)?;
        ensure!(guest.check("echo $RAW")? == "/dev/vdb\n", "it is not taken");
        let mut other = lab.clone();
        for (device, serial, said) in [
            (
                "/dev/vdb",
                "FAKE-0002",
                format!("the board reports {SERIAL} for /dev/vdb"),
            ),
            ("/dev/vda", SERIAL, "/dev/vda is in use".to_owned()),
        ] {
            other.commands.scratch = Some(Scratch {
                device: device.to_owned(),
                serial: serial.to_owned(),
            });
            let result = take_scratch_disk(guest, &other);
            let error = result.err().map(|error| format!("{error:#}"));
            let error = error.unwrap_or_default();
            ensure!(error.contains(&said), "{device} {serial}: {error:?}");
        }
        Ok(())
    })
}
