// SPDX-License-Identifier: MIT

//! A dump to `resdump receive` on another machine: it ends as that says.

use std::io::{self, Write};

use nix::errno::Errno;

use super::stream::{Dump, moved};
use crate::{
    address::Address,
    advice::Doing,
    codec::digest::Algorithm,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    source::digest,
    span::Span,
    stream::{
        client::{Client, Ended},
        messages::{Header, Start, Trailer},
        sender::Sender,
        wire,
    },
};

/// Sends it to `address`.
pub(super) fn run(dump: &Dump<'_>, address: &Address, console: &Console) -> Result<ExitCode> {
    let failed = |error: io::Error| {
        let errno = error.raw_os_error().map(Errno::from_raw);
        // A name that cannot be looked up has no errno.
        Error::during(
            Doing::Connect,
            "cannot open target",
            dump.name,
            errno.unwrap_or(Errno::EADDRNOTAVAIL),
        )
    };
    let client = Client::connect(address, dump.job.timeout).map_err(failed)?;
    let mut sender = Sender::new(dump.source, client.out(), &dump.stop).map_err(failed)?;
    dump.expect_direct(&sender)?;

    let header = Header::of(dump.source, dump.span, dump.job.compress, dump.job.digest);
    let start = client
        .begin(&header, &dump.stop)
        .map_err(|ended| failure(dump, 0, ended))?;
    expect_same(dump, &start)?;
    let there = start.bytes;

    let ((bytes, sent), digest) = dump.alongside(&|| client.beat(), || {
        dump.blocks(&mut sender, there, &mut |mut out, packed, length| {
            let stored = packed.map_or(length, |packed| packed.len() as u32);
            wire::write_block(&mut out, stored, length)?;
            packed.map_or(Ok(()), |packed| out.write_all(packed))
        })
    });
    let ended = match (&sent, &digest) {
        (Err(error), _) => Some(client.ended(error)),
        // Closed without a trailer: it is not complete.
        (Ok(()), Err(_)) => None,
        (Ok(()), Ok(digest)) => {
            let trailer = Trailer {
                bytes: dump.span.length,
                digest: digest.clone(),
                error: None,
            };
            Some(client.finish(&trailer, &dump.stop))
        }
    };
    let mut moved = moved(&sender, bytes);
    let mut error = None;
    // What the receiver has not acknowledged is not known to be there.
    let mut known = there;
    let mut in_memory = false;
    if let Some(ended) = ended {
        if let Ended::Verdict(verdict) = &ended {
            known = verdict.bytes.min(dump.span.length);
            in_memory = verdict.in_memory;
        }
        error = judge(dump, there + bytes, ended).err();
    }
    let acknowledged = error.is_none() && digest.is_ok();
    moved.bytes = known.saturating_sub(there);
    let mut report = dump.report(&sender, &moved, there.min(known));
    report.complete = acknowledged;
    report.synced = Some(acknowledged && !in_memory);
    report.in_memory = acknowledged && in_memory;
    dump.tell(report, digest, error, console)
}

/// Fails unless the receiver has the beginning of this dump.
fn expect_same(dump: &Dump<'_>, start: &Start) -> Result<()> {
    let span = dump.span;
    if start.bytes > span.length {
        return Err(failure(dump, 0, Ended::Broken(Errno::EPROTO)));
    }
    let Some(check) = &start.check else {
        return Ok(());
    };
    if check.length > start.bytes || check.digest.algorithm != Algorithm::Crc32c {
        return Err(failure(dump, 0, Ended::Broken(Errno::EPROTO)));
    }
    let end = Span {
        offset: span.offset + start.bytes - check.length,
        length: check.length,
    };
    let stop = || dump.stop.requested();
    match digest::of(dump.source, end, Algorithm::Crc32c, &stop)? {
        Some(digest) if digest == check.digest => Ok(()),
        Some(_) => Err(Error::new(
            ExitCode::Mismatch,
            "cannot resume",
            dump.name,
            Errno::ESTALE,
            "the receiver has other bytes, so the region has changed since: 'resdump receive --force' takes all again",
        )),
        None => Err(failure(dump, 0, Ended::Broken(Errno::EINTR))),
    }
}

fn judge(dump: &Dump<'_>, sent: u64, ended: Ended) -> Result<()> {
    match ended {
        Ended::Verdict(verdict) => verdict.judge(dump.name, dump.span.length),
        ended => Err(failure(dump, sent, ended)),
    }
}

fn failure(dump: &Dump<'_>, sent: u64, ended: Ended) -> Error {
    let (errno, reason) = match ended {
        Ended::Verdict(verdict) => {
            return match verdict.judge(dump.name, dump.span.length) {
                Err(error) => error,
                // Before anything was sent.
                Ok(()) => failure(dump, sent, Ended::Broken(Errno::EPROTO)),
            };
        }
        Ended::NoAnswer => (
            Errno::EPROTO,
            "what listens there gives no answer: it is another program, or an older resdump that \
             acknowledges nothing: use one receiver of this version or newer"
                .into(),
        ),
        Ended::Version(number) => (
            Errno::EPROTONOSUPPORT,
            format!("the receiver speaks version {number} of the stream: update one of the two"),
        ),
        Ended::Broken(Errno::ETIMEDOUT) => (Errno::ETIMEDOUT, "the receiver is silent".to_owned()),
        Ended::Broken(errno) => return dump.incomplete(sent, &errno.into()),
    };
    Error::new(
        ExitCode::Io,
        "not acknowledged",
        dump.name,
        errno,
        format!("{reason}; {sent} of {} bytes were sent", dump.span.length),
    )
}
