// SPDX-License-Identifier: MIT

//! One way, once: how long it took, and what it cost the processors.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{PosixFadviseAdvice, posix_fadvise},
    unistd::{SysconfVar, sysconf},
};

use super::Way;
use crate::{
    advice::Doing,
    engine::{self, Piece},
    error::{Error, Result, errno_of},
    output::Output,
    report::Clock,
    signals::Stop,
    source::{Held, Source},
    span::Span,
    text, transfer,
};

/// What is measured with.
pub(super) struct Bench<'a> {
    pub(super) source: &'a dyn Source,
    /// The same bytes in ordinary memory.
    pub(super) ordinary: Held,
    pub(super) span: Span,
    pub(super) direct: &'a Output,
    /// The same target, through the page cache.
    pub(super) buffered: File,
    pub(super) path: &'a Path,
    pub(super) stop: &'a Stop,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Wall time until everything was durable.
    pub(super) seconds: f64,
    /// CPU time of this process.
    pub(super) process: f64,
    /// CPU time of the whole machine, where the kernel tells: the kernel's own threads and
    /// interrupts as well, in ticks.
    pub(super) machine: Option<f64>,
    pub(super) direct: u64,
    pub(super) copied: u64,
}

impl Bench<'_> {
    /// Measures `way`. The inner error is that of a way that does not work here, the outer one of
    /// the target.
    pub(super) fn measure(&self, way: &Way) -> Result<Result<Sample>> {
        let source = if way.ordinary {
            &self.ordinary
        } else {
            self.source
        };
        let mut engine = match engine::open(way.engine, source, self.span, way.settings, false) {
            Ok(engine) => engine,
            Err(error) => return Ok(Err(error)),
        };
        let target = if engine.direct() {
            self.direct.file()
        } else {
            &self.buffered
        };
        let piece = Piece {
            offset: self.span.offset,
            length: self.span.length,
            position: 0,
        };
        let busy = machine_busy();
        let clock = Clock::start();
        let moved = transfer::run(&mut *engine, target, piece, self.stop, &mut |_| {});
        let synced = target.sync_data();
        let sample = Sample {
            seconds: clock.seconds(),
            process: clock.cpu_seconds(),
            machine: machine_busy()
                .zip(busy)
                .map(|(after, before)| after.saturating_sub(before).as_secs_f64()),
            direct: if self.direct.is_direct() {
                moved.direct
            } else {
                0
            },
            copied: match self.direct.is_direct() {
                true => moved.copied,
                false => moved.copied + moved.direct,
            },
        };
        if !engine.direct() {
            // What the page cache keeps would have to be dropped by the next way.
            let _ = posix_fadvise(target, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        }
        let failed = |errno| {
            Error::during(
                Doing::Transfer,
                "cannot write",
                text::name(self.path),
                errno,
            )
        };
        match moved.error {
            None => {}
            Some(errno @ (Errno::EFAULT | Errno::ENOTTY | Errno::ENODEV)) => {
                return Ok(Err(failed(errno)));
            }
            Some(Errno::EINTR) => return Err(super::interrupted(self.path)),
            Some(errno) => return Err(failed(errno)),
        }
        synced.map_err(|error| failed(errno_of(&error)))?;
        Ok(Ok(sample))
    }
}

/// Time that the processors have not been idle since the start of the machine.
pub(super) fn machine_busy() -> Option<Duration> {
    let ticks = busy_ticks(&fs::read_to_string("/proc/stat").ok()?)?;
    let rate = sysconf(SysconfVar::CLK_TCK).ok()??;
    Some(Duration::from_secs(ticks) / u32::try_from(rate).ok()?)
}

/// `cpu  user nice system idle iowait irq softirq steal …`, in ticks.
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map_while(|word| word.parse().ok())
        .collect();
    let at = |index: usize| ticks.get(index).copied();
    Some(at(0)? + at(1)? + at(2)? + at(5)? + at(6)? + at(7).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_are_not_busy() {
        let stat = "cpu  10 20 30 1000 2000 1 2 3 0 0\ncpu0 9 9 9 9 9 9 9 9 0 0\nintr 1\n";
        assert_eq!(busy_ticks(stat), Some(66));
        assert_eq!(busy_ticks("intr 1\n"), None);
    }
}
