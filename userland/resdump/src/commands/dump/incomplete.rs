// SPDX-License-Identifier: MIT

//! What stopped a dump, what is on the target, and how to resume.

use nix::errno::Errno;

use super::{job::Job, layout::Layout};
use crate::{
    advice::{self, Doing},
    codec::digest::Algorithm,
    engine::Moved,
    error::Error,
    exit_codes::ExitCode,
    output::Kind,
    source::{Source, digest},
    span::Span,
    text,
};

/// How to resume a dump that has a manifest. What a snapshot held is gone.
fn next(is_snapshot: bool) -> &'static str {
    match is_snapshot {
        true => "take it again",
        false => "resume it with --resume",
    }
}

/// What is left to trust of a target of which `kept` bytes had been durable before a sync failed.
pub(super) fn trusted(kept: u64, is_snapshot: bool) -> String {
    match kept {
        0 => "do not trust what is on the target".into(),
        _ => format!(
            "only the first {kept} bytes can be trusted, {}",
            next(is_snapshot)
        ),
    }
}

/// `kept`: if what was written cannot be made durable, the bytes that had been before.
pub(super) fn incomplete(
    job: &Job,
    kind: Kind,
    moved: &Moved,
    layout: &Layout,
    kept: Option<u64>,
    is_snapshot: bool,
    errno: Errno,
) -> Error {
    let (code, reason) = match errno {
        Errno::ENXIO if job.strict => (
            ExitCode::Strict,
            "memory without page structures must be copied: leave --strict out",
        ),
        Errno::EINVAL if job.strict && moved.bytes == 0 => (
            ExitCode::Strict,
            "its address is not aligned for direct I/O, and must be copied: leave --strict out",
        ),
        _ => match advice::of(errno, Doing::Transfer) {
            // It has taken such a range before.
            (ExitCode::Range, reason) if moved.bytes > 0 => (ExitCode::Io, reason),
            known => known,
        },
    };
    let (done, whole) = (layout.done + moved.bytes, layout.span.length);
    let mut advice = format!("{reason}; {done} of {whole} bytes are on the target");
    if let Some(kept) = kept.filter(|_| done > 0) {
        advice = format!(
            "{reason}; {done} of {whole} bytes were written and cannot be made durable: {}",
            trusted(kept, is_snapshot)
        );
    } else if done > 0 && (is_snapshot || job.has_manifest(kind)) {
        advice += ", ";
        advice += next(is_snapshot);
    } else if done > 0 {
        advice += &format!(
            ", continue with --offset {:#x} --length {:#x} --seek {:#x}{}",
            layout.span.offset + done,
            whole - done,
            layout.data_offset + done,
            match kind {
                Kind::File => " --force",
                Kind::Block | Kind::Stream => "",
            }
        );
    }
    Error::new(
        code,
        "dump incomplete",
        text::name(&job.target),
        errno,
        advice,
    )
}

/// Most bytes that are read again of what could not be written.
const REREAD: u64 = 4 << 20;

