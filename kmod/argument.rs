// SPDX-License-Identifier: GPL-2.0

//! The argument of an ioctl, whose structure may be older or newer than the module's: see the growth
//! rules of [`crate::abi`].
//!
//! No lock is taken here. Everything sleeps, as access to a process's memory does.

use kernel::{
    ioctl::{
        _IOC_SIZE,
        _IOR, //
    },
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// Bytes that are looked at, or cleared, at a time behind the structure that the module knows.
const PIECE: usize = 64;

/// A size of 1 in a command number.
const ONE: u32 = _IOR::<u8>(0, 0) ^ _IOR::<()>(0, 0);

/// A command number without the size that is in it.
pub(crate) const fn unsized_command(command: u32) -> u32 {
    command ^ (_IOC_SIZE(command) as u32 * ONE)
}

/// Where an argument is, and how large the caller says that it is.
#[derive(Clone, Copy)]
pub(crate) struct Argument {
    address: usize,
    size: usize,
}

impl Argument {
    /// The argument of `command` at `address`. `EINVAL` when it is smaller than `least`, the size of the
    /// structure in the first release.
    pub(crate) fn new(command: u32, address: usize, least: u32) -> Result<Self> {
        let size = _IOC_SIZE(command);
        if size < least as usize {
            return Err(EINVAL);
        }
        Ok(Self { address, size })
    }

    fn slice(&self, from: usize, length: usize) -> UserSlice {
        let start = UserPtr::from_addr(self.address).wrapping_byte_add(from);
        UserSlice::new(start, length)
    }

    /// Reads it: what an older structure does not have is zero. `E2BIG` when a newer one has something in
    /// what the module does not know; `EFAULT`.
    pub(crate) fn read<T: Default + AsBytes + FromBytes>(&self) -> Result<T> {
        let mut value = T::default();
        let known = self.size.min(size_of::<T>());
        let bytes = value.as_bytes_mut().get_mut(..known).ok_or(EINVAL)?;
        self.slice(0, known).reader().read_slice(bytes)?;
        let mut rest = self.slice(known, self.size - known).reader();
        let mut piece = [0u8; PIECE];
        while !rest.is_empty() {
            let length = rest.len().min(PIECE);
            let piece = piece.get_mut(..length).ok_or(EINVAL)?;
            rest.read_slice(piece)?;
            if piece.iter().any(|byte| *byte != 0) {
                return Err(E2BIG);
            }
        }
        Ok(value)
    }

    /// Writes an answer: as much of it as there is room for, and zeroes behind it. `EFAULT`, and a part may
    /// have been written.
    pub(crate) fn write<T: AsBytes>(&self, value: &T) -> Result {
        let known = self.size.min(size_of::<T>());
        let bytes = value.as_bytes().get(..known).ok_or(EINVAL)?;
        self.slice(0, known).writer().write_slice(bytes)?;
        let mut rest = self.slice(known, self.size - known).writer();
        while !rest.is_empty() {
            let length = rest.len().min(PIECE);
            rest.write_slice([0u8; PIECE].get(..length).ok_or(EINVAL)?)?;
        }
        Ok(())
    }
}

/// An errno as user space knows them: those that the kernel keeps to itself (from 512 on) do not leave
/// it. What wants a call to be made again after a signal is `EINTR`, as for a process with a handler; the
/// rest says nothing that an I/O error does not say.
pub(crate) fn for_user(error: Error) -> Error {
    const ERESTARTSYS: i32 = 512;
    const ERESTARTNOHAND: i32 = 514;
    const ERESTART_RESTARTBLOCK: i32 = 516;
    match -error.to_errno() {
        ..ERESTARTSYS => error,
        ERESTARTSYS..=ERESTARTNOHAND | ERESTART_RESTARTBLOCK => EINTR,
        _ => EIO,
    }
}

#[kunit_tests(resmem_argument)]
mod tests {
    use super::*;
    use crate::abi;

    #[test]
    fn the_size_is_no_part_of_a_command() {
        const SHORT: u32 = _IOR::<u8>(0x52, 7);
        const LONG: u32 = _IOR::<abi::Transfer>(0x52, 7);
        const OTHER: u32 = _IOR::<u8>(0x52, 8);
        assert_eq!(unsized_command(SHORT), unsized_command(LONG));
        assert!(unsized_command(SHORT) != unsized_command(OTHER));
    }

    #[test]
    fn what_the_kernel_keeps_to_itself_does_not_leave_it() {
        let seen = |errno: i32| for_user(Error::from_errno(-errno)).to_errno();
        assert_eq!(seen(512), EINTR.to_errno());
        assert_eq!(seen(514), EINTR.to_errno());
        assert_eq!(seen(516), EINTR.to_errno());
        assert_eq!(seen(517), EIO.to_errno());
        assert_eq!(seen(529), EIO.to_errno());
        assert_eq!(seen(28), ENOSPC.to_errno());
    }
}
