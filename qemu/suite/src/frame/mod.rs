// SPDX-License-Identifier: MIT
//! What tests are made with: [`Case`] registers one, a [`Bed`] is a machine that several share, [`Running`] is
//! that machine while it runs.

mod bed;
mod canaries;
mod case;
mod folders;
mod junit;
mod lanes;
mod on_lab;
mod pool;
mod record;
pub mod regions;
mod run;
mod running;
mod selection;
mod start;

pub use bed::{Bed, board, image, instead};
pub use case::Case;
pub(crate) use case::case;
pub use folders::below;
pub use run::run;
pub use running::{Running, same};
pub use start::{MEDIUM, SMALL};
