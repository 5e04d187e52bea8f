// SPDX-License-Identifier: MIT

//! The one table from errno to exit status and advice. What an errno means depends on what was being
//! done: `EINVAL` of a write is an alignment, that of a connection an address.
//!
//! Advice sends a reader to the kernel log only for what the kernel writes there.

#![forbid(unsafe_code)]

use nix::{errno::Errno, unistd::geteuid};

use crate::exit_codes::ExitCode;

/// What was being done when a system call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Opening a region's node.
    OpenRegion,
    /// Opening or inspecting a file, device or manifest that is to be read.
    OpenSource,
    /// Reading a region, a saved file or device, or a target back.
    Read,
    /// Opening, creating, inspecting, sizing or renaming a target.
    OpenTarget,
    /// Writing to a target through a buffer of this program.
    Write,
    /// Making a target durable.
    Sync,
    /// Writing, renaming or removing a manifest.
    Manifest,
    /// Printing to standard output or standard error.
    Print,
    /// Connecting to a receiver.
    Connect,
    /// Waiting for a sender.
    Listen,
    /// Sending to a receiver or down a pipe.
    Send,
    /// Taking what a sender sends.
    Receive,
    /// Opening a serial line.
    OpenLine,
    /// Sending to a serial line or receiving from it.
    Serial,
    /// Opening or mapping `/dev/mem`.
    DevMem,
    /// Preparing an engine: its buffers and mappings.
    Pin,
    /// Moving bytes between memory of a region and a target, without a buffer.
    Transfer,
    /// Moving bytes from a file or device into a region.
    Load,
    /// Copying a live region to memory.
    Snapshot,
    /// Anything else.
    Else,
}

impl Doing {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::OpenRegion,
        Self::OpenSource,
        Self::Read,
        Self::OpenTarget,
        Self::Write,
        Self::Sync,
        Self::Manifest,
        Self::Print,
        Self::Connect,
        Self::Listen,
        Self::Send,
        Self::Receive,
        Self::OpenLine,
        Self::Serial,
        Self::DevMem,
        Self::Pin,
        Self::Transfer,
        Self::Load,
        Self::Snapshot,
        Self::Else,
    ];

    /// The status for an errno that has none of its own.
    const fn status(self) -> ExitCode {
        match self {
            Self::OpenRegion => ExitCode::NoRegion,
            Self::OpenTarget | Self::Connect => ExitCode::Target,
            Self::Receive => ExitCode::Incomplete,
            Self::DevMem | Self::Pin => ExitCode::Engine,
            Self::OpenSource
            | Self::OpenLine
            | Self::Manifest
            | Self::Print
            | Self::Listen
            | Self::Else => ExitCode::Other,
            Self::Read
            | Self::Write
            | Self::Sync
            | Self::Send
            | Self::Serial
            | Self::Transfer
            | Self::Load
            | Self::Snapshot => ExitCode::Io,
        }
    }
}

/// Exit status and advice for `errno` while `doing`, for the user who runs this program.
pub fn of(errno: Errno, doing: Doing) -> (ExitCode, &'static str) {
    look_up(errno, doing, geteuid().is_root())
}

fn look_up(errno: Errno, doing: Doing, root: bool) -> (ExitCode, &'static str) {
    let (status, advice) = special(errno, doing, root)
        .or_else(|| general(errno, root))
        .unwrap_or((
            None,
            "not expected here: run it again with -vv, and see 'resdump doctor'",
        ));
    (status.unwrap_or_else(|| doing.status()), advice)
}

