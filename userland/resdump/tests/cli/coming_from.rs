// SPDX-License-Identifier: MIT

//! The commands of docs/how-to/coming-from.md that need two machines; the others are the suite's.

use std::{fs, path::Path};

use crate::{
    bench::{Bench, command},
    peers::Receiver,
};

/// As the page has it: the host listens on all its addresses, and the board connects.
#[test]
fn both_ends_of_the_page_for_users_of_lime() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/coming-from.md");
    let page = fs::read_to_string(page).unwrap();
    let given = |begin: &str| -> Vec<String> {
        let line = page.split('`').find(|code| code.starts_with(begin));
        let line = line.unwrap_or_else(|| panic!("the page has no {begin:?}"));
        line.split(' ').skip(1).map(str::to_owned).collect()
    };
    let bench = Bench::new(3 << 20);
    let words = given("resdump receive tcp:0.0.0.0:5000 ")
        .iter()
        // A port that is free.
        .map(|word| word.replace(":5000", ":0").replace("FILE", "./out"))
        .collect::<Vec<_>>();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let receiver = Receiver::run(command(bench.folder.path(), &words));
    let port = receiver.address.rsplit(':').next().unwrap().to_owned();
    let words = given("resdump dump capture tcp:HOST:5000")
        .iter()
        .map(|word| {
            let word = word.replace("HOST:5000", &format!("127.0.0.1:{port}"));
            word.replace("capture", "./saved")
        })
        .collect::<Vec<_>>();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = bench.run(&words);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(receiver.end().0, 0);
    assert_eq!(bench.out(), bench.bytes);
}
