// SPDX-License-Identifier: MIT

//! The best engine that works here: the next one is tried when one does not move its first byte.

use std::{collections::VecDeque, fs::File};

use nix::errno::Errno;

use super::{Engine, Moved, Name, Piece, Settings, unavailable};
use crate::{
    error::{ErrnoText, Result},
    signals::Stop,
};

type Candidate<'a> = Box<dyn Engine + 'a>;

/// Opens an engine by name.
type Opener<'a> = Box<dyn Fn(Name) -> Result<Candidate<'a>> + 'a>;

/// The auto engine.
pub(super) struct Auto<'a> {
    current: Candidate<'a>,
    rest: VecDeque<Name>,
    open: Opener<'a>,
    /// What was tried before the current one, and why that does not work.
    refused: Vec<String>,
    begun: bool,
}

impl<'a> Auto<'a> {
    /// Of `names`, the best first. Fails as the last of them does when none can be opened.
    pub(super) fn new(names: &[Name], open: Opener<'a>) -> Result<Self> {
        let mut rest: VecDeque<Name> = names.iter().copied().collect();
        let mut refused = Vec::new();
        let current = next(&mut rest, &open, &mut refused)?;
        Ok(Self {
            current,
            rest,
            open,
            refused,
            begun: false,
        })
    }
}

/// Opens the first of `rest` that can be opened, and takes it and those before it away.
fn next<'a>(
    rest: &mut VecDeque<Name>,
    open: &Opener<'a>,
    refused: &mut Vec<String>,
) -> Result<Candidate<'a>> {
    let mut failed = unavailable(Name::Auto, Errno::ENODEV, "see 'resdump doctor'");
    while let Some(name) = rest.pop_front() {
        match open(name) {
            Ok(engine) => return Ok(engine),
            Err(error) => {
                refused.push(refusal(name, error.errno));
                failed = error;
            }
        }
    }
    Err(failed)
}

fn refusal(name: Name, errno: Errno) -> String {
    format!("{}: {}", name.as_str(), ErrnoText(errno))
}

/// Whether another engine may do what this errno says that one cannot.
fn depends_on_the_engine(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EFAULT
            | Errno::EINVAL
            | Errno::ENODEV
            | Errno::ENOMEM
            | Errno::ENOTTY
            | Errno::EOPNOTSUPP
            | Errno::EPERM
    )
}

impl Engine for Auto<'_> {
    fn name(&self) -> Name {
        self.current.name()
    }

    fn settings(&self) -> Settings {
        self.current.settings()
    }

    fn window(&self) -> u64 {
        self.current.window()
    }

    fn copies(&self) -> bool {
        self.current.copies()
    }

    fn any_address(&self) -> bool {
        self.current.any_address()
    }

    fn merit(&self) -> &'static str {
        self.current.merit()
    }

    fn reason(&self) -> String {
        let mut reason = format!("auto: {}", self.merit());
        for refused in &self.refused {
            reason += "; not ";
            reason += refused;
        }
        reason
    }

    fn transfer(&mut self, other: &File, piece: Piece, stop: &Stop) -> Moved {
        loop {
            let moved = self.current.transfer(other, piece, stop);
            self.begun |= moved.bytes > 0;
            let errno = match moved.error {
                Some(errno) if !self.begun && depends_on_the_engine(errno) => errno,
                _ => return moved,
            };
            let failed = refusal(self.name(), errno);
            self.refused.push(failed.clone());
            let Ok(engine) = next(&mut self.rest, &self.open, &mut self.refused) else {
                return moved;
            };
            self.current = engine;
            log::warn!(
                "engine {failed}: it does not work here, trying {}",
                self.name().as_str()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails with an errno, or moves everything.
    #[derive(Clone, Copy)]
    struct Fixed(Name, Option<Errno>);

    impl Engine for Fixed {
        fn name(&self) -> Name {
            self.0
        }

        fn settings(&self) -> Settings {
            Settings::default()
        }

        fn window(&self) -> u64 {
            1 << 20
        }

        fn transfer(&mut self, _other: &File, piece: Piece, _stop: &Stop) -> Moved {
            Moved {
                bytes: if self.1.is_none() { piece.length } else { 0 },
                error: self.1,
                ..Moved::default()
            }
        }
    }

    fn play(engines: &[Fixed]) -> (Moved, Name, String) {
        let names: Vec<Name> = engines.iter().map(|engine| engine.0).collect();
        let open = |name| match engines.iter().find(|engine| engine.0 == name) {
            Some(engine) => Ok(Box::new(*engine) as Candidate<'_>),
            None => Err(unavailable(name, Errno::ENOENT, "")),
        };
        let mut auto = Auto::new(&names, Box::new(open)).unwrap();
        let null = File::open("/dev/null").unwrap();
        let piece = Piece {
            offset: 0,
            length: 4096,
            position: 0,
        };
        let moved = auto.transfer(&null, piece, &Stop::default());
        (moved, auto.name(), auto.reason())
    }

    #[test]
    fn the_first_that_works_is_taken_and_the_others_are_named() {
        let (moved, name, reason) = play(&[
            Fixed(Name::Kernel, Some(Errno::ENOTTY)),
            Fixed(Name::Mmap, Some(Errno::EFAULT)),
            Fixed(Name::Read, None),
        ]);
        assert_eq!((moved.bytes, name), (4096, Name::Read));
        assert_eq!(
            reason,
            "auto: copies every byte; not kernel: ENOTTY (25); not mmap: EFAULT (14)"
        );
    }

    #[test]
    fn the_targets_own_failure_is_not_another_engines_chance() {
        let (moved, name, _) = play(&[
            Fixed(Name::Kernel, Some(Errno::ENOSPC)),
            Fixed(Name::Read, None),
        ]);
        assert_eq!((moved.error, name), (Some(Errno::ENOSPC), Name::Kernel));
    }

    #[test]
    fn the_last_ones_failure_stands() {
        let (moved, ..) = play(&[Fixed(Name::Mmap, Some(Errno::EFAULT))]);
        assert_eq!(moved.error, Some(Errno::EFAULT));
    }
}
