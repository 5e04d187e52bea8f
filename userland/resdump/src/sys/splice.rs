// SPDX-License-Identifier: MIT

//! Pages into a pipe, and from there into whatever takes them, without a copy.

use std::{fs::File, io, os::fd::AsRawFd, ptr};

use nix::errno::Errno;

use resmem::Mapping;

/// Puts the pages of `length` bytes from `from` on, in the mapped file's offsets, into `pipe`; waits
/// for room. Returns how many bytes. `EBADF` when it is not a pipe, `EINVAL` for bytes that are not
/// mapped.
pub fn into_pipe(mapping: &Mapping, from: u64, length: u32, pipe: &File) -> io::Result<usize> {
    let bytes = mapping.pointer(from, length)?;
    let piece = libc::iovec {
        iov_base: bytes.cast_mut().cast(),
        iov_len: length as usize,
    };
    // SAFETY: The bytes are mapped during the call, and the pipe holds the pages themselves
    // afterwards. Without SPLICE_F_GIFT they stay whose they are; they are only read.
    let moved = unsafe { libc::vmsplice(pipe.as_raw_fd(), &raw const piece, 1, 0) };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

/// Moves up to `length` bytes from `pipe` to `out`. Returns how many.
pub fn out_of_pipe(pipe: &File, out: &File, length: usize) -> io::Result<usize> {
    // SAFETY: Both descriptors are open; no memory is passed.
    let moved = unsafe {
        libc::splice(
            pipe.as_raw_fd(),
            ptr::null_mut(),
            out.as_raw_fd(),
            ptr::null_mut(),
            length,
            libc::SPLICE_F_MORE,
        )
    };
    match usize::try_from(moved) {
        Ok(0) => Err(Errno::EPIPE.into()),
        Ok(moved) => Ok(moved),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn mapped_bytes_go_through_a_pipe_into_another() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..10_000u32).map(|n| (n / 9) as u8).collect();
        file.write_all(&bytes).unwrap();
        let mapping = Mapping::new(&file, 0, bytes.len()).unwrap();
        let (from_first, first) = io::pipe().unwrap();
        let (mut from_second, second) = io::pipe().unwrap();
        let file = |end: std::os::fd::OwnedFd| File::from(end);
        let moved = into_pipe(&mapping, 5, 8_000, &file(first.into())).unwrap();
        assert_eq!(moved, 8_000);
        let moved = out_of_pipe(&file(from_first.into()), &file(second.into()), 8_000).unwrap();
        let mut found = vec![0; moved];
        from_second.read_exact(&mut found).unwrap();
        assert_eq!(found, bytes[5..5 + moved]);
    }

    #[test]
    fn a_file_is_not_a_pipe() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let mapping = Mapping::new(&file, 0, 4096).unwrap();
        let error = into_pipe(&mapping, 0, 4096, &file).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    }
}
