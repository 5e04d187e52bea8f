// SPDX-License-Identifier: MIT
//! The examples that load, take a snapshot, hand a region over and export it: in C, which know the module by its header
//! alone, and of the client crate.

use anyhow::{Result, ensure};
use board::Need;

use crate::frame::{Case, Running, case};

/// The languages of the examples, and how a region is named to each.
const LANGUAGES: [(&str, &str); 2] = [("c", "/dev/resmem/"), ("rust", "")];

pub fn cases() -> Vec<Case> {
    vec![
        case!(Low, examples_fill_a_region_from_a_file).needs(Need::Filled),
        case!(Low, examples_copy_a_region_at_one_moment),
        case!(
            Low,
            a_program_that_may_not_open_a_region_dumps_one_that_it_was_given
        ),
        case!(Low, what_is_given_is_not_taken_for_a_region, |bed| {
            // A pipe carries no descriptors, and an ordinary file is no region.
            for (language, _) in LANGUAGES {
                let taken = bed.run(&format!(
                    "echo | resmem-{language}-handover take /tmp/taken"
                ))?;
                ensure!(taken.status == 1, "{language}: {taken:?}");
            }
            let given = bed.run(
                "resmem-c-handover give /dev/null resmem-rust-handover take /tmp/taken 2>&1",
            )?;
            ensure!(
                given.status == 1 && given.text.contains("Inappropriate ioctl"),
                "{given:?}"
            );
            bed.check("! test -e /tmp/taken").map(drop)
        }),
        case!(Low, an_importer_reads_what_an_example_exports).needs(Need::DmaBuf),
    ]
}

fn examples_fill_a_region_from_a_file(bed: &mut Running) -> Result<()> {
    let before = bed.expected("scratch")?.to_vec();
    let (size, half) = (before.len(), before.len() / 2);
    let other = bed.expected("capture")?[..half].to_vec();
    let mut expected = before.clone();
    expected[..half].copy_from_slice(&other);
    bed.mounted(|bed| {
        bed.check("cat /dev/resmem/scratch > /mnt/before")?;
        bed.check(&format!(
            "head -c {half} /dev/resmem/capture > /mnt/half; cat /mnt/before /mnt/half > /mnt/long"
        ))?;
        for (language, folder) in LANGUAGES {
            let load = |file: &str| format!("resmem-{language}-load {folder}scratch /mnt/{file}");
            for (file, length, content) in [("half", half, &expected), ("before", size, &before)] {
                let said = bed.check(&load(file))?;
                ensure!(
                    said.trim() == format!("scratch: {length} bytes, {length} direct, 0 copied"),
                    "{language}: {said}"
                );
                bed.dump("scratch $RAW")?;
                bed.raw_is(0, content)?;
            }
            for wrong in [
                load("long"),
                load("nosuch"),
                format!("resmem-{language}-load {folder}capture /mnt/half"),
            ] {
                let output = bed.run(&wrong)?;
                ensure!(output.status == 1, "{wrong}: {output:?}");
            }
        }
        bed.check("rm /mnt/before /mnt/half /mnt/long").map(drop)
    })
}

fn examples_copy_a_region_at_one_moment(bed: &mut Running) -> Result<()> {
    let size = bed.size("odd")?;
    bed.mounted(|bed| {
        for (language, folder) in LANGUAGES {
            let snapshot = format!("resmem-{language}-snapshot {folder}odd /mnt/copy");
            let said = bed.check(&snapshot)?;
            ensure!(said.trim() == format!("odd: {size} bytes"), "{said}");
            bed.check("cmp /dev/resmem/odd /mnt/copy")?;
            // A file that is there stays.
            let again = bed.run(&snapshot)?;
            ensure!(again.status == 1, "{language}: {again:?}");
            bed.check("rm /mnt/copy")?;
        }
        Ok(())
    })
}

fn a_program_that_may_not_open_a_region_dumps_one_that_it_was_given(
    bed: &mut Running,
) -> Result<()> {
    let size = bed.size("odd")?;
    bed.mounted(|bed| {
        for (giver, folder) in LANGUAGES {
            for (taker, own) in LANGUAGES {
                let refused = bed.run(&format!(
                    "probe confined resmem-{taker}-dump {own}odd /mnt/refused 2>&1"
                ))?;
                ensure!(
                    refused.status == 1 && refused.text.contains("Operation not permitted"),
                    "{taker}: {refused:?}"
                );
                let said = bed.check(&format!(
                    "resmem-{giver}-handover give {folder}odd \
                     probe confined resmem-{taker}-handover take /mnt/taken"
                ))?;
                ensure!(
                    said.trim() == format!("odd: {size} bytes"),
                    "{giver} to {taker}: {said}"
                );
                bed.check("cmp /dev/resmem/odd /mnt/taken && rm /mnt/taken")?;
            }
        }
        Ok(())
    })
}

fn an_importer_reads_what_an_example_exports(bed: &mut Running) -> Result<()> {
    let all = bed.expected("odd")?;
    let (length, sum) = (
        all.len(),
        all.iter().map(|byte| u64::from(*byte)).sum::<u64>(),
    );
    bed.check("test -c /dev/importer || insmod /lib/importer.ko")?;
    for (language, folder) in LANGUAGES {
        let said = bed.check(&format!(
            "resmem-{language}-export {folder}odd probe import fd:0 attach map=to read=0,{length}"
        ))?;
        ensure!(
            said.trim() == format!("ok attach map read={sum}"),
            "{language}: {said}"
        );
    }
    Ok(())
}
