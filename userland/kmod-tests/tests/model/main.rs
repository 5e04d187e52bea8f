// SPDX-License-Identifier: MIT
//! The module's own accounting (`kmod/inflight.rs`, `kmod/job.rs`, `kmod/abstractions/landing.rs`, `kmod/trigger.rs` and
//! `kmod/position.rs`) in every interleaving of its threads and with every value that a weak memory order lets them see, as far as the
//! model checker's bound on preemptions goes.
//!
//! `sync` is the kernel's in the module, and the model checker's here.

#[rustfmt::skip]
#[path = "../../../../kmod/divide.rs"]
mod divide;
#[rustfmt::skip]
#[path = "../../../../kmod/inflight.rs"]
mod inflight;
#[rustfmt::skip]
#[path = "../../../../kmod/job.rs"]
mod job;
#[rustfmt::skip]
#[path = "../../../../kmod/abstractions/landing.rs"]
mod landing;
#[allow(dead_code, reason = "a model needs less")]
#[rustfmt::skip]
#[path = "../../../../kmod/position.rs"]
mod position;
mod ring;
#[allow(dead_code, reason = "a model needs less")]
#[rustfmt::skip]
#[path = "../../../../kmod/scale.rs"]
mod scale;
mod snapshot;
mod sync;
mod transfer;
#[rustfmt::skip]
#[path = "../../../../kmod/trigger.rs"]
mod trigger;

/// Runs `model` in every interleaving with at most `preemptions` of them where no thread has to wait.
fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(model);
}
