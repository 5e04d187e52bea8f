// SPDX-License-Identifier: MIT

//! `recording INDEX…`: what the indexes of a recording say of each part of the stream, and where its bytes are.

use std::{
    env,
    error::Error,
    fs::File,
    io::{BufReader, Write, stdout},
    path::Path,
};

use resdump_format::recording::{layout::segment_name, planner::Event, summary::Summary};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    for path in env::args_os().skip(1) {
        report(Path::new(&path), &mut out)?;
    }
    Ok(())
}

/// Prints what the index at `path` says.
pub(crate) fn report(path: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let summary = Summary::read(BufReader::new(file))?;
    let Some(origin) = summary.origin.filter(|origin| origin.segment > 0) else {
        return Err(format!("{}: not the index of a recording", path.display()).into());
    };
    for part in &summary.parts {
        let (what, from, to, place) = match *part {
            Event::Data { from, to, place } => ("whole", from, to, place),
            Event::Suspect { from, to, place } => ("suspect", from, to, place),
            Event::Gap {
                from, to, place, ..
            } => ("lost", from, to, place),
        };
        let (segment, offset) = (place / origin.segment, place % origin.segment);
        let name = segment_name(segment);
        writeln!(
            out,
            "bytes {from} to {to}: {what}, in {name} from byte {offset} on"
        )?;
    }
    let totals = summary.totals();
    writeln!(out, "{} suspect, {} lost", totals.suspect, totals.gap)?;
    Ok(())
}
