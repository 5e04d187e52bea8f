// SPDX-License-Identifier: MIT

//! Room on an output.

#![forbid(unsafe_code)]

use nix::errno::Errno;

use super::{Kind, Output, lock};
use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
    size,
    span::Plan,
    sys, text,
};

/// What to do about too little of it, where less may be written.
const LESS: &str = "give a larger target or a smaller --length, or --partial to write what fits";

impl Output {
    /// Fails unless `bytes` from its start on fit on a device.
    pub fn expect_room(&self, bytes: u64) -> Result<()> {
        if self.kind != Kind::Block {
            return Ok(());
        }
        match self.size()? {
            size if size < bytes => Err(self.too_small(bytes, size, "give a larger target")),
            _ => Ok(()),
        }
    }

    /// Takes `length` bytes from `offset` of a device, all to its end if that is 0: another run that writes
    /// there is refused, also where both were forced to open it.
    pub fn take_part(&self, offset: u64, length: u64) -> Result<()> {
        match self.kind {
            Kind::Block => lock::take_part(&self.file, &self.path, offset, length),
            Kind::File | Kind::Stream => Ok(()),
        }
    }

    /// Bytes of a block device.
    fn size(&self) -> Result<u64> {
        sys::block::size(&self.file).map_err(|errno| self.failed("cannot inspect target", errno))
    }

    /// Makes room for the first `room` bytes of `plan`. Of a regular file the bytes before `plan.seek`
    /// stay, the rest is dropped, and the blocks are allocated, because direct writes that extend a file
    /// wait for each other; none are in a `sparse` file. Returns for how many of them there is room: not all only if `partial` was permitted.
    pub fn prepare(&self, plan: &Plan, room: u64, sparse: bool) -> Result<u64> {
        self.begin();
        let length = room;
        match self.kind {
            Kind::Block if sparse => {
                return Err(Error::new(
                    ExitCode::Usage,
                    "no holes",
                    "--zero-skip",
                    Errno::EINVAL,
                    "a block device keeps what it had: leave it out",
                ));
            }
            Kind::File if sparse => {
                self.truncate(plan.seek)?;
                self.truncate(plan.seek + length)?;
            }
            Kind::File if length == 0 => self.truncate(plan.seek)?,
            Kind::Stream => {}
            Kind::Block => {
                let size = self.size()?;
                let available = size.saturating_sub(plan.seek);
                if available < length && !self.permit.partial {
                    return Err(self.too_small(length, available, LESS));
                }
                return Ok(available.min(length));
            }
            Kind::File => {
                self.truncate(plan.seek)?;
                match sys::file::allocate(&self.file, plan.seek, length) {
                    Ok(()) => {}
                    Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) if self.permit.partial => {
                        return self.allocate_what_fits(plan.seek, length);
                    }
                    Err(Errno::ENOSPC) => {
                        self.truncate(plan.seek)?;
                        let available = sys::file::available(&self.file).unwrap_or(0);
                        return Err(self.too_small(length, available, LESS));
                    }
                    Err(errno @ (Errno::EOPNOTSUPP | Errno::ENOSYS)) => {
                        log::info!("{}: no preallocation: {errno}", text::name(&self.path));
                        self.truncate(plan.seek + length)?;
                    }
                    Err(errno) => {
                        self.truncate(plan.seek)?;
                        return Err(self.failed("cannot allocate", errno));
                    }
                }
            }
        }
        Ok(length)
    }

    /// Allocates as many of `length` bytes from `seek` on as there is room for, in whole pages.
    fn allocate_what_fits(&self, seek: u64, length: u64) -> Result<u64> {
        const PAGE: u64 = 4096;
        let mut held = 0;
        let mut step = length.checked_next_power_of_two().unwrap_or(1 << 63);
        while step >= PAGE {
            // What is left of an attempt that failed is given back.
            self.truncate(seek + held)?;
            if step <= length - held && sys::file::allocate(&self.file, seek + held, step).is_ok() {
                held += step;
            }
            step /= 2;
        }
        self.truncate(seek + held)?;
        Ok(held)
    }

    fn too_small(&self, needed: u64, available: u64, advice: &str) -> Error {
        Error::new(
            ExitCode::NoSpace,
            "target too small",
            text::name(&self.path),
            Errno::ENOSPC,
            format!(
                "needs {}, has {available} bytes left: {advice}",
                size::display(needed)
            ),
        )
    }
}
