// SPDX-License-Identifier: MIT
//! Makes a call again and again; each time another of the allocations below the module's code fails:
//! the first, the second, until there are no more. Which allocations count is set in the kernel's
//! debugging files beforehand (Documentation/fault-injection/fault-injection.rst, `fail-nth`).

use std::fs;

use clap::{Args, Parser};
use nix::errno::Errno;

use crate::{Arguments, errno_of};

/// More than any call has.
const SITES_MAX: u32 = 500;
/// Of the thread that reads and writes it.
const FAIL_NTH: &str = "/proc/thread-self/fail-nth";

#[derive(Args)]
pub struct Failing {
    /// `write PATH TEXT [PATH TEXT]`: writes, and undoes that with the second pair if it worked; or one
    /// of the other calls with its arguments.
    #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
    call: Vec<String>,
}

impl Failing {
    /// Prints how many allocations failed, with how many of them the call did all that it does
    /// otherwise, and how else it ended.
    pub fn run(&self) -> Result<String, Errno> {
        let call = Made::parse(&self.call)?;
        // What is allocated once and kept is allocated now.
        let usual = call.make()?;
        call.undo()?;
        let (mut whole, mut others) = (0, Vec::new());
        for site in 1..SITES_MAX {
            fs::write(FAIL_NTH, site.to_string()).map_err(errno_of)?;
            let result = call.make();
            let left = fs::read_to_string(FAIL_NTH).map_err(errno_of)?;
            fs::write(FAIL_NTH, "0").map_err(errno_of)?;
            if result.is_ok() {
                call.undo()?;
            }
            if left.trim() != "0" {
                // There was no such allocation.
                result?;
                return Ok(format!(
                    "{{\"failed\": {}, \"whole\": {whole}, \"others\": {others:?}}}",
                    site - 1
                ));
            }
            let text = result.unwrap_or_else(|errno| format!("{errno:?}"));
            if text == usual {
                whole += 1;
            } else if !others.contains(&text) {
                others.push(text);
            }
        }
        Err(Errno::E2BIG)
    }
}

enum Made<'a> {
    Write(&'a [String]),
    Call(Box<Arguments>),
}

impl<'a> Made<'a> {
    fn parse(call: &'a [String]) -> Result<Self, Errno> {
        if let [name, pairs @ ..] = call
            && name == "write"
        {
            return match pairs.len() {
                2 | 4 => Ok(Self::Write(pairs)),
                _ => Err(Errno::EINVAL),
            };
        }
        let words = ["probe"].into_iter().chain(call.iter().map(String::as_str));
        Ok(Self::Call(Box::new(Arguments::parse_from(words))))
    }

    fn make(&self) -> Result<String, Errno> {
        match self {
            Self::Write(pairs) => fs::write(&pairs[0], &pairs[1])
                .map(|()| String::new())
                .map_err(errno_of),
            Self::Call(arguments) => arguments.call.run(),
        }
    }

    fn undo(&self) -> Result<(), Errno> {
        match self {
            Self::Write([_, _, path, text]) => fs::write(path, text).map_err(errno_of),
            _ => Ok(()),
        }
    }
}
