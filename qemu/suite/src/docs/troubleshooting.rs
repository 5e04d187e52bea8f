// SPDX-License-Identifier: MIT
//! The table of docs/how-to/troubleshoot.md: what a row says that one sees, is what is seen. Each row names its test.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use board::Need;
use board::devicetree::Nodes;
use host::paths::Paths;
use machine::Machine;
use machine::detectors::TAINT_OUT_OF_TREE;
use machine::disk::Disk;
use machine::guest::Guest;

use crate::frame::{self, Case, Running, case};

const TABLE: &str = "docs/how-to/troubleshoot.md";

pub fn cases() -> Vec<Case> {
    let misfits = case!(alone, nodes_and_modules_that_do_not_fit);
    let misfits = misfits.needs(Need::DeviceNode).needs(Need::WideAddresses);
    vec![
        case!(Low, a_module_that_is_not_loaded, |bed| {
            bed.check("rmmod resmem")?;
            let said = all(bed, &["resdump list"])?;
            bed.check("modprobe resmem")?;
            judge(
                "low::docs::troubleshooting::a_module_that_is_not_loaded",
                &said,
            )
        }),
        case!(Low, a_dump_that_is_refused, |bed| {
            let said = bed.mounted(|bed| all(bed, &REFUSED))?;
            judge("low::docs::troubleshooting::a_dump_that_is_refused", &said)
        })
        .needs(Need::SeveralDisks),
        case!(Low, a_check_of_the_doctor, |bed| {
            let said = all(bed, &["resdump doctor capture --target /tmp"])?;
            judge("low::docs::troubleshooting::a_check_of_the_doctor", &said)
        }),
        misfits.needs(Need::MemoryAtZero),
    ]
}

/// With the ext4 disk on /mnt.
const REFUSED: [&str; 7] = [
    "su nobody -c 'resdump show capture'",
    "resdump dump nosuch /dev/vda",
    "resdump dump capture /dev/mmcblk0p3",
    "resdump dump capture /tmp/capture.raw --length 4K; rm -f /tmp/capture.raw*",
    "resdump load /dev/vda capture",
    "resdump dump capture /dev/vdb",
    "resdump dump capture /dev/vdc",
];

/// What commands print, whatever their exit status.
fn all(bed: &mut Running, commands: &[&str]) -> Result<String> {
    let mut said = String::new();
    for command in commands {
        said += &bed.run(&format!("{command} 2>&1"))?.text;
        said.push('\n');
    }
    Ok(said)
}

/// A row of the table.
struct Row {
    /// Texts that one sees; `…` stands for anything on the same line.
    seen: Vec<String>,
    /// The last cell: a test's name in code style, or why there is none.
    test: String,
}

/// The rows of the document's tables.
fn rows(text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [seen, _, _, test] = cells[..] else {
            bail!("{TABLE}: not four cells: {line}");
        };
        if test == "test" {
            continue;
        }
        let seen: Vec<String> = seen
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        ensure!(
            !seen.is_empty(),
            "{TABLE}: nothing in code style is seen in: {line}"
        );
        rows.push(Row {
            seen,
            test: test.trim_matches('`').to_owned(),
        });
    }
    Ok(rows)
}

fn document() -> Result<Vec<Row>> {
    rows(&fs::read_to_string(Paths::discover()?.root.join(TABLE))?)
}

/// All that the rows of a test say is in what was printed.
pub fn judge(test: &str, said: &str) -> Result<()> {
    let rows = document()?;
    let mut of_test = rows.iter().filter(|row| row.test == test).peekable();
    ensure!(of_test.peek().is_some(), "{TABLE} has no row for {test}");
    for text in of_test.flat_map(|row| &row.seen) {
        ensure!(
            said.lines().any(|line| has(line, text)),
            "{TABLE} says that {text:?} is seen, and it is not in\n{said}"
        );
    }
    Ok(())
}

/// Whether the parts of `text` between `…` are in a line, in this order.
fn has(line: &str, text: &str) -> bool {
    let mut rest = Some(line);
    for part in text.split('…') {
        rest = rest
            .and_then(|rest| rest.split_once(part))
            .map(|(_, rest)| rest);
    }
    rest.is_some()
}

/// Runs in a machine of its own.
fn nodes_and_modules_that_do_not_fit() -> Result<()> {
    let paths = Paths::discover()?;
    let board = frame::board(&paths)?;
    let image = frame::image(&paths, &board, "appliance")?;
    let folder = paths.fresh_out(&frame::below(&board, "troubleshooting"))?;
    let mut machine = Machine::new(&board, &image, &folder);
    machine.nodes = Some(nodes());
    let other = folder.join("other.ko");
    fs::write(
        &other,
        of_another_kernel(fs::read(image.file("resmem.ko"))?)?,
    )?;
    machine.disks = vec![Disk {
        path: other,
        offset: 0,
        options: String::new(),
    }];
    let mut guest = machine.start()?;
    let said = guest.wait_for_shell().and_then(|_| provoke(&mut guest));
    let judged = said.and_then(|said| {
        judge(
            "docs::troubleshooting::nodes_and_modules_that_do_not_fit",
            &said,
        )
    });
    if let Err(error) = judged {
        bail!("{error:#}\n{}", guest.report());
    }
    ensure!(guest.power_off()?.success(), "QEMU failed");
    Ok(())
}

