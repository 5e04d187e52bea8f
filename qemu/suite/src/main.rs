// SPDX-License-Identifier: MIT
//! The suite: behaviour of the image on a real kernel, in QEMU, over the serial console.
//!
//! Each module registers its tests ([`frame::Case`]); most run in one of a few machines ([`frame::Bed`]). A machine is
//! started when the first of its tests wants it and serves them one after the other; after each the kernel log must be
//! clean. After its last test the machine is powered off. As many machines are busy as there are processors.

mod abi;
mod autodump;
mod broken;
mod coherency;
mod coming_from;
mod cost;
mod cut;
mod disk;
mod dmabuf;
mod edges;
mod failing;
mod faults;
mod flash;
mod folders;
mod frame;
mod fuzz;
mod guide;
mod handover;
mod hidden;
mod holes;
mod identity;
mod lab;
mod lifecycle;
mod mapping;
mod messages;
mod named;
mod nodes;
mod off_bus;
mod parity;
mod planted;
mod player;
mod pmem;
mod ported;
mod powercut;
mod prompt;
mod reading;
mod readme;
mod recorder;
mod refusals;
mod registered;
mod requests;
mod rescue;
mod security;
mod several;
mod shared;
mod signals;
mod snapshot;
mod snapshots;
mod tool;
mod troubles;

use std::process::ExitCode;

use frame::Case;

fn main() -> ExitCode {
    host::exit::code(frame::run(cases()))
}

/// All tests.
fn cases() -> Vec<Case> {
    [
        abi::cases(),
        autodump::cases(),
        broken::cases(),
        coherency::cases(),
        coming_from::cases(),
        cost::cases(),
        cut::cases(),
        disk::cases(),
        dmabuf::cases(),
        edges::cases(),
        failing::cases(),
        faults::cases(),
        flash::cases(),
        folders::cases(),
        fuzz::cases(),
        guide::cases(),
        handover::cases(),
        hidden::cases(),
        holes::cases(),
        identity::cases(),
        lab::cases(),
        lifecycle::cases(),
        mapping::cases(),
        messages::cases(),
        named::cases(),
        nodes::cases(),
        off_bus::cases(),
        parity::cases(),
        planted::cases(),
        player::cases(),
        pmem::cases(),
        ported::cases(),
        powercut::cases(),
        prompt::cases(),
        reading::cases(),
        readme::cases(),
        recorder::cases(),
        refusals::cases(),
        registered::cases(),
        requests::cases(),
        rescue::cases(),
        security::cases(),
        several::cases(),
        shared::cases(),
        signals::cases(),
        snapshot::cases(),
        snapshots::cases(),
        tool::cases(),
        troubles::cases(),
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
