// SPDX-License-Identifier: MIT
//! Where the files of machines are.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use board::Board;

use super::bed::Bed;
use super::record;

/// Where the files of a board's machines are, below the output folder.
pub fn folder(board: &Board) -> String {
    format!("suite/{}", record::name(board))
}

/// The same of one machine, or of one test.
pub fn below(board: &Board, name: &str) -> String {
    format!("{}/{name}", folder(board))
}

/// The name of a machine's folder: with a number where an earlier one of the same kind has failed, whose console is
/// kept.
pub fn name_of_start(bed: Bed) -> String {
    static STARTS: Mutex<BTreeMap<Bed, u32>> = Mutex::new(BTreeMap::new());
    let mut starts = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
    let number = starts.entry(bed).or_insert(0);
    *number += 1;
    match *number {
        1 => bed.name().to_owned(),
        number => format!("{}-{number}", bed.name()),
    }
}
