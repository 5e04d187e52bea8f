// SPDX-License-Identifier: MIT
//! The kinds of operations: what there is, how often it is drawn, what its arguments are, what makes it.

use std::fmt;

use super::calls::{export, file, memory, misc, process, region, snapshot, transfer, uring};
use super::op::{Args, COUNT, Op, Ran};
use super::thread::Thread;
use super::value::Class::{self, *};

/// A kind of operation.
pub struct Kind {
    /// As it is called in reports.
    pub name: &'static str,
    /// How often it is drawn, relative to the others.
    pub weight: u32,
    /// What the arguments mean.
    pub args: &'static [Class],
    /// Makes the operation.
    pub run: fn(&mut Thread<'_>, &Args) -> Ran,
}

const fn kind(
    name: &'static str,
    weight: u32,
    args: &'static [Class],
    run: fn(&mut Thread<'_>, &Args) -> Ran,
) -> Kind {
    Kind {
        name,
        weight,
        args,
        run,
    }
}

/// Everything that the fuzzer does.
pub const KINDS: [Kind; COUNT] = [
    kind("open", 50, &[Node, Below(16), OpenFlags], file::open),
    kind("close", 25, &[Node], file::close),
    kind("dup", 15, &[Node, Node], file::dup),
    kind("fcntl", 30, &[Node, Pick(&file::FCNTL), Any], file::fcntl),
    kind(
        "lseek",
        60,
        &[Node, Offset, Pick(&[0, 1, 2, 3, 4, 9])],
        file::lseek,
    ),
    kind("read", 70, &[Node, Data, Length], file::read),
    kind("pread", 70, &[Node, Data, Length, Offset], file::pread),
    kind(
        "readv",
        40,
        &[
            Node,
            Data,
            Length,
            Data,
            Length,
            Offset,
            Pick(&[0, 0, 1, 2, 4, 8, 16, 32, 64]),
        ],
        file::readv,
    ),
    kind(
        "write",
        20,
        &[Node, Data, Length, Offset, Below(3)],
        file::write,
    ),
    kind(
        "splice",
        20,
        &[Node, Length, Offset, Below(16)],
        file::splice,
    ),
    kind("poll", 30, &[Node, Any, Below(3)], file::poll),
    kind("epoll", 20, &[Node, Below(4), Any], file::epoll),
    kind("misc", 20, &[Node, Below(10), Offset, Length], misc::misc),
    kind("aio", 6, &[Node, Below(4), Data, Length, Offset], misc::aio),
    kind("pass", 4, &[Node, Below(2)], misc::pass),
    kind("info", 60, &[Node, Argument], region::info),
    kind(
        "sync",
        60,
        &[
            Node,
            Offset,
            Length,
            Pick(&[0, 0, 1, 1, 2, 0xffff_ffff]),
            Zero,
            Zero,
            Argument,
        ],
        region::sync,
    ),
    kind("ring", 20, &[Node, Below(3), Argument], region::ring),
    kind(
        "export",
        40,
        &[
            Node,
            Offset,
            Length,
            Pick(&export::FLAGS),
            Zero,
            Argument,
            Any,
            Any,
        ],
        export::export,
    ),
    kind("mangled", 90, &[Node, Command, Data], region::mangled),
    kind("dump", 90, &transfer::ARGS, transfer::dump),
    kind("load", 60, &transfer::ARGS, transfer::load),
    kind(
        "retarget",
        12,
        &[Target, Pick(&transfer::FLAGS)],
        transfer::retarget,
    ),
    kind("truncate", 3, &[Target, FileOffset], transfer::truncate),
    kind(
        "snapshot",
        25,
        &[Node, Place, Length, Offset, Below(6), Zero, Zero, Argument],
        snapshot::start,
    ),
    kind("status", 60, &[Node, Argument], snapshot::status),
    kind(
        "register",
        40,
        &[Node, Offset, Length, Below(5), Below(16)],
        uring::register,
    ),
    kind(
        "fixed",
        50,
        &[Below(4), Offset, Length, Target, FileOffset, Below(16)],
        uring::fixed,
    ),
    kind("unregister", 5, &[Below(4)], uring::unregister),
    kind(
        "mmap",
        40,
        &[
            Node,
            Map,
            Length,
            Pick(&memory::PROTECTIONS),
            Pick(&memory::MAPS),
            Offset,
        ],
        memory::map,
    ),
    kind("munmap", 20, &[Map, Offset, Length], memory::unmap),
    kind(
        "mremap",
        15,
        &[Map, Length, Pick(&[0, 1, 1, 3, 5, 7])],
        memory::remap,
    ),
    kind(
        "mprotect",
        25,
        &[Map, Offset, Length, Pick(&memory::PROTECTIONS)],
        memory::protect,
    ),
    kind(
        "madvise",
        25,
        &[Map, Offset, Length, Pick(&memory::ADVICE)],
        memory::advise,
    ),
    kind("look", 40, &[Map, Offset, Small, Below(4)], memory::look),
    kind("store", 20, &[Map, Offset, Small], memory::store),
    kind(
        "direct",
        4,
        &[Map, Offset, Below(5), Below(2)],
        memory::direct,
    ),
    kind("signal", 8, &[Below(16)], process::signal),
    kind("trace", 3, &[Below(16)], process::trace),
    kind("child", 1, &[Node, Below(6), Map, Target], process::child),
];

impl Op {
    /// The kind itself.
    pub fn kind(&self) -> &'static Kind {
        &KINDS[self.kind as usize % KINDS.len()]
    }
}

impl fmt::Display for Op {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.kind().name)?;
        for arg in &self.args[..self.kind().args.len()] {
            write!(out, " {arg:#x}")?;
        }
        Ok(())
    }
}
