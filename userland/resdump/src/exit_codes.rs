// SPDX-License-Identifier: MIT

//! The exit status: what a script may rely on.

use serde::Serialize;

/// Exit status of the program. The numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ExitCode {
    /// Everything that was asked for has been done.
    Ok = 0,
    /// Something that no other code describes.
    Other = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No such region: wrong label, module not loaded, or no region in the device tree; or no file that this
    /// program reads.
    NoRegion = 3,
    /// Not privileged, or the region is read-only.
    Permission = 4,
    /// Offset or length outside the region, or not aligned.
    Range = 5,
    /// The target was refused: exists, in use, wrong type, or no direct I/O.
    Target = 6,
    /// The target is too small or full.
    NoSpace = 7,
    /// An I/O error; what is on the target is incomplete.
    Io = 8,
    /// Stopped by a signal; what is on the target is incomplete.
    Interrupted = 9,
    /// The engine does not work here.
    Engine = 10,
    /// `--strict`, and bytes would have to be copied.
    Strict = 11,
    /// What was read back, or a saved file, differs from what it should be, or the target was changed
    /// meanwhile.
    Mismatch = 12,
    /// The saved file is known to be incomplete, or nothing says that it is complete.
    Incomplete = 13,
    /// The recording was made, and bytes of it are lost or suspect; its index says which.
    Gaps = 14,
    /// It was played, and the device may have been at bytes of it before they were there.
    Underruns = 15,
}

impl ExitCode {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Ok,
        Self::Other,
        Self::Usage,
        Self::NoRegion,
        Self::Permission,
        Self::Range,
        Self::Target,
        Self::NoSpace,
        Self::Io,
        Self::Interrupted,
        Self::Engine,
        Self::Strict,
        Self::Mismatch,
        Self::Incomplete,
        Self::Gaps,
        Self::Underruns,
    ];
}

/// The table that `--help` shows.
pub const HELP: &str = "\
Exit status: 0 done, 1 other error, 2 usage, 3 no region, module or file,
  4 permission, 5 range or alignment, 6 target refused, 7 no space,
  8 I/O error, 9 interrupted, 10 engine not available,
  11 --strict and a copy, 12 differs, 13 incomplete,
  14 recorded, with gaps, 15 played, with underruns";

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_code() {
        for (number, code) in ExitCode::ALL.into_iter().enumerate() {
            let code = code as u8;
            assert_eq!(usize::from(code), number);
            assert!(
                HELP.contains(&format!(" {code} ")),
                "exit status {code} is not in the help"
            );
        }
    }
}
