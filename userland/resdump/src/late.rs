// SPDX-License-Identifier: MIT

//! Options that are defined only for the command that was given: to define those of all commands costs more
//! than a small dump.

#![forbid(unsafe_code)]

use std::ops::Deref;

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Id};

/// The arguments `T` of a command.
#[derive(Debug)]
pub struct Late<T>(Box<T>);

impl<T> Deref for Late<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Args> FromArgMatches for Late<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches_mut(matches).map(|args| Self(Box::new(args)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Args> Args for Late<T> {
    fn group_id() -> Option<Id> {
        T::group_id()
    }

    fn augment_args(command: Command) -> Command {
        command.defer(define::<T>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

/// Defines the options. What the command is for stays: the list of commands has it already.
fn define<T: Args>(command: Command) -> Command {
    let (about, long) = (
        command.get_about().cloned().unwrap_or_default(),
        command.get_long_about().cloned(),
    );
    let command = T::augment_args(command).about(about);
    match long {
        Some(long) => command.long_about(long),
        None => command,
    }
}
