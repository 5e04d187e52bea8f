// SPDX-License-Identifier: MIT
//! A command on its way to the guest, and its answer on the way back.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Most digits of a command on one line: the guest's shell takes lines of 1023 characters.
pub(super) const PART: usize = 800;

/// A command on its way.
pub(super) struct Request {
    pub(super) number: u64,
    pub(super) parts: Vec<String>,
    /// Numbered from 1: the text, and whether the line goes on in the next.
    pub(super) pieces: BTreeMap<u64, (bool, Vec<u8>)>,
    /// How many there are, and the exit status, unless the answer is not whole.
    pub(super) end: Option<(u64, Option<i32>)>,
}

impl Request {
    pub(super) fn new(number: u64, command: &str) -> Self {
        let digits = hex(command).into_bytes();
        let mut parts: Vec<String> = digits
            .chunks(PART)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        if parts.is_empty() {
            parts.push(String::new());
        }
        Self {
            number,
            parts,
            pieces: BTreeMap::new(),
            end: None,
        }
    }

    /// What is typed when the guest has all parts but the last.
    pub(super) fn line(&self) -> String {
        let (number, kept) = (self.number, self.parts.len() - 1);
        let check = sum(&format!("{number} {kept} {}", self.parts.concat()));
        let last = self.parts.last().map_or("", String::as_str);
        format!("resdump_run {number} {} {kept} {last}", &check[..16])
    }

    pub(super) fn take(&mut self, number: u64, more: bool, text: Vec<u8>) -> Result<()> {
        if number > 0 {
            self.pieces.insert(number, (more, text));
            return Ok(());
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let (count, status) = text.split_once('.').context("no end of an answer")?;
        self.end = Some((
            count.parse().with_context(|| format!("pieces: {text:?}"))?,
            status.parse().ok(),
        ));
        Ok(())
    }

    /// The answer, when all of it has come: what the command printed, and its exit status.
    pub(super) fn answer(&self) -> Option<Result<(String, i32)>> {
        let (count, status) = self.end?;
        if self.pieces.len() as u64 != count {
            return None;
        }
        let mut bytes = Vec::new();
        for (more, text) in self.pieces.values() {
            bytes.extend(text);
            if !more {
                bytes.push(b'\n');
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // The guest adds a line, and the status behind that, when it has room for all of the answer.
        let whole = text.strip_suffix(".\n").zip(status);
        Some(
            whole
                .map(|(text, status)| (text.to_owned(), status))
                .context("the guest could not keep the whole answer: is its /tmp full?"),
        )
    }
}

pub(super) fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn sum(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::said::{Said, understood};
    use super::*;

    /// A piece as the guest prints it.
    fn piece(command: u64, number: u64, more: u64, text: &str) -> String {
        let rest = format!("{command}.{number}.{more}.{text}");
        let sum = rest.bytes().fold(0_u64, |sum, byte| {
            (sum * 65599 + u64::from(byte)) % 4_294_967_291
        });
        format!("~{sum}.{rest}")
    }

    fn give(request: &mut Request, line: &str) {
        if let Some(Said::Piece {
            number, more, text, ..
        }) = understood(line.as_bytes())
        {
            request.take(number, more, text).unwrap();
        }
    }

    #[test]
    fn an_answer_is_complete_when_each_piece_has_come_undamaged() {
        let mut request = Request::new(7, "x");
        let first = piece(7, 1, 1, "a.b");
        give(&mut request, &piece(7, 0, 0, "3.5"));
        give(&mut request, &piece(7, 3, 0, "."));
        give(&mut request, &first.replace("a.b", "a,b"));
        give(&mut request, &piece(7, 2, 0, "c"));
        assert!(request.answer().is_none());
        give(&mut request, &first);
        assert_eq!(request.answer().unwrap().unwrap(), ("a.bc\n".to_owned(), 5));
        // As busybox computes it.
        assert_eq!(piece(1, 1, 0, "it's"), "~2158856700.1.1.0.it's");
    }

    #[test]
    fn a_command_that_is_too_long_for_a_line_has_parts() {
        let long = Request::new(1, &"y".repeat(1000));
        assert_eq!(long.parts.len(), 3);
        assert!(long.line().len() < 1000 && long.line().contains(" 2 79"));
        let short = Request::new(2, "id");
        let check = &sum("2 0 6964")[..16];
        assert_eq!(short.line(), format!("resdump_run 2 {check} 0 6964"));
    }

    #[test]
    fn an_answer_that_the_guest_could_not_keep_is_an_error() {
        for (last, end) in [("cut", "1.0"), (".", "1.")] {
            let mut request = Request::new(1, "x");
            give(&mut request, &piece(1, 1, 0, last));
            give(&mut request, &piece(1, 0, 0, end));
            assert!(request.answer().unwrap().is_err());
        }
    }
}
