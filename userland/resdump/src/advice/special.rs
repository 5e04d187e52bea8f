// SPDX-License-Identifier: MIT

//! What an errno means for some of what can be done only.

use nix::errno::Errno;

use super::{Doing, Row};
use crate::exit_codes::ExitCode;

/// The row of an errno that has a meaning of its own for what was being done.
pub(super) fn row(errno: Errno, doing: Doing, root: bool) -> Option<Row> {
    use Doing::{
        Connect, DevMem, Listen, Load, Manifest, OpenFolder, OpenLine, OpenRegion, OpenSource,
        OpenTarget, Pin, Position, Print, Read, Receive, Send, Serial, Snapshot, Sync, Transfer,
        Write,
    };
    use ExitCode::{Engine, Io, Permission, Range, Target};
    Some(match (doing, errno) {
        (OpenRegion, Errno::EPERM | Errno::EACCES) if root => (
            Some(Permission),
            "CAP_SYS_RAWIO is needed, and a kernel without lockdown: a container may have neither",
        ),
        (OpenRegion, Errno::EPERM | Errno::EACCES) => (
            Some(Permission),
            "run as root: CAP_SYS_RAWIO is needed, and a kernel without lockdown",
        ),
        (OpenRegion, Errno::EBUSY) => (None, "another program holds it: end that first"),
        (OpenRegion, Errno::ENOTTY | Errno::EINVAL) => {
            (None, "'resdump list' shows the regions there are")
        }

        (Position, Errno::ENODATA) => (
            Some(Engine),
            "the program that drives its device has not rung the doorbell yet: start that first",
        ),
        (Position, Errno::ERANGE) => (
            None,
            "its value is no place in the ring: check resdump,position and the rest in the node",
        ),
        (Position, Errno::EIO) => (
            None,
            "it cannot be looked at, or its halves never agree: check big-endian in the node, see 'resdump doctor'",
        ),
        (Position, Errno::ENODEV) => (
            None,
            "its driver was unbound, or the module unloaded: bind it again",
        ),
        (Position, Errno::EBUSY) => (None, "too many programs wait for it: end one of them"),

        (OpenFolder, Errno::EEXIST | Errno::ENOTDIR) => (
            None,
            "a file is in the way: give a folder, or a name that nothing has",
        ),
        (OpenFolder, Errno::ENOENT) => (None, "it is gone: nothing may remove it meanwhile"),
        (OpenFolder, Errno::EBUSY) => (
            None,
            "another run records into it, or plays it: end that, or give another folder",
        ),
        (OpenFolder, Errno::EINVAL | Errno::EOPNOTSUPP) => (
            None,
            "its file system has no direct I/O: give a folder on another one",
        ),

        (OpenTarget | OpenFolder | Manifest, Errno::EPERM) if root => (
            Some(Permission),
            "it is immutable or append-only, as lsattr shows: chattr -i -a, or another target",
        ),
        (OpenTarget | OpenFolder | Manifest, Errno::EACCES) if root => (
            Some(Permission),
            "not even root may: its folder is writable by others (fs.protected_regular), or a file \
             server or security module forbids it: take another folder",
        ),
        (Write | Transfer | Sync, Errno::EPERM | Errno::EACCES) => (
            Some(Permission),
            "the target is read-only now: see 'blockdev --getro', or lsattr",
        ),
        (Manifest, Errno::ENAMETOOLONG) => (
            None,
            "the name of the manifest, with .json at its end, is too long: give a shorter name",
        ),
        (Manifest, Errno::ENOSPC) => (
            Some(ExitCode::NoSpace),
            "no room for the manifest: make room",
        ),
        (OpenTarget, Errno::EEXIST) => (
            None,
            "something of that name is there: --force overwrites a file, a link to nothing has to go",
        ),
        (OpenTarget, Errno::EINVAL) => (
            None,
            "its file system refuses this way of opening: take another target",
        ),
        (OpenTarget | OpenSource, Errno::ENXIO) => (
            None,
            "no driver or reader is behind this node: check the path",
        ),

        (Transfer | Load, Errno::EINVAL | Errno::ERANGE | Errno::EOVERFLOW) => (
            Some(Range),
            match doing {
                Load => "offset, --skip and length must be multiples of the file system's block",
                _ => "the kernel refuses this range or alignment",
            },
        ),
        (Write | Transfer, Errno::ENOSPC) => (Some(ExitCode::NoSpace), "the target is full"),
        (Write | Transfer | Load | Sync, Errno::ENODEV | Errno::ENXIO) => {
            (Some(Io), "the device is gone")
        }
        (Load, Errno::EOPNOTSUPP) => (
            Some(Target),
            "its file system may copy (FUSE, btrfs, CIFS, 9p, tmpfs): take a file on ext4, XFS or F2FS, \
             or a block device",
        ),
        (Load, Errno::EFAULT) => (Some(Engine), "the memory cannot be pinned"),
        (Transfer | Write, Errno::EOPNOTSUPP) => (
            Some(Target),
            "its file system may copy (FUSE, btrfs, CIFS, 9p, tmpfs): take a file on ext4, XFS or F2FS, \
             a block device, or another engine",
        ),
        (Transfer, Errno::EFAULT) => (
            Some(Engine),
            "the memory cannot be pinned: use the engine kernel",
        ),
        (DevMem, Errno::EFAULT) => (
            None,
            "its mappings hold bare page frames (VM_PFNMAP), which direct I/O cannot pin; those of \
             /dev/resmem can be pinned",
        ),
        (DevMem, Errno::EPERM) => (
            None,
            "this kernel keeps memory out of /dev/mem (STRICT_DEVMEM or lockdown): use the engine kernel",
        ),
        (DevMem, Errno::EACCES) if !root => {
            (Some(Permission), "run as root (CAP_SYS_RAWIO is needed)")
        }
        (DevMem, Errno::ENOENT | Errno::ENXIO | Errno::ENODEV) => (
            None,
            "this kernel has no /dev/mem (CONFIG_DEVMEM): use the engine kernel",
        ),
        (Pin, Errno::ENODEV | Errno::EACCES | Errno::EPERM) => {
            (None, "it cannot be mapped: use the engine read")
        }
        (Pin, Errno::ENOMEM | Errno::EAGAIN) => (
            None,
            "not enough memory: take a smaller chunk or depth, or raise ulimit -l",
        ),
        (Snapshot, Errno::ENOMEM) => (
            Some(Engine),
            "not enough memory to hold it: give a smaller --length, or use dump",
        ),
        (Snapshot, Errno::ENOSPC) => (
            Some(ExitCode::NoSpace),
            "not enough memory to hold it: give a smaller --length, or use dump",
        ),
        (Snapshot, Errno::ENOTTY) => (
            Some(Engine),
            "the module is older than this program: use dump",
        ),
        (Transfer | Load | Pin, Errno::ENOTTY) => {
            (Some(Engine), "the module is older than this program")
        }

        (Connect, Errno::ECONNREFUSED | Errno::EADDRNOTAVAIL | Errno::EINVAL) => (
            None,
            "start 'resdump receive' there first, and check address and port",
        ),
        (Connect, Errno::ETIMEDOUT | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => (
            None,
            "the receiver's machine does not answer: check address, cable and firewall",
        ),
        (Connect, Errno::EPERM | Errno::EACCES) => (
            Some(Permission),
            "a firewall of this machine forbids the connection: allow it there",
        ),
        (Listen, Errno::EADDRNOTAVAIL | Errno::EINVAL) => {
            (None, "give an address of this machine and a free port")
        }
        (Listen, Errno::EADDRINUSE) => (
            None,
            "another program has this port: end it, or give another port",
        ),
        (Listen, Errno::EPERM | Errno::EACCES) => (
            Some(Permission),
            "ports below 1024 are root's: give a higher one",
        ),
        (Send, Errno::EPIPE | Errno::ECONNRESET) => (None, "the other end went away"),
        (Send | Receive, Errno::ETIMEDOUT) => (
            None,
            "the other end does not answer: check cable and machine, and start both again",
        ),
        (Receive, Errno::ENODATA | Errno::EPIPE | Errno::ECONNRESET) => {
            (None, "the sender went away")
        }
        (Receive, Errno::EBADMSG | Errno::EINVAL | Errno::EPROTO) => (
            None,
            "what came is not what 'resdump dump REGION tcp:HOST:PORT' sends",
        ),
        (Serial, Errno::ETIMEDOUT) => (
            None,
            "no answer: start 'resdump receive' at the other end, and check speed and cable",
        ),
        (Serial, Errno::EIO | Errno::ENXIO | Errno::ENODEV | Errno::EPIPE | Errno::ENODATA) => {
            (None, "the line is gone")
        }
        (OpenLine, Errno::EBUSY) => (
            None,
            "another program has the line: leave the terminal program first",
        ),
        (OpenLine, Errno::EPERM | Errno::EACCES) if !root => (
            Some(Permission),
            "run as root, or be a member of the group of the device (dialout)",
        ),
        // When it was opened, it could be written to.
        (Write | Sync | Transfer, Errno::EROFS) => (
            None,
            "its file system has become read-only, as after an error of its own: check it, and mount it again",
        ),
        (Print, Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => (
            Some(ExitCode::NoSpace),
            "standard output is full; this is about what was to be printed there, no more",
        ),
        (Print, Errno::EBADF) => (
            None,
            "standard output is closed, or cannot be written to: give it a file, or /dev/null",
        ),
        (Print, Errno::EIO | Errno::ENXIO) => (None, "the terminal is gone"),
        (Read, Errno::EISDIR | Errno::EINVAL) => {
            (None, "it cannot be read: give a file or a block device")
        }
        _ => return None,
    })
}
