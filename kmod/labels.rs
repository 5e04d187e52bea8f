// SPDX-License-Identifier: GPL-2.0

//! Labels in use: two regions of one label would be two files of one name.
//!
//! Lock order: the one lock here is taken alone.

use kernel::{
    new_mutex,
    prelude::*,
    str::{
        CStr,
        CString, //
    }, //
};

use crate::abstractions::global::Global;

static LABELS: Global<KVec<CString>> = Global::new();

/// Makes claims possible. To be called once, before the first; `EBUSY` otherwise.
pub(crate) fn init() -> Result {
    LABELS.init(new_mutex!(KVec::new()))
}

/// The right to use a label, given back on drop.
pub(crate) struct Claim(CString);

impl Claim {
    /// Claims `label`; `EEXIST` when it is in use. May sleep.
    pub(crate) fn new(label: &CStr) -> Result<Self> {
        let (ours, listed) = (CString::try_from(label)?, CString::try_from(label)?);
        let mut labels = LABELS.lock()?;
        if labels
            .iter()
            .any(|used| used.to_bytes() == label.to_bytes())
        {
            return Err(EEXIST);
        }
        labels.push(listed, GFP_KERNEL)?;
        Ok(Self(ours))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Ok(mut labels) = LABELS.lock() else {
            return;
        };
        labels.retain(|used| used.to_bytes() != self.0.to_bytes());
        if labels.is_empty() {
            // A static is not dropped when the module goes: leave no allocation behind.
            *labels = KVec::new();
        }
    }
}
