// SPDX-License-Identifier: MIT
//! What the guest says, as far as it is said to the session.

/// What the shell prints when it waits for a command, whatever folder it is in.
const PROMPT: (&str, &str) = ("resdump:", "# ");

/// A line, or the part of one that has come.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// A line did not arrive as it was typed.
    Again,
    /// A part of a command is kept.
    Kept(usize),
    /// The session's functions are not there.
    Lost,
    /// The system was started again since the last command.
    Gone,
    /// A piece of the answer to a command.
    Piece {
        command: u64,
        number: u64,
        more: bool,
        text: Vec<u8>,
    },
    /// The shell waits for a command.
    Prompt,
    /// The shell waits for the rest of one.
    Continued,
    /// The system wants to know who is there.
    Login,
}

/// What a whole line says to the session.
pub(super) fn understood(line: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(line);
    if text == "<<AGAIN>>" {
        return Some(Said::Again);
    }
    if text == "<<GONE>>" {
        return Some(Said::Gone);
    }
    if let Some(index) = text
        .strip_prefix("<<KEPT ")
        .and_then(|t| t.strip_suffix(">>"))
    {
        return index.parse().ok().map(Said::Kept);
    }
    let unknown = [": not found", ": command not found"];
    if let Some(name) = unknown.iter().find_map(|end| text.strip_suffix(end)) {
        let ours = ["resdump_run", "resdump_part"];
        return match ours.iter().any(|known| name.ends_with(known)) {
            true => Some(Said::Lost),
            false => Some(Said::Again),
        };
    }
    let rest = line.strip_prefix(b"~")?;
    let dot = rest.iter().position(|byte| *byte == b'.')?;
    let (sum, rest) = (&rest[..dot], &rest[dot + 1..]);
    let computed = rest.iter().fold(0_u64, |sum, byte| {
        (sum * 65599 + u64::from(*byte)) % 4_294_967_291
    });
    if std::str::from_utf8(sum).ok()?.parse() != Ok(computed) {
        return None;
    }
    let mut fields = rest.splitn(4, |byte| *byte == b'.');
    let mut number = || {
        std::str::from_utf8(fields.next()?)
            .ok()?
            .parse::<u64>()
            .ok()
    };
    let (command, piece, more) = (number()?, number()?, number()? == 1);
    Some(Said::Piece {
        command,
        number: piece,
        more,
        text: fields.next()?.to_vec(),
    })
}

/// What a line without an end says: something waits for what is typed.
pub(super) fn waiting(line: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(line);
    // Some shells ask the terminal then where its cursor is.
    let text = text.trim_end_matches("\x1b[6n");
    if text.trim_start_matches('\r') == "> " {
        Some(Said::Continued)
    } else if text.ends_with(PROMPT.1) && text.contains(PROMPT.0) {
        Some(Said::Prompt)
    } else if text.ends_with("login: ") {
        Some(Said::Login)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_waits_for_is_seen() {
        assert_eq!(waiting(b"resdump:/root# "), Some(Said::Prompt));
        assert_eq!(waiting(b"\rresdump:/tmp# "), Some(Said::Prompt));
        assert_eq!(waiting(b"resdump:/tmp# \x1b[6n"), Some(Said::Prompt));
        assert_eq!(waiting(b"> "), Some(Said::Continued));
        assert_eq!(waiting(b"board login: "), Some(Said::Login));
        assert_eq!(waiting(b"resdump:/root# echo"), None);
        assert_eq!(understood(b"sh: resdump_rn: not found"), Some(Said::Again));
        assert_eq!(understood(b"sh: resdump_run: not found"), Some(Said::Lost));
        assert_eq!(understood(b"<<GONE>>"), Some(Said::Gone));
        assert_eq!(understood(b"[   12.3] a kernel message"), None);
    }
}
