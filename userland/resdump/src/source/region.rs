// SPDX-License-Identifier: MIT

//! A live region below `/dev/resmem`.

use std::{
    ffi::{OsStr, OsString},
    fs,
    fs::File,
    io,
    path::Path,
    sync::Arc,
};

use nix::errno::Errno;
use resmem::{Access, abi::REGION_NONCOHERENT};

use super::{Source, node_path, open_error};
use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
    span::Span,
    text,
};

/// Where the module puts its device nodes.
pub const DIRECTORY: &str = "/dev/resmem";

/// Exists while the module is loaded or built in.
const MODULE: &str = "/sys/module/resmem";

/// A reserved region of physical memory, opened through the module.
#[derive(Debug)]
pub struct Region {
    label: String,
    device: Arc<resmem::Region>,
}

impl Region {
    /// Opens a region for reading, by label or by path.
    pub fn open(name: impl AsRef<OsStr>) -> Result<Self> {
        Self::open_for(name.as_ref(), Access::Read)
    }

    /// Opens a region for writing as well. `EROFS` when the module does not allow that.
    pub fn open_writable(name: &OsStr) -> Result<Self> {
        if !Self::open(name)?.writable() {
            return Err(Error::new(
                ExitCode::Permission,
                "region is read-only",
                text::name(name),
                Errno::EROFS,
                "mark its node 'writable' in the device tree",
            ));
        }
        Self::open_for(name, Access::Write)
    }

    fn open_for(name: &OsStr, access: Access) -> Result<Self> {
        let device = resmem::Region::open_node(&node_path(name), access)
            .map_err(|error| open_error(name, &error))?;
        Ok(Self {
            label: text::name(device.label()),
            device: Arc::new(device),
        })
    }

    /// Physical address of the first byte.
    pub fn base(&self) -> u64 {
        self.device.base()
    }

    /// Revision of the ABI that the module speaks.
    pub fn abi(&self) -> u32 {
        self.device.info().abi
    }

    /// Size of a page in bytes.
    pub fn page_size(&self) -> u32 {
        self.device.page_size()
    }

    /// Whether the region may be written to.
    pub fn writable(&self) -> bool {
        self.device.is_writable()
    }

    /// Whether every page frame has a `struct page`, so that nothing need be copied.
    pub fn has_pages(&self) -> bool {
        self.device.has_pages()
    }

    /// Before `span` is read behind the module's back, by /dev/mem: where caches do not see what the
    /// device does that writes the region, the module has to hand it over. All else does so by itself,
    /// a mapping of the region when it is made.
    pub fn before_devmem(&self, span: Span) -> io::Result<()> {
        if self.device.info().flags & REGION_NONCOHERENT == 0 {
            return Ok(());
        }
        self.device.take_from_device(span.range())
    }

    /// The open device node.
    pub fn device(&self) -> &Arc<resmem::Region> {
        &self.device
    }
}

impl Source for Region {
    fn name(&self) -> &str {
        &self.label
    }

    fn size(&self) -> u64 {
        self.device.size()
    }

    fn file(&self) -> &File {
        self.device.file()
    }

    fn region(&self) -> Option<&Region> {
        Some(self)
    }
}

/// The names in `directory`, sorted; empty where there is no such directory.
pub fn labels(directory: &Path) -> Vec<OsString> {
    let mut labels: Vec<OsString> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    labels.sort();
    labels
}

/// Why there is no region called `name`.
pub(super) fn absent(name: &OsStr) -> Error {
    let labels: Vec<String> = labels(Path::new(DIRECTORY))
        .iter()
        .map(text::name)
        .collect();
    explain_absence(&text::name(name), &labels, Path::new(MODULE).exists())
}

fn explain_absence(name: &str, labels: &[String], module_loaded: bool) -> Error {
    let (what, errno, advice) = match (labels, module_loaded) {
        ([], false) => (
            "module resmem is not loaded",
            Errno::ENOENT,
            "modprobe resmem".into(),
        ),
        ([], true) => (
            "no region",
            Errno::ENODEV,
            "the device tree must name one in a 'resmem' node: 'resdump doctor' looks for it"
                .into(),
        ),
        (labels, _) => (
            "no such region",
            Errno::ENOENT,
            format!("there is: {}", labels.join(", ")),
        ),
    };
    Error::new(ExitCode::NoRegion, what, name, errno, advice)
}

/// What `list` says when it found nothing.
pub fn none_found() -> Error {
    absent(DIRECTORY.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_is_explained() {
        let some = ["adc".to_string(), "capture".to_string()];
        for (labels, loaded, text) in [
            (
                &[][..],
                false,
                "module resmem is not loaded: x: ENOENT (2): modprobe resmem",
            ),
            (
                &some[..],
                true,
                "no such region: x: ENOENT (2): there is: adc, capture",
            ),
        ] {
            let error = explain_absence("x", labels, loaded);
            assert_eq!(error.to_string(), text);
            assert_eq!(error.code, ExitCode::NoRegion);
        }
        assert_eq!(explain_absence("x", &[], true).errno, Errno::ENODEV);
    }

    #[test]
    fn labels_are_sorted_and_a_missing_directory_has_none() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("b"), "").unwrap();
        fs::write(directory.path().join("a"), "").unwrap();
        assert_eq!(labels(directory.path()), ["a", "b"]);
        assert!(labels(&directory.path().join("none")).is_empty());
    }
}
