// SPDX-License-Identifier: MIT

//! `resdump convert --to sigmf`: the samples of a recording in a file, and what is said of them in another.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
};

use super::{
    Args,
    pieces::{BUFFER, copy, identities, open, write},
};
use crate::{
    error::Result,
    recorder::{Dataset, Piece, Saved},
    signals::Stop,
};

/// Writes samples and metadata.
pub(super) fn run(args: &Args, saved: &Saved, pieces: &[Piece], stop: &Stop) -> Result<()> {
    let datatype = args.datatype.clone().unwrap_or_default();
    let dataset = Dataset::new(pieces, &datatype, args.sample_rate);
    let with = |suffix: &str| -> PathBuf {
        let mut name: OsString = args.output.clone().into();
        name.push(suffix);
        name.into()
    };
    // Both can be made, before one is.
    let inputs = identities(saved)?;
    let data = open(args, &with(".sigmf-data"), &inputs, stop)?;
    let meta = open(args, &with(".sigmf-meta"), &inputs, stop)?;
    write(data, |out| {
        let mut reader = saved.reader();
        let mut buffer = vec![0; BUFFER];
        let mut pieces = dataset.pieces.iter();
        pieces.try_for_each(|piece| copy(&mut reader, piece, &mut buffer, out, stop))
    })?;
    write(meta, |out| {
        serde_json::to_writer_pretty(&mut *out, &dataset.meta).map_err(io::Error::from)?;
        Ok(out.write_all(b"\n")?)
    })
}
