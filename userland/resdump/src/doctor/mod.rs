// SPDX-License-Identifier: MIT

//! Looks for what is in the way of a dump, by trying.

#![forbid(unsafe_code)]

use nix::errno::Errno;
use serde::Serialize;

use crate::error::Error;

pub mod host;
pub mod tree;
pub mod trial;

/// What a probe has found.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// Whether it is as a dump wants it.
    pub ok: bool,
    /// Whether a dump may depend on it; false for what another way takes the place of.
    pub needed: bool,
    /// Name of the errno that says that it is not.
    pub errno: Option<String>,
    /// Its number.
    pub errno_number: Option<i32>,
    /// What was found, and why it is so.
    pub detail: String,
}

impl Finding {
    /// It works.
    pub fn good(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            ok: true,
            needed: true,
            errno: None,
            errno_number: None,
            detail: detail.into(),
        }
    }

    /// It does not.
    pub fn bad(check: impl Into<String>, errno: Errno, detail: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            ok: false,
            needed: true,
            errno: Some(format!("{errno:?}")),
            errno_number: Some(errno as i32),
            detail: detail.into(),
        }
    }

    /// It does not, as `error` tells.
    pub fn failed(check: impl Into<String>, error: &Error) -> Self {
        let detail = format!("{}: {}", error.what, error.advice);
        Self::bad(check, error.errno, detail)
    }

    /// The same, on which no dump depends.
    pub fn unneeded(self) -> Self {
        Self {
            needed: false,
            ..self
        }
    }
}
