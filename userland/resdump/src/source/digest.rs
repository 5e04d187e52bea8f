// SPDX-License-Identifier: MIT

//! The digest of what a source holds.

use std::thread;

use super::Source;
use crate::{
    codec::digest::{Algorithm, Digest, Hasher},
    error::Result,
    signals,
    span::Span,
};

/// Bytes read at a time: less than a cache, more than a system call.
const BLOCK: u64 = 128 << 10;

/// The digest of `span` of `source`, read piece by piece; `None` when `cancelled` said so.
pub fn of(
    source: &dyn Source,
    span: Span,
    algorithm: Algorithm,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Digest>> {
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; BLOCK.min(span.length) as usize];
    let mut done = 0;
    while done < span.length {
        if cancelled() {
            return Ok(None);
        }
        let bytes = &mut buffer[..(span.length - done).min(BLOCK) as usize];
        source.read_at(bytes, span.offset + done)?;
        hasher.update(bytes);
        done += bytes.len() as u64;
    }
    Ok(Some(hasher.finish()))
}

/// Does `work` while a second thread computes the digest of `span` of `source`, if one is wanted.
pub fn alongside<T>(
    source: &dyn Source,
    span: Span,
    algorithm: Option<Algorithm>,
    cancelled: &(dyn Fn() -> bool + Sync),
    work: impl FnOnce() -> T,
) -> (T, Result<Option<Digest>>) {
    thread::scope(|scope| {
        // A signal is for the thread that waits for the disk.
        let hasher = signals::blocked(|| {
            algorithm
                .map(|algorithm| scope.spawn(move || of(source, span, algorithm, &|| cancelled())))
        });
        let done = work();
        let digest = match hasher.map(thread::ScopedJoinHandle::join) {
            Some(Ok(digest)) => digest,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(None),
        };
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