fn provoke(guest: &mut Guest) -> Result<String> {
    let mut said = guest.check("dmesg")?;
    for command in [
        "resdump list",
        "resdump doctor",
        "cat /dev/vda >/tmp/other.ko; rmmod resmem; insmod /tmp/other.ko; dmesg | tail -n 2",
    ] {
        said += &guest.run(&format!("({command}) 2>&1"))?.text;
        said.push('\n');
    }
    guest.check_health(TAINT_OUT_OF_TREE)?;
    Ok(said)
}

/// A node for each mistake, with a region that works beside them.
fn nodes() -> Nodes {
    let region = |name: &str, page: u64, more: &str| {
        format!("{name}: {name}@{page:x}000 {{ reg = <0x0 {page:#x}000 0x0 0x1000>; {more} }};\n")
    };
    let driver = |name: &str, of: &str| {
        format!("resmem-{name} {{ compatible = \"resdump,resmem\"; memory-region = <&{of}>; }};\n")
    };
    Nodes {
        memory: [
            region("good", 0xc000, ""),
            region("off", 0xc001, "status = \"disabled\";"),
            region("lent", 0xc002, "reusable;"),
            "two: two@c100000 { reg = <0x0 0xc100000 0x0 0x1000 0x0 0xc200000 0x0 0x1000>; };\n"
                .to_owned(),
            "cut: cut@c300000 { reg = <0x0 0xc300000 0x0>; };\n".to_owned(),
            "none: none@c400000 { reg = <0x0 0xc400000 0x0 0x0>; };\n".to_owned(),
        ]
        .concat(),
        drivers: ["good", "off", "lent", "two", "cut", "none"]
            .map(|name| driver(name, name))
            .concat(),
        root: [
            "astray: astray@c500000 { reg = <0x0 0xc500000 0x0 0x1000>; };\n".to_owned(),
            driver("astray", "astray"),
            "resmem-empty { compatible = \"resdump,resmem\"; };\n".to_owned(),
            format!("cabinet {{ {} }};\n", driver("inside", "good")),
        ]
        .concat(),
    }
}

/// The module with the mark of a kernel that has another version.
fn of_another_kernel(mut module: Vec<u8>) -> Result<Vec<u8>> {
    const MARK: &[u8] = b"vermagic=7";
    let mut places = module.windows(MARK.len());
    let at = places.position(|bytes| bytes == MARK);
    let at = at.context("resmem.ko has no version of the kernel")?;
    module[at + MARK.len() - 1] = b'6';
    Ok(module)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use host::command::output;

    use super::*;

    /// In place of a test, with the reason behind it.
    const NONE: &str = "none: ";

    /// Whether a text is in the sources.
    fn in_sources(text: &str) -> bool {
        let root = Paths::discover().unwrap().root;
        let mut grep = Command::new("git");
        grep.args(["grep", "-qF", "-e", text, "--", ":!*.md"]);
        output(grep.current_dir(root)).unwrap().status.success()
    }

    #[test]
    fn each_row_names_a_test_that_is_there() {
        let names = |cases: Vec<Case>| cases.into_iter().map(|case| case.name).collect::<Vec<_>>();
        let suite = names(crate::cases());
        // These compare what they see with the table.
        let compares = |name: &&String| {
            ["docs::troubleshooting::", "docs::boot_loader::"]
                .iter()
                .any(|module| name.contains(module))
        };
        let own: Vec<&String> = suite.iter().filter(compares).collect();
        let rows = document().unwrap();
        assert!(rows.len() > 25, "{}", rows.len());
        for Row { seen, test } in &rows {
            if test.strip_prefix(NONE).is_some_and(|why| !why.is_empty()) {
                continue;
            }
            let known = suite.contains(test) || in_sources(&format!("fn {test}()"));
            assert!(known, "{TABLE}: {seen:?}: there is no test {test}");
            let parts = seen.iter().flat_map(|text| text.split('…'));
            for part in parts.filter(|_| !own.contains(&test)) {
                assert!(in_sources(part), "{TABLE}: nothing prints {part:?}");
            }
        }
        for name in own {
            let named = rows.iter().any(|row| row.test == *name);
            assert!(named, "{TABLE} has no row for {name}");
        }
    }

    #[test]
    fn a_row_has_what_is_seen_and_its_test() {
        let table =
            "| you see | a | b | test |\n|---|---|---|---|\n| `x … y` or `z` | a | b | `t` |\n";
        let rows = rows(table).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((&*rows[0].test, rows[0].seen.len()), ("t", 2));
        assert!(has("1 x 2 y", &rows[0].seen[0]) && !has("y x", &rows[0].seen[0]));
        assert!(super::rows("| x | a | b | t |\n").is_err());
        assert!(super::rows("| `x` | a | b |\n").is_err());
    }
}
