// SPDX-License-Identifier: MIT
//! Tables in the documents that are made of `board.conf` and of the record of runs.

use std::fs;

use anyhow::{Context, Result, ensure};

use board::Board;
use board::runs::{self, Outcome, Run};
use host::paths::Paths;

/// Before a table, with the name of what is there.
const BEGIN: &str = "<!-- `make boards-table` writes this: ";
/// Behind it.
const END: &str = "<!-- end -->";

/// The documents with a table, and what makes it.
type Table = fn(&[Board], &[Run]) -> String;
const TABLES: [(&str, &str, Table); 2] = [
    ("docs/reference/boards.md", "boards", boards_table),
    ("docs/results/README.md", "runs", runs_table),
];

/// Puts the runs that the suite has left into the record, and writes the tables.
pub fn write(paths: &Paths) -> Result<()> {
    let mut record = runs::load(&paths.root)?;
    runs::merge(&mut record, runs::left(&paths.out)?);
    runs::store(&paths.root, &record)?;
    for (path, text, wanted) in texts(paths)? {
        if text != wanted {
            fs::write(paths.root.join(path), wanted)
                .with_context(|| format!("cannot write {path}"))?;
            println!("{path}");
        }
    }
    Ok(())
}

/// Leaves word of an image for the record, of a board that QEMU does not play: there is nothing else to say of it.
pub fn leave_image(paths: &Paths, board: &Board, flavour: &str) -> Result<()> {
    // The command that is named makes this flavour.
    if board.qemu().is_ok() || flavour != "appliance" {
        return Ok(());
    }
    let run = Run {
        board: board.name.clone(),
        kernel: flavour.to_owned(),
        command: format!("make quick-image BOARD={}", board.name),
        date: runs::today()?,
        remark: None,
        outcome: Outcome::Built,
    };
    runs::leave(&paths.out, &format!("{}-image", board.name), &run)
}

/// Findings, a line each: tables that are not what the command would write.
pub fn check(paths: &Paths) -> Result<Vec<String>> {
    let differing = texts(paths)?
        .into_iter()
        .filter(|(_, text, wanted)| text != wanted);
    Ok(differing
        .map(|(path, ..)| format!("{path}: a table is not what `make boards-table` writes"))
        .collect())
}

/// Each document with a table: its name, its text, and the text that it should have.
fn texts(paths: &Paths) -> Result<Vec<(&'static str, String, String)>> {
    let mut boards = Vec::new();
    for name in Board::names(&paths.root)? {
        boards.push(Board::load(&paths.root, &name)?);
    }
    let record = runs::load(&paths.root)?;
    for run in &record {
        ensure!(
            boards.iter().any(|board| board.name == run.board),
            "{}: there is no board {}",
            runs::RECORD,
            run.board
        );
    }
    let text = |(path, name, table): (&'static str, &str, Table)| {
        let text = fs::read_to_string(paths.root.join(path))
            .with_context(|| format!("cannot read {path}"))?;
        let wanted = replaced(&text, name, &table(&boards, &record)).with_context(|| path)?;
        Ok((path, text, wanted))
    };
    TABLES.into_iter().map(text).collect()
}

/// The text with another table between the marks of this name.
fn replaced(text: &str, name: &str, table: &str) -> Result<String> {
    let begin = format!("{BEGIN}{name} -->\n");
    let parts = text.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) =
        parts.with_context(|| format!("no lines {:?} and {END:?}", begin.trim_end()))?;
    Ok(format!("{before}{begin}\n{table}\n{END}{after}"))
}

/// A line for each board that is to be supported.
fn boards_table(boards: &[Board], record: &[Run]) -> String {
    let mut table = row(&[
        "board",
        "processor",
        "bits",
        "coherent DMA",
        "started by",
        "what passed",
        "when",
        "by which command",
    ]);
    table += &"|---".repeat(8);
    table += "|\n";
    for board in boards.iter().filter(|board| !board.is_detector()) {
        let mut processor = board.conf.processor.clone();
        if board.page() != 4096 {
            processor += &format!(", pages of {} KiB", board.page() / 1024);
        }
        let coherent = if board.dma_coherent() { "yes" } else { "no" };
        let [what, when, command] = state(board, record);
        table += &row(&[
            &format!("`{}`", board.name),
            &processor,
            &board.conf.kernel_bits.unwrap_or(32).to_string(),
            coherent,
            board.starter(),
            &what,
            &when,
            &command,
        ]);
    }
    table
}

