// SPDX-License-Identifier: MIT

//! `resdump dump REGION -`: to standard output.

use std::io::{self, Write};

use super::stream::{Dump, moved};
use crate::{
    advice::Doing,
    console::Console,
    error::{Error, Result},
    exit_codes::ExitCode,
    output,
    stream::sender::Sender,
};

/// Writes it.
pub(super) fn run(dump: &Dump<'_>, console: &Console) -> Result<ExitCode> {
    let failed =
        |error: &io::Error| Error::during(Doing::Print, "cannot write", "standard output", error);
    let out = output::standard_output().map_err(|error| failed(&error))?;
    output::refuse_inputs(&dump.job.target, &out, &dump.source.identities())?;
    let mut sender = Sender::new(dump.source, &out, &dump.stop).map_err(|error| failed(&error))?;
    dump.expect_direct(&sender)?;
    let ((bytes, sent), digest) = dump.alongside(&|| {}, || {
        dump.blocks(&mut sender, 0, &mut |mut out, packed, _| {
            packed.map_or(Ok(()), |packed| out.write_all(packed))
        })
    });
    let error = sent.err().map(|error| dump.incomplete(bytes, &error));
    let moved = moved(&sender, bytes);
    let report = dump.report(&sender, &moved, 0);
    dump.tell(report, digest, error, console)
}