/// A status that differs from the usual one of what was being done, and advice.
type Row = (Option<ExitCode>, &'static str);

/// What an errno means for some of what can be done only.
fn special(errno: Errno, doing: Doing, root: bool) -> Option<Row> {
    use Doing::{
        Connect, DevMem, Listen, Load, Manifest, OpenLine, OpenRegion, OpenSource, OpenTarget, Pin,
        Print, Read, Receive, Send, Serial, Snapshot, Sync, Transfer, Write,
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

        (OpenTarget | Manifest, Errno::EPERM) if root => (
            Some(Permission),
            "it is immutable or append-only, as lsattr shows: chattr -i -a, or another target",
        ),
        (OpenTarget | Manifest, Errno::EACCES) if root => (
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
        (Transfer | Write | Load, Errno::EOPNOTSUPP) => (
            Some(Target),
            "its file system may copy (FUSE, btrfs, CIFS, 9p, tmpfs): take a file on ext4, XFS or F2FS, \
             a block device, or another engine",
        ),
        (Transfer | Load, Errno::EFAULT) => (
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
            "standard output is closed: give it a file, or /dev/null",
        ),
        (Print, Errno::EIO | Errno::ENXIO) => (None, "the terminal is gone"),
        (Read, Errno::EISDIR | Errno::EINVAL) => {
            (None, "it cannot be read: give a file or a block device")
        }
        _ => return None,
    })
}

/// What an errno means whatever was being done.
fn general(errno: Errno, root: bool) -> Option<Row> {
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
        Errno::EFAULT => usual("memory that cannot be reached: use another engine"),
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
        Errno::EADDRNOTAVAIL
        | Errno::EDESTADDRREQ
        | Errno::EAFNOSUPPORT
        | Errno::EPFNOSUPPORT
        | Errno::EPROTONOSUPPORT => usual("not an address that this machine can use: check it"),
        Errno::EPROTO | Errno::ECOMM => usual("the other end breaks the protocol: use one version"),
        Errno::EMSGSIZE => usual("too much for one message: move less at a time"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a kernel returns.
    fn all() -> impl Iterator<Item = Errno> {
        (1..=133)
            .map(Errno::from_raw)
            .filter(|&errno| errno != Errno::UnknownErrno)
    }

    fn every() -> impl Iterator<Item = (Errno, Doing, bool, ExitCode, &'static str)> {
        all().flat_map(|errno| {
            Doing::ALL.into_iter().flat_map(move |doing| {
                [true, false].map(|root| {
                    let (status, advice) = look_up(errno, doing, root);
                    (errno, doing, root, status, advice)
                })
            })
        })
    }

    #[test]
    fn every_errno_has_a_status_and_advice_in_every_context() {
        assert!(all().count() > 125);
        for (errno, doing, _, status, advice) in every() {
            assert!(
                !matches!(status, ExitCode::Ok | ExitCode::Usage | ExitCode::Mismatch),
                "{errno} {doing:?}: {status:?}"
            );
            assert!(
                (8..=150).contains(&advice.len()) && !advice.ends_with('.'),
                "{errno} {doing:?}: {advice}"
            );
        }
    }

    #[test]
    fn a_full_disk_is_no_space_whatever_was_being_done() {
        for (errno, doing, _, status, _) in every() {
            let full = matches!(errno, Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG);
            assert_eq!(full, status == ExitCode::NoSpace, "{errno} {doing:?}");
        }
    }

    #[test]
    fn a_signal_is_an_interruption_whatever_was_being_done() {
        for (errno, doing, _, status, _) in every() {
            let signal = errno == Errno::EINTR;
            assert_eq!(signal, status == ExitCode::Interrupted, "{errno} {doing:?}");
        }
    }

    #[test]
    fn the_kernel_log_is_named_only_for_what_is_in_it() {
        const LOGGED: [Errno; 6] = [
            Errno::EIO,
            Errno::EREMOTEIO,
            Errno::EILSEQ,
            Errno::ENOLINK,
            Errno::EUCLEAN,
            Errno::EBADMSG,
        ];
        for (errno, doing, _, _, advice) in every() {
            assert!(
                !advice.contains("kernel log") || LOGGED.contains(&errno),
                "{errno} {doing:?}: {advice}"
            );
        }
    }

    #[test]
    fn root_is_not_told_to_be_root() {
        for (errno, doing, root, _, advice) in every() {
            assert!(
                !root || !advice.contains("as root"),
                "{errno} {doing:?}: {advice}"
            );
        }
    }

    #[test]
    fn what_stands_in_the_way_of_a_target_has_advice_of_its_own() {
        let unknown = look_up(Errno::EL2HLT, Doing::OpenTarget, true).1;
        let advice: Vec<&str> = [
            Errno::ELOOP,
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENAMETOOLONG,
            Errno::EROFS,
            Errno::EPERM,
            Errno::EACCES,
            Errno::ENOTDIR,
            Errno::EISDIR,
            Errno::ENOENT,
            Errno::EEXIST,
            Errno::ETXTBSY,
            Errno::EFBIG,
            Errno::EDQUOT,
            Errno::ENOSPC,
            Errno::ESTALE,
            Errno::ENOMEM,
            Errno::EBUSY,
            Errno::EIO,
            Errno::ENXIO,
            Errno::ENODEV,
            Errno::ENOMEDIUM,
            Errno::EUCLEAN,
            Errno::ENOKEY,
        ]
        .into_iter()
        .map(|errno| look_up(errno, Doing::OpenTarget, true).1)
        .collect();
        for (index, one) in advice.iter().enumerate() {
            assert_ne!(*one, unknown);
            assert!(!advice[..index].contains(one), "{one}");
        }
    }

    /// Each is printed by several commands: it names no option that one of them does not have.
    #[test]
    fn advice_names_options_of_all_commands_that_give_it() {
        use clap::CommandFactory;
        let mut cli = crate::cli::Cli::command();
        cli.build();
        for (errno, doing, _, _, advice) in every() {
            let own: String = advice.split('\'').step_by(2).collect();
            let words = own.split(|it: char| !it.is_ascii_alphanumeric() && it != '-');
            for word in words.filter_map(|word| word.strip_prefix("--")) {
                let commands: &[&str] = match doing {
                    Doing::OpenTarget => {
                        &["dump", "snapshot", "convert", "receive", "bench", "doctor"]
                    }
                    Doing::Load => &["load"],
                    Doing::Snapshot => &["snapshot", "bench"],
                    _ => &[],
                };
                let has = |name: &&str| {
                    let command = cli.find_subcommand(name).unwrap();
                    let word = Some(word);
                    command.get_arguments().any(|arg| arg.get_long() == word)
                };
                let is_known = !commands.is_empty() && commands.iter().all(has);
                assert!(is_known, "{errno} {doing:?}: {advice}");
            }
        }
    }

    #[test]
    fn a_file_system_that_becomes_read_only_meanwhile_is_an_error_of_the_medium() {
        for doing in [Doing::Write, Doing::Sync, Doing::Transfer] {
            assert_eq!(look_up(Errno::EROFS, doing, true).0, ExitCode::Io);
        }
        let (status, _) = look_up(Errno::EROFS, Doing::OpenTarget, true);
        assert_eq!(status, ExitCode::Target);
    }

    #[test]
    fn file_systems_that_may_copy_are_named() {
        for doing in [Doing::Transfer, Doing::Load] {
            let (status, advice) = look_up(Errno::EOPNOTSUPP, doing, true);
            assert_eq!(status, ExitCode::Target);
            assert!(advice.contains("btrfs, CIFS, 9p"), "{advice}");
        }
    }

    #[test]
    fn an_immutable_file_is_named_to_root() {
        let (status, advice) = look_up(Errno::EPERM, Doing::OpenTarget, true);
        assert_eq!(status, ExitCode::Permission);
        assert!(advice.contains("immutable"), "{advice}");
    }
}
