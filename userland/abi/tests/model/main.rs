// SPDX-License-Identifier: MIT
//! The module's own accounting, `kmod/inflight.rs` and `kmod/job.rs`, in every interleaving of its
//! threads and with every value that a weak memory order lets them see, as far as the model checker's
//! bound on preemptions goes.
//!
//! `crate::sync` is the kernel's there, and the model checker's here.

#[rustfmt::skip]
#[path = "../../../../kmod/inflight.rs"]
mod inflight;
#[rustfmt::skip]
#[path = "../../../../kmod/job.rs"]
mod job;
mod snapshot;
mod sync;
mod transfer;

/// Runs `model` in every interleaving with at most `preemptions` of them where nobody has to wait.
fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(model);
}