/// `stopped`, or why the saved file that is read from cannot be read from byte `at` on: an engine says of
/// a bad sector there no more than that it could not go on.
pub(super) fn blame(source: &dyn Source, at: u64, stopped: Error) -> Error {
    if source.region().is_some()
        || matches!(stopped.code, ExitCode::Interrupted | ExitCode::NoSpace)
    {
        return stopped;
    }
    let span = Span {
        offset: at,
        length: source.size().saturating_sub(at).min(REREAD),
    };
    match digest::of(source, span, Algorithm::Crc32c, &|| false) {
        Err(error) => Error {
            advice: match stopped.advice.strip_prefix(&error.advice) {
                Some(rest) => format!("{}{rest}", error.advice),
                None => format!("{}; {}", error.advice, stopped.advice),
            },
            ..error
        },
        Ok(_) => stopped,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        cli::{Cli, Command},
        span::Plan,
    };

    fn job(line: &[&str]) -> Job {
        let line = ["resdump", "dump"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Dump(args) => args.job().unwrap(),
            _ => unreachable!("it is a dump"),
        }
    }

    fn stopped_and(
        kept: Option<u64>,
        line: &[&str],
        kind: Kind,
        bytes: u64,
        errno: Errno,
    ) -> Error {
        let span = Span {
            offset: 0x1000,
            length: 0x1_4000_0000,
        };
        let layout = Layout {
            span,
            data_offset: 0x200,
            done: 0,
            digest: None,
            plan: Plan {
                span,
                seek: 0x200,
                body: 0x1_4000_0000,
            },
            room: span.length,
            full: Errno::ENOSPC,
        };
        let moved = Moved {
            bytes,
            ..Moved::default()
        };
        incomplete(&job(line), kind, &moved, &layout, kept, false, errno)
    }

    fn stopped(line: &[&str], kind: Kind, bytes: u64, errno: Errno) -> Error {
        stopped_and(None, line, kind, bytes, errno)
    }

    #[test]
    fn of_what_cannot_be_made_durable_the_last_checkpoint_is_left() {
        let line = ["capture", "/mnt/a"];
        for (kept, trusted) in [
            (0, "do not trust what is on the target"),
            (
                4096,
                "only the first 4096 bytes can be trusted, resume it with --resume",
            ),
        ] {
            let error = stopped_and(Some(kept), &line, Kind::File, 8192, Errno::EIO);
            assert_eq!(
                error.to_string(),
                format!(
                    "dump incomplete: /mnt/a: EIO (5): see the kernel log, the medium may be bad; 8192 of 5368709120 bytes \
                     were written and cannot be made durable: {trusted}"
                )
            );
        }
    }

    #[test]
    fn what_is_on_the_target_and_how_to_go_on() {
        let line = ["capture", "/mnt/a"];
        assert_eq!(
            stopped(&line, Kind::File, 0x1_0000_0000, Errno::ENOSPC).to_string(),
            "dump incomplete: /mnt/a: ENOSPC (28): the target is full; 4294967296 of 5368709120 \
             bytes are on the target, resume it with --resume"
        );
        let line = ["capture", "/mnt/a", "--no-manifest"];
        assert_eq!(
            stopped(&line, Kind::File, 0x1_0000_0000, Errno::EINTR).to_string(),
            "dump incomplete: /mnt/a: EINTR (4): stopped by a signal; 4294967296 of 5368709120 \
             bytes are on the target, continue with --offset 0x100001000 --length 0x40000000 \
             --seek 0x100000200 --force"
        );
        let line = ["capture", "/dev/vdb"];
        assert!(
            stopped(&line, Kind::Block, 0x1_0000_0000, Errno::EIO)
                .to_string()
                .ends_with("--seek 0x100000200")
        );
    }

    #[test]
    fn the_exit_status_follows_from_the_errno() {
        let stopped = |bytes, errno| stopped(&["a", "b"], Kind::File, bytes, errno);
        for (errno, code) in [
            (Errno::ENOSPC, ExitCode::NoSpace),
            (Errno::EINTR, ExitCode::Interrupted),
            (Errno::EIO, ExitCode::Io),
            (Errno::EFAULT, ExitCode::Engine),
            (Errno::ENODEV, ExitCode::Io),
        ] {
            assert_eq!(stopped(512, errno).code, code);
        }
        assert_eq!(stopped(0, Errno::EINVAL).code, ExitCode::Range);
        assert_eq!(stopped(512, Errno::EINVAL).code, ExitCode::Io);
    }

    #[test]
    fn what_the_kernel_will_not_copy_is_a_status_of_its_own() {
        let line = ["capture", "/dev/vdb", "--strict"];
        for errno in [Errno::ENXIO, Errno::EINVAL] {
            assert_eq!(stopped(&line, Kind::Block, 0, errno).code, ExitCode::Strict);
        }
    }

    #[test]
    fn the_abis_limits_hold_on_the_command_line() {
        let parse = |flag: &str, value: &str| {
            Cli::try_parse_from(["resdump", "dump", "a", "b", flag, value]).is_ok()
        };
        assert!(parse("--depth", "64") && !parse("--depth", "65") && !parse("--depth", "0"));
        assert!(parse("--chunk", "64M") && !parse("--chunk", "128M"));
    }
}
