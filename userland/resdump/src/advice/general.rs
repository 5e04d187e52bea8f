// SPDX-License-Identifier: MIT

//! What an errno means whatever was being done.

use nix::errno::Errno;

use super::Row;
use crate::exit_codes::ExitCode;

/// The row of an errno.
pub(super) fn row(errno: Errno, root: bool) -> Option<Row> {
    use ExitCode::{Interrupted, Io, NoSpace, Permission};
    let usual = |advice| (None, advice);
    let io = |advice| (Some(Io), advice);
    Some(match errno {
        Errno::EINTR => (Some(Interrupted), "stopped by a signal"),
        Errno::EPERM if root => (
            Some(Permission),
            "a container, a security module or lockdown forbids it, also to root",
        ),
        Errno::EACCES if root => (
            Some(Permission),
            "a file server or a security module forbids it, also to root",
        ),
        Errno::EPERM | Errno::EACCES => {
            (Some(Permission), "run as root, and check its permissions")
        }
        Errno::ENOSPC => (Some(NoSpace), "make room, or take a larger target"),
        Errno::EDQUOT => (
            Some(NoSpace),
            "the quota is used up: remove files, or take another file system",
        ),
        Errno::EFBIG => (
            Some(NoSpace),
            "larger than the file system or a limit allows (ulimit -f): raise it, or take another \
             file system",
        ),

        // Storage: the kernel writes these to its log.
        Errno::EIO => io("see the kernel log, the medium may be bad"),
        Errno::ENODATA => {
            io("less can be read than should be there: it was cut meanwhile, or the medium is bad")
        }
        Errno::EREMOTEIO => io("the device reports a fault of its own: see the kernel log"),
        Errno::EILSEQ => io("the device reports a wrong check sum: see the kernel log"),
        Errno::ENOLINK => io("the link to the device is gone: see the kernel log"),
        Errno::EUCLEAN | Errno::EBADMSG => {
            io("the file system is damaged: see the kernel log, unmount it and run fsck")
        }
        Errno::EHWPOISON => io("memory with a hardware error: leave that range out"),
        Errno::EBADE => io("the device is reserved by another machine"),

        Errno::ENOENT => usual("check the path"),
        Errno::ENOTDIR => usual("a part of the path is not a folder: check the path"),
        Errno::EISDIR => usual("it is a folder: give a file"),
        Errno::ENAMETOOLONG => usual("the name is too long: give a shorter one"),
        Errno::ELOOP => usual("links lead in a circle: 'ls -l' shows where"),
        Errno::EEXIST => usual("something of that name is there: give another name"),
        Errno::ENOTEMPTY => usual("the folder is not empty: give another name"),
        Errno::EXDEV => usual("that is another file system: give a name on the same one"),
        Errno::EMLINK => usual("it has too many links: give another name"),
        Errno::ESPIPE => usual("it is a pipe or socket: give a file or a block device"),
        Errno::ENOTBLK => usual("it is not a block device: check the path"),
        Errno::ENOTTY => usual("it is not a device of this kind: check the path"),
        Errno::EROFS => (
            Some(ExitCode::Target),
            "remount the file system for writing, or take another target",
        ),
        Errno::ETXTBSY => {
            usual("it is a running program or a swap file: end that (swapoff), or take another one")
        }
        Errno::EBUSY => usual("something else uses it: end that first"),
        Errno::ESTALE => usual("its file server has forgotten the file: mount it again"),
        Errno::EMFILE => usual("too many files are open in this process: raise ulimit -n"),
        Errno::ENFILE => usual("too many files are open in the system: raise fs.file-max"),
        Errno::ENOMEM => usual("no memory is left: end other programs, or move less at a time"),
        Errno::ENOLCK => usual("its file server has no locks: start its lock daemon"),
        Errno::EDEADLK | Errno::EAGAIN | Errno::ERESTART => {
            usual("it is busy at this moment: run it again")
        }
        Errno::ENOBUFS => usual("no room for network buffers: run it again"),
        Errno::EUSERS => usual("too many users of it: end one of them"),
        Errno::EOPNOTSUPP | Errno::ENOPROTOOPT => {
            usual("the kernel or file system cannot do this here")
        }
        Errno::ENOSYS => usual("this kernel does not have the call: use a newer one"),
        Errno::EINVAL => usual("the kernel refuses these values: check the options"),
        Errno::E2BIG | Errno::EOVERFLOW | Errno::ERANGE | Errno::EDOM => {
            usual("a number is too large for it: check offset and length")
        }
        Errno::EBADF => usual("it is closed, or open for the other direction: check redirections"),
        Errno::EFAULT => usual("memory that cannot be reached"),
        Errno::ENODEV => usual("the device is gone, or has no driver: check the path"),
        Errno::ENXIO => usual("nothing is behind this node: check the path"),
        Errno::ENOMEDIUM => usual("no medium is in the drive: insert one"),
        Errno::EMEDIUMTYPE => usual("the wrong kind of medium is in the drive: insert another"),
        Errno::ENOKEY | Errno::EKEYEXPIRED | Errno::EKEYREVOKED | Errno::EKEYREJECTED => {
            usual("it is encrypted and locked: unlock it first")
        }
        Errno::ECANCELED => usual("the kernel has cancelled it: run it again"),

        Errno::EPIPE
        | Errno::ECONNRESET
        | Errno::ECONNABORTED
        | Errno::ENOTCONN
        | Errno::ESHUTDOWN => usual("the other end went away"),
        Errno::ETIMEDOUT | Errno::ETIME => usual("no answer in time: check cable and machine"),
        Errno::ECONNREFUSED => usual("nothing listens there: check address and port"),
        Errno::EHOSTUNREACH
        | Errno::EHOSTDOWN
        | Errno::ENETUNREACH
        | Errno::ENETDOWN
        | Errno::ENETRESET
        | Errno::ENONET => usual("the network does not lead there: check it"),
        Errno::EADDRINUSE => usual("the address is in use: give another port"),
        Errno::EADDRNOTAVAIL | Errno::EDESTADDRREQ => {
            usual("not an address that this machine can use: check it")
        }
        Errno::EAFNOSUPPORT | Errno::EPFNOSUPPORT | Errno::EPROTONOSUPPORT => {
            usual("this kernel has no such network: configure it, or send by a serial line")
        }
        Errno::EPROTO | Errno::ECOMM => usual("the other end breaks the protocol: use one version"),
        Errno::EMSGSIZE => usual("too much for one message: move less at a time"),
        _ => return None,
    })
}