/// What is known of a board by its last whole run, else by its last run: what passed, when, by which command.
fn state(board: &Board, record: &[Run]) -> [String; 3] {
    let own = || record.iter().filter(|run| run.board == board.name);
    let latest =
        |runs: &mut dyn Iterator<Item = &Run>| runs.max_by(|a, b| a.date.cmp(&b.date)).cloned();
    let run = latest(&mut own().filter(|run| run.is_whole_suite()));
    let hardware = match board.qemu() {
        Ok(_) => "",
        Err(_) => ", not run on hardware",
    };
    let Some(run) = run.or_else(|| latest(&mut own())) else {
        let command = format!("`make check-board BOARD={}`", board.name);
        let what = format!("checked, not built{hardware}");
        return [what, "each `make lint`".to_owned(), command];
    };
    let what = match &run.outcome {
        Outcome::Suite {
            passed, failed: 0, ..
        } => format!("{passed} tests{hardware}"),
        Outcome::Suite { passed, failed, .. } => {
            format!("{passed} tests, {failed} failed{hardware}")
        }
        Outcome::Built => format!("image built{hardware}"),
    };
    [what, run.date.clone(), format!("`{}`", run.command)]
}

/// A line for each run of the suite.
fn runs_table(_boards: &[Board], record: &[Run]) -> String {
    let mut table = row(&[
        "board", "kernel", "command", "date", "passed", "failed", "excluded",
    ]);
    table += &"|---".repeat(7);
    table += "|\n";
    for run in record {
        let Outcome::Suite {
            passed,
            failed,
            excluded,
        } = &run.outcome
        else {
            continue;
        };
        let remark = run.remark.as_ref();
        let remark = remark
            .map(|remark| format!(", {remark}"))
            .unwrap_or_default();
        table += &row(&[
            &format!("`{}`", run.board),
            &run.kernel,
            &format!("`{}`{remark}", run.command),
            &run.date,
            &passed.to_string(),
            &failed.to_string(),
            &excluded
                .map(|number| number.to_string())
                .unwrap_or_default(),
        ]);
    }
    table
}

fn row(cells: &[&str]) -> String {
    let cells: String = cells
        .iter()
        .map(|cell| format!(" {cell} |").replace("  |", " |"))
        .collect();
    format!("|{cells}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_table_is_left_alone() {
        let text = format!("a\n{BEGIN}x -->\nold\n{END}\nb {END}\n");
        let new = replaced(&text, "x", "| 1 |\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}x -->\n\n| 1 |\n\n{END}\nb {END}\n"));
        assert_eq!(replaced(&new, "x", "| 1 |\n").unwrap(), new);
        assert!(replaced(&text, "y", "").is_err());
    }

    fn run(command: &str, date: &str, outcome: Outcome) -> Run {
        Run {
            board: "one".to_owned(),
            kernel: "appliance".to_owned(),
            command: command.to_owned(),
            date: date.to_owned(),
            remark: None,
            outcome,
        }
    }

    fn suite(passed: u64, failed: u64) -> Outcome {
        Outcome::Suite {
            passed,
            failed,
            excluded: None,
        }
    }

    /// A board that QEMU does not play.
    fn board() -> Board {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("board/one");
        fs::create_dir_all(&folder).unwrap();
        let conf = "PROCESSOR=e500mc\nLINUX_ARCH=powerpc\nCROSS_COMPILE=p-\nRUST_TARGET=p\n\
                    LINUX_FRAGMENTS=base\nLINUX_IMAGE=uImage\nCONSOLE=ttyS0\n";
        fs::write(folder.join("board.conf"), conf).unwrap();
        Board::load(root.path(), "one").unwrap()
    }

    #[test]
    fn the_last_whole_run_counts_and_a_board_without_one_is_called_what_it_is() {
        let board = board();
        let checked = "| `one` | e500mc | 32 | yes | U-Boot | checked, not built, not run on hardware | each `make lint` | \
                       `make check-board BOARD=one` |\n";
        assert!(boards_table(std::slice::from_ref(&board), &[]).ends_with(checked));
        let mut record = vec![run("b", "2026-11-03", Outcome::Built)];
        assert_eq!(
            state(&board, &record)[0],
            "image built, not run on hardware"
        );
        record.push(run("c", "2026-11-01", suite(8, 1)));
        record.push(run("c TEST=x", "2026-11-05", suite(2, 0)));
        assert_eq!(
            state(&board, &record),
            [
                "8 tests, 1 failed, not run on hardware",
                "2026-11-01",
                "`c`"
            ]
        );
        let table = runs_table(&[], &record);
        assert!(
            table.ends_with("| `one` | appliance | `c TEST=x` | 2026-11-05 | 2 | 0 | |\n"),
            "{table}"
        );
        assert!(!table.contains("`b`"));
    }
}
