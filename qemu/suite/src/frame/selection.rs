// SPDX-License-Identifier: MIT
//! Which tests run: those that the filter selects, without those that need what the board or the kernel lacks.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use board::{Board, Lab, Need};
use libtest_mimic::{Arguments, Trial};

use super::bed::Bed;
use super::case::Case;

/// What decides it.
pub struct Selection<'a> {
    arguments: &'a Arguments,
    /// The flavour that all tests use, if there is one.
    instead: Option<&'static str>,
    /// What is lacking, with the reason.
    lacking: BTreeMap<Need, String>,
    /// Memory that the machine has at most.
    most_mib: u64,
}

impl<'a> Selection<'a> {
    /// For a board, the flavour that all tests use, if there is one, and the lab file by which the board is reached, if
    /// it is.
    pub fn new(
        arguments: &'a Arguments,
        board: &Board,
        instead: Option<&'static str>,
        target: Option<&Lab>,
    ) -> Result<Self> {
        let mut lacking = board::needs::lacking_in_kernel(instead);
        lacking.append(&mut board.lacks());
        if let Some(lab) = target {
            lacking.remove(&Need::Board);
            lacking.append(&mut lab.lacks(board));
        }
        Ok(Self {
            arguments,
            instead,
            lacking,
            most_mib: board.qemu().map_or(0, |qemu| qemu.memory_mib_max),
        })
    }

    /// Why a test is left out, if so.
    pub fn reason(&self, case: &Case) -> Option<String> {
        let lacking = case.needs.iter().find_map(|need| {
            let why = self.lacking.get(need)?;
            Some(format!("needs {}: {why}", need.word()))
        });
        let memory = case.bed().and_then(Bed::memory_mib);
        let memory = memory
            .filter(|needed| *needed > self.most_mib)
            .map(|needed| {
                let most = self.most_mib;
                format!("needs {needed} MiB of memory: the machine has {most} at most")
            });
        lacking.or(memory).or_else(|| case.missing.clone())
    }

    /// How many times longer things take.
    pub fn slowness(&self) -> f64 {
        match self.lacking.contains_key(&Need::InstructionCounts) {
            true => 4.0,
            false => 1.0,
        }
    }

    /// Whether the filter selects a test.
    fn selects(&self, case: &Case) -> bool {
        let named = Trial::test(case.name.clone(), || Ok(()));
        !self.arguments.is_filtered_out(&named)
    }

    /// Whether the filter selects a test, and nothing is lacking.
    fn runs(&self, case: &Case) -> bool {
        self.selects(case) && self.reason(case).is_none()
    }

    /// An error, with the reasons, where each selected test is left out: a board that was not touched has passed
    /// nothing.
    pub fn something_runs(&self, cases: &[Case], lab: &Lab) -> Result<()> {
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for case in cases.iter().filter(|case| self.selects(case)) {
            match self.reason(case) {
                None => return Ok(()),
                Some(reason) => *reasons.entry(reason).or_default() += 1,
            }
        }
        let reasons: Vec<String> = reasons
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        bail!(
            "{}: nothing to run on this board, each selected test is left out: {}",
            lab.file.display(),
            reasons.join("; ")
        )
    }

    /// How many tests will use each shared machine.
    pub fn users(&self, cases: &[Case]) -> BTreeMap<Bed, usize> {
        let mut users = BTreeMap::new();
        for case in cases {
            if let Some(bed) = case.bed() {
                *users.entry(bed).or_insert(0) += usize::from(self.runs(case));
            }
        }
        users
    }

    /// The flavours of kernels that the selected tests use.
    pub fn flavours(&self, cases: &[Case]) -> BTreeSet<&'static str> {
        let run = cases.iter().filter(|case| self.runs(case));
        let own = run.filter_map(|case| case.flavour);
        own.map(|own| self.instead.unwrap_or(own)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn board(name: &str) -> Board {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Board::load(&root, name).unwrap()
    }

    fn cases() -> Vec<Case> {
        let case = |bed, name| Case::shared(bed, "suite::m", name, |_| Ok(()));
        vec![
            case(Bed::Low, "one"),
            case(Bed::Low, "two"),
            case(Bed::Lab, "three").needs(Need::Lockdown),
            case(Bed::Dma, "four"),
            case(Bed::High, "five"),
        ]
    }

    #[test]
    fn what_a_board_or_its_kernel_lacks_is_the_reason() {
        let arguments = Arguments::default();
        let mac = board("qemu-mac99");
        let selection = Selection::new(&arguments, &mac, None, None).unwrap();
        let reasons: Vec<_> = cases().iter().map(|case| selection.reason(case)).collect();
        assert!(reasons[0].is_none());
        let why = |index: usize| reasons[index].as_deref().unwrap_or_default();
        assert!(why(2).starts_with("needs LOCKDOWN: "), "{reasons:?}");
        assert!(
            why(3).starts_with("needs DEVICE_NODE: the firmware"),
            "{reasons:?}"
        );
        assert!(
            why(4).starts_with("needs 2048 MiB of memory"),
            "{reasons:?}"
        );
    }

    #[test]
    fn a_lab_run_in_which_all_is_left_out_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lab.conf");
        std::fs::write(&file, "CONSOLE_COMMAND=a\nPOWER_ON=b\nPOWER_OFF=c\n").unwrap();
        let lab = Lab::load(&file).unwrap();
        let reference = board("qemu-ppce500");
        let something = |filter: &str| {
            let arguments = Arguments {
                filter: Some(filter.to_owned()),
                ..Arguments::default()
            };
            let selection = Selection::new(&arguments, &reference, None, Some(&lab)).unwrap();
            let mut cases = Vec::new();
            for (name, needs) in [
                ("free", vec![]),
                ("one", vec![Need::Terminal]),
                ("other", vec![Need::Terminal]),
            ] {
                let mut case = Case::shared(Bed::Low, "suite::m", name, |_| Ok(()));
                case.needs = needs;
                cases.push(case);
            }
            selection
                .something_runs(&cases, &lab)
                .map_err(|error| error.to_string())
        };
        let error = something("::o").unwrap_err();
        assert!(
            error.contains("each selected test is left out: 2 needs TERMINAL: a serial line"),
            "{error}"
        );
        something("free").unwrap();
        something("m").unwrap();
    }

    #[test]
    fn machines_have_as_many_users_as_tests_are_selected() {
        let arguments = Arguments {
            filter: Some("two".to_owned()),
            ..Arguments::default()
        };
        let reference = board("qemu-ppce500");
        let all = Arguments::default();
        let users = |arguments| {
            let selection = Selection::new(arguments, &reference, None, None).unwrap();
            (selection.users(&cases()), selection.flavours(&cases()))
        };
        let (selected, flavours) = users(&arguments);
        assert_eq!(selected[&Bed::Low], 1);
        assert_eq!(selected[&Bed::Dma], 0);
        assert_eq!(flavours.len(), 1);
        assert_eq!(users(&all).0[&Bed::Low], 2);
        assert_eq!(users(&all).0[&Bed::Lab], 0);
    }
}
