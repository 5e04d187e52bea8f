// SPDX-License-Identifier: MIT
//! The module's own accounting (`kmod/inflight.rs`, `kmod/job.rs` and `kmod/abstractions/landing.rs`) in every
//! interleaving of its threads and with every value that a weak memory order lets them see, as far as the
//! model checker's bound on preemptions goes.
//!
//! `sync` is the kernel's in the module, and the model checker's here.

#[rustfmt::skip]
#[path = "../../../../kmod/inflight.rs"]
mod inflight;
#[rustfmt::skip]
#[path = "../../../../kmod/job.rs"]
mod job;
#[rustfmt::skip]
#[path = "../../../../kmod/abstractions/landing.rs"]
mod landing;
mod snapshot;
mod sync;
mod transfer;

/// Runs `model` in every interleaving with at most `preemptions` of them where no thread has to wait.
fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(model);
}
