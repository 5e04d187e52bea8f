// SPDX-License-Identifier: MIT

//! Completions and man pages from the program itself.

use std::{fs, process::Command};

use crate::bench::{Bench, command};

fn page(args: &[&str]) -> String {
    let output = Bench::new(1).run(&[&["man"], args].concat());
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_shell_gets_completions_of_every_command() {
    let bench = Bench::new(1);
    for shell in ["bash", "fish", "zsh", "elvish", "powershell"] {
        let output = bench.run(&["completions", shell]);
        let text = String::from_utf8(output.stdout).unwrap();
        for word in ["snapshot", "zero-skip", "resume"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
    let script = bench.path("script");
    fs::write(&script, bench.run(&["completions", "bash"]).stdout).unwrap();
    let checked = Command::new("bash")
        .arg("-n")
        .arg(&script)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn every_option_has_a_text_on_its_page() {
    let bench = Bench::new(1);
    let output = bench.run(&["man", "--dir", "pages"]);
    assert!(output.status.success(), "{output:?}");
    let mut pages = 0;
    for entry in fs::read_dir(bench.path("pages")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for after in text.split("\n.TP\n").skip(1) {
            let mut lines = after.lines();
            let (option, help) = (lines.next().unwrap(), lines.next().unwrap_or_default());
            assert!(
                !help.is_empty() && !help.starts_with(".SH") && !help.starts_with(".TP"),
                "{}: {option}",
                path.display()
            );
        }
        pages += 1;
    }
    assert!(pages > crate::messages::commands().len(), "{pages}");
    assert!(page(&[]).contains("log"));
}

#[test]
fn examples_keep_their_columns() {
    let text = page(&[]);
    let (_, notes) = text.split_once(".nf\n").unwrap();
    let lines: Vec<&str> = notes
        .lines()
        .filter(|line| line.starts_with("  resdump "))
        .collect();
    assert!(lines.len() > 4, "{notes}");
    assert!(page(&["dump"]).starts_with(&page(&["resdump-dump"])[..100]));
}

#[test]
fn an_unknown_page_is_a_usage_error() {
    let output = command(Bench::new(1).folder.path(), &["man", "bogus"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_misspelt_word_has_a_suggestion() {
    let output = Bench::new(1).run(&["snapshop"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("snapshot"), "{said}");
}

#[test]
fn pages_replace_pages_and_nothing_else() {
    let bench = Bench::new(1);
    let line = ["man", "--dir", "pages"];
    assert!(bench.run(&line).status.success());
    let count = || fs::read_dir(bench.path("pages")).unwrap().count();
    let pages = count();
    let page = bench.path("pages/resdump.1");
    let text = fs::read(&page).unwrap();
    let mut older = text.clone();
    older.extend(b".\" older");
    fs::write(&page, older).unwrap();
    assert!(bench.run(&line).status.success());
    assert_eq!(fs::read(&page).unwrap(), text);

    let other = bench.path("other");
    fs::write(&other, "precious").unwrap();
    for link in [false, true] {
        fs::remove_file(&page).unwrap();
        match link {
            true => std::os::unix::fs::symlink("../other", &page).unwrap(),
            false => fs::write(&page, "precious").unwrap(),
        }
        let before = fs::read(bench.path("pages/resdump-dump.1")).unwrap();
        let output = bench.run(&line);
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        assert_eq!(fs::read(&page).unwrap(), b"precious");
        assert_eq!(
            fs::read(bench.path("pages/resdump-dump.1")).unwrap(),
            before
        );
        assert_eq!(count(), pages);
    }
    assert!(
        bench
            .run(&[&line[..], &["--force"]].concat())
            .status
            .success()
    );
    assert_eq!(fs::read(&other).unwrap(), text);
}
