// SPDX-License-Identifier: MIT

//! Room on an output.

#![forbid(unsafe_code)]

use nix::errno::Errno;

use super::{Kind, Output, lock};
use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
    size,
    span::{Plan, Span},
    sys, text,
};

/// Bytes that a manifest next to a file may take.
const MANIFEST: u64 = 64 << 10;

/// What to do about too little of it, where less may be written.
const LESS: &str = "give a larger target or a smaller --length";

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

    /// Fails where there is too little room for the first `room` bytes of `plan` in place of the bytes of a
    /// file, and for its manifest: nothing of them is lost then.
    pub fn expect_fit(&self, plan: &Plan, room: u64, sparse: bool) -> Result<()> {
        if self.kind != Kind::File || self.permit.partial {
            return Ok(());
        }
        let before = self.metadata()?.len();
        if before == 0 || room == 0 || (!sparse && self.holds(plan.seek, room)?) {
            return Ok(());
        }
        let end = plan.seek + room;
        // A limit on its length counts where it grows, not where blocks are allocated.
        let mut tried = match end > before {
            true => self.truncate(end),
            false => Ok(()),
        };
        if tried.is_ok() && !sparse {
            let reserved = sys::file::reserve(&self.file, plan.seek, room)
                .and_then(|()| sys::file::reserve(&self.file, end, MANIFEST));
            if let Err(errno @ (Errno::ENOSPC | Errno::EDQUOT)) = reserved {
                tried = Err(self.no_room(room, errno));
            }
        }
        // What is left of the attempt is given back.
        self.truncate(before)?;
        tried
    }

    /// Whether every block of `length` bytes from `offset` of a file has been written before, on a file system that
    /// overwrites it where it is.
    fn holds(&self, offset: u64, length: u64) -> Result<bool> {
        let span = Span { offset, length };
        Ok(self.metadata()?.len() >= offset + length
            && self.traits.in_place
            && sys::file::hole(&self.file, span).is_none())
    }

    /// Makes room for the first `room` bytes of `plan`. Of a regular file the bytes before `plan.seek`
    /// stay, the rest is dropped, and the blocks are allocated, because direct writes that extend a file
    /// wait for each other; none are in a `sparse` file. Blocks that are there already are kept: to free and allocate
    /// them is two more changes of the file system's own data, which the journal would have to commit. Returns for how
    /// many of them there is room, and what is in the way of the others: not all only if `partial` was permitted.
    pub fn prepare(&self, plan: &Plan, room: u64, sparse: bool) -> Result<(u64, Errno)> {
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
                return Ok((available.min(length), Errno::ENOSPC));
            }
            Kind::File if self.holds(plan.seek, length)? => {
                if self.metadata()?.len() > plan.seek + length {
                    self.truncate(plan.seek + length)?;
                }
            }
            Kind::File => {
                self.truncate(plan.seek)?;
                match sys::file::allocate(&self.file, plan.seek, length) {
                    Ok(()) => {}
                    Err(errno @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG))
                        if self.permit.partial =>
                    {
                        return Ok((self.allocate_what_fits(plan.seek, length)?, errno));
                    }
                    Err(errno @ (Errno::EOPNOTSUPP | Errno::ENOSYS)) => {
                        log::info!("{}: no preallocation: {errno}", text::name(&self.path));
                        self.truncate(plan.seek + length)?;
                    }
                    Err(errno) => {
                        self.truncate(plan.seek)?;
                        return Err(self.no_room(length, errno));
                    }
                }
            }
        }
        Ok((length, Errno::ENOSPC))
    }

    fn no_room(&self, length: u64, errno: Errno) -> Error {
        match errno {
            Errno::ENOSPC => {
                let available = sys::file::available(&self.file).unwrap_or(0);
                self.too_small(length, available, LESS)
            }
            errno => self.failed("cannot allocate", errno),
        }
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
