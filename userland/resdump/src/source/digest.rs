// SPDX-License-Identifier: MIT

//! The digest of what a source holds.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use nix::errno::Errno;

use super::Source;
use crate::{
    codec::digest::{Algorithm, Digest, Hasher},
    error::{Error, Result},
    exit_codes::ExitCode,
    signals,
    span::Span,
};

/// Bytes read at a time: less than a cache, more than a system call.
const BLOCK: u64 = 128 << 10;

/// For [`alongside`]: nothing is to be done meanwhile.
pub const ALONE: (Duration, &dyn Fn()) = (Duration::MAX, &|| {});

/// A digest in the making.
struct Sum {
    span: Span,
    hasher: Hasher,
}

/// Reads what `sums` are of, piece by piece; whether it has come to the end: not when `cancelled` says so.
fn read(source: &dyn Source, sums: &mut [Sum], cancelled: &dyn Fn() -> bool) -> Result<bool> {
    let end = |span: Span| span.offset + span.length;
    let mut at = sums.iter().map(|sum| sum.span.offset).min().unwrap_or(0);
    let last = sums.iter().map(|sum| end(sum.span)).max().unwrap_or(0);
    let mut buffer = vec![0; BLOCK.min(last - at) as usize];
    while at < last {
        if cancelled() {
            return Ok(false);
        }
        let bytes = &mut buffer[..(last - at).min(BLOCK) as usize];
        source.read_at(bytes, at)?;
        let next = at + bytes.len() as u64;
        for Sum { span, hasher } in &mut *sums {
            let (from, to) = (span.offset.max(at), end(*span).min(next));
            if from < to {
                hasher.update(&bytes[(from - at) as usize..(to - at) as usize]);
            }
        }
        at = next;
    }
    Ok(true)
}

/// The digest of `span` of `source`; `None` when `cancelled` said so.
pub fn of(
    source: &dyn Source,
    span: Span,
    algorithm: Algorithm,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Digest>> {
    let hasher = Hasher::new(algorithm);
    let mut sums = vec![Sum { span, hasher }];
    let is_all = read(source, &mut sums, cancelled)?;
    let digest = sums.pop().map(|sum| sum.hasher.finish());
    Ok(digest.filter(|_| is_all))
}

/// The digest of `span` of `source`, by `algorithm` if that is said. The digests that `source` should have
/// are computed as well: fails where one differs. Without `algorithm` the result is the one that it should
/// have of exactly `span`, if it has one.
pub fn checked(
    source: &dyn Source,
    span: Span,
    algorithm: Option<Algorithm>,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Digest>> {
    let seals = source.seals();
    let mut sums: Vec<Sum> = seals
        .iter()
        .map(|(span, digest)| (*span, digest.algorithm))
        .chain(algorithm.map(|algorithm| (span, algorithm)))
        .map(|(span, algorithm)| Sum {
            span,
            hasher: Hasher::new(algorithm),
        })
        .collect();
    if !read(source, &mut sums, cancelled)? {
        return Err(Error::new(
            ExitCode::Interrupted,
            "no digest",
            source.name(),
            Errno::EINTR,
            "stopped by a signal before all of it was read",
        ));
    }
    let mut found = sums.into_iter().map(|sum| (sum.span, sum.hasher.finish()));
    let mut same = None;
    for ((_, expected), (of, found)) in seals.iter().zip(&mut found) {
        if found != *expected {
            return Err(Error::new(
                ExitCode::Mismatch,
                "source differs from its digest",
                source.name(),
                Errno::EBADMSG,
                format!(
                    "it has {found}, and its manifest says {expected}: take another copy of it"
                ),
            ));
        }
        same = Some(found).filter(|_| of == span).or(same);
    }
    Ok(found.next().map(|(_, digest)| digest).or(same))
}

/// Fails where `source`, all of it, has another digest than it should have, or was changed meanwhile.
pub fn expect(source: &dyn Source, cancelled: &dyn Fn() -> bool) -> Result<()> {
    let all = Span {
        offset: 0,
        length: source.size(),
    };
    if !source.seals().is_empty() {
        checked(source, all, None, cancelled)?;
    }
    source.check_unchanged()
}

/// Does `work`; a second thread reads `source` meanwhile, where a digest of `span` is wanted or `source` has
/// one that it should have. As [`checked`]; also fails when `source` was changed meanwhile. While only that
/// thread is left, `idle` is called each `period`.
pub fn alongside<T>(
    source: &dyn Source,
    span: Span,
    algorithm: Option<Algorithm>,
    cancelled: &(dyn Fn() -> bool + Sync),
    (period, idle): (Duration, &dyn Fn()),
    work: impl FnOnce() -> T,
) -> (T, Result<Option<Digest>>) {
    if algorithm.is_none() && source.seals().is_empty() {
        let done = work();
        return (done, source.check_unchanged().map(|()| None));
    }
    thread::scope(|scope| {
        let (tell, told) = channel();
        // A signal is for the thread that waits for the disk.
        signals::blocked(|| {
            scope.spawn(move || {
                let _ = tell.send(checked(source, span, algorithm, &|| cancelled()));
            })
        });
        let done = work();
        let digest = loop {
            match told.recv_timeout(period) {
                Ok(digest) => break digest,
                Err(RecvTimeoutError::Timeout) => idle(),
                // It has panicked, and the scope does the same.
                Err(RecvTimeoutError::Disconnected) => break Ok(None),
            }
        };
        let digest = digest.and_then(|digest| source.check_unchanged().map(|()| digest));
        (done, digest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_span_is_that_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("saved");
        let bytes: Vec<u8> = (0..300_000u32).map(|n| (n / 3) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let mut expected = Hasher::new(Algorithm::Crc32c);
        expected.update(&bytes[7..299_007]);
        let how = crate::source::How::default();
        let source = crate::source::Saved::open(&path, &how).unwrap();
        let span = Span {
            offset: 7,
            length: 299_000,
        };
        let digest = of(&source, span, Algorithm::Crc32c, &|| false).unwrap();
        assert_eq!(digest.unwrap(), expected.finish());
        assert_eq!(
            of(&source, span, Algorithm::Crc32c, &|| true).unwrap(),
            None
        );
    }
}
