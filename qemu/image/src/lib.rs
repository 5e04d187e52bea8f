// SPDX-License-Identifier: MIT
//! Builds an image: the quick one from distribution packages and this checkout, the product's by
//! Buildroot.

mod apt;
mod assets;
mod bindgen;
pub mod binding;
mod builder;
pub mod buildroot;
mod busybox;
pub mod check;
mod contents;
pub mod crate_tool;
pub mod cross;
mod disk;
pub mod inputs;
mod kconfig;
pub mod linux;
pub mod manifest;
mod module;
mod patches;
mod python;
pub mod quick;
mod rootfs;
pub mod sbom;
pub mod toolchain;
pub mod update;
pub mod version;

pub use builder::Builder;
pub use module::lint as module_lint;
pub use patches::alone::build as patches_alone;
pub use patches::lint as patches_lint;
pub use patches::series::lint as series_lint;
