// SPDX-License-Identifier: MIT
//! The suite: behaviour of the image on a real kernel, in QEMU, over the serial console.
//!
//! Each module registers its tests ([`frame::Case`]); most run in one of a few machines ([`frame::Bed`]). A machine is
//! started when the first of its tests wants it and serves them one after the other; after each the kernel log must be
//! clean. After its last test the machine is powered off. As many machines are busy as there are processors.

mod cost;
mod disks;
mod docs;
mod dump;
mod fakeboard;
mod faults;
mod frame;
mod image;
mod module;
mod recording;
mod region;
mod security;

use std::process::ExitCode;

use frame::Case;

fn main() -> ExitCode {
    host::exit::code(frame::run(cases()))
}

/// All tests.
fn cases() -> Vec<Case> {
    [
        cost::cases(),
        disks::cases(),
        docs::cases(),
        dump::cases(),
        fakeboard::cases(),
        faults::cases(),
        image::cases(),
        module::cases(),
        recording::cases(),
        region::cases(),
        security::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use host::paths::Paths;

    /// What follows each `TEST=` in a text.
    fn filters(text: &str) -> Vec<&str> {
        let of_name = |c: char| c.is_alphanumeric() || "_:".contains(c);
        text.split("TEST=")
            .skip(1)
            .map(|rest| rest.split(|c| !of_name(c)).next().unwrap_or_default())
            .filter(|filter| !filter.is_empty())
            .collect()
    }

    #[test]
    fn each_filter_in_the_documents_selects_a_test() {
        let root = Paths::discover().unwrap().root;
        let names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
        let mut found = 0;
        for folder in [
            "",
            "docs",
            "docs/how-to",
            "docs/reference",
            "docs/explanation",
            "docs/results",
        ] {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|ending| ending != "md") {
                    continue;
                }
                for filter in filters(&fs::read_to_string(&path).unwrap()) {
                    found += 1;
                    assert!(
                        names.iter().any(|name| name.contains(filter)),
                        "{}: no test has {filter} in its name",
                        path.display()
                    );
                }
            }
        }
        assert!(found > 20, "{found}");
    }
}
