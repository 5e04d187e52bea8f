// SPDX-License-Identifier: MIT

//! The process, the kernel and the module.

use std::{fs, path::Path};

use nix::{errno::Errno, sys::utsname::uname, unistd::geteuid};
use resmem::Ring;

use super::Finding;
use crate::{
    source::{self, DIRECTORY, Region},
    text,
};

/// Number of `CAP_SYS_RAWIO`, in linux/capability.h.
const CAP_SYS_RAWIO: u32 = 17;

/// All that can be said without a region and a target.
pub fn findings() -> Vec<Finding> {
    vec![
        kernel(),
        root(),
        capability(&fs::read_to_string("/proc/self/status").unwrap_or_default()),
        lockdown(fs::read_to_string("/sys/kernel/security/lockdown").ok()),
        io_uring(),
        regions(),
    ]
}

fn kernel() -> Finding {
    match uname() {
        Ok(name) => Finding::good(
            "kernel",
            format!(
                "{} on {}",
                name.release().to_string_lossy(),
                name.machine().to_string_lossy()
            ),
        ),
        Err(errno) => Finding::bad("kernel", errno, "it does not tell its name"),
    }
}

fn root() -> Finding {
    if geteuid().is_root() {
        Finding::good("root", "yes")
    } else {
        Finding::bad("root", Errno::EPERM, "the nodes are root's: run as root")
    }
}

fn capability(status: &str) -> Finding {
    const CHECK: &str = "CAP_SYS_RAWIO";
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    match effective {
        Some(set) if set & (1 << CAP_SYS_RAWIO) != 0 => Finding::good(CHECK, "yes"),
        Some(_) => Finding::bad(
            CHECK,
            Errno::EPERM,
            "the module asks for it, also from root: a container may have taken it away",
        ),
        None => Finding::bad(CHECK, Errno::ENOENT, "/proc does not tell: mount it"),
    }
}

/// `none [integrity] confidentiality`.
fn lockdown(state: Option<String>) -> Finding {
    const CHECK: &str = "lockdown";
    match state {
        None => Finding::good(CHECK, "this kernel has none"),
        Some(state) if state.contains("[none]") => Finding::good(CHECK, "off"),
        Some(state) => Finding::bad(
            CHECK,
            Errno::EPERM,
            format!(
                "{}: memory is closed to user space; boot without lockdown=",
                state.trim()
            ),
        ),
    }
}

fn io_uring() -> Finding {
    match Ring::new(1) {
        Ok(_) => Finding::good("io_uring", "the mmap engine keeps several writes in flight"),
        Err(error) => Finding::bad(
            "io_uring",
            crate::error::errno_of(&error),
            "the mmap engine does one write at a time",
        ),
    }
}

fn regions() -> Finding {
    let labels = source::labels(Path::new(DIRECTORY));
    if labels.is_empty() {
        return Finding::failed("regions", &source::none_found());
    }
    let mut abi = 0;
    for label in &labels {
        match Region::open(label) {
            Ok(region) => abi = region.abi(),
            Err(error) => return Finding::failed(format!("region {}", text::name(label)), &error),
        }
    }
    Finding::good(
        "regions",
        format!(
            "{}; ABI {abi}",
            labels.iter().map(text::name).collect::<Vec<_>>().join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_one_bit() {
        assert!(capability("Name:\tx\nCapEff:\t0000000000020000\n").ok);
        assert!(capability("CapEff:\t000001ffffffffff\n").ok);
        let without = capability("CapEff:\t000001fffffdffff\n");
        assert_eq!(without.errno.as_deref(), Some("EPERM"));
        assert!(!capability("").ok);
    }

    #[test]
    fn lockdown_is_in_brackets() {
        assert!(lockdown(None).ok);
        assert!(lockdown(Some("[none] integrity confidentiality\n".into())).ok);
        assert!(!lockdown(Some("none [integrity] confidentiality\n".into())).ok);
    }
}
