// SPDX-License-Identifier: MIT
//! Open nodes: those of one thread, whose state is known, and a few that all threads of a process use at once.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use super::arena::SNAPSHOTS;
use super::setting::Setting;
use super::sys;

/// Nodes of a thread.
pub const OWN: usize = 5;
/// Nodes that all threads of a process use.
pub const COMMON: usize = 3;
/// Their numbers: where `open()` never gets, so that a number is one of these or none.
const FIRST_COMMON: RawFd = 900;

/// Children that have copies of our descriptors: while there are any, a close does not end a file.
pub static CHILDREN: AtomicU32 = AtomicU32::new(0);

/// A snapshot that was started.
#[derive(Clone, Copy)]
pub struct Pending {
    /// Where the buffer begins.
    pub address: usize,
    pub length: usize,
    pub offset: u64,
}

/// What is known of an open file.
pub struct OpenFile {
    /// Index of its region.
    pub region: usize,
    pub readable: bool,
    pub writable: bool,
    /// Part of the arena for its snapshots.
    pub part: usize,
    /// The snapshot, if it went to that part.
    pub pending: Cell<Option<Pending>>,
    /// One was started, wherever to.
    pub started: Cell<bool>,
}

/// A node that an argument stands for.
#[derive(Clone)]
pub struct Node {
    /// -1 where there is none.
    pub fd: RawFd,
    /// Index of its region, or of the one that sizes are drawn about.
    pub region: usize,
    /// Known only of a thread's own.
    pub own: Option<Rc<OpenFile>>,
    /// Whether other threads use the same number.
    pub common: bool,
}

/// The nodes of one thread.
pub struct Nodes {
    slots: [Option<(RawFd, Rc<OpenFile>)>; OWN],
    /// Parts of the arena that a snapshot may still go to because a child or the ring keeps its file open.
    doubtful: [bool; SNAPSHOTS - 1],
    /// The thread's ring has buffers, which keep their files open.
    pub kept: bool,
    regions: usize,
}

impl Nodes {
    /// None open.
    pub fn new(regions: usize) -> Self {
        Self {
            slots: Default::default(),
            doubtful: Default::default(),
            kept: false,
            regions,
        }
    }

    /// The node that an argument stands for.
    pub fn get(&self, argument: u64) -> Node {
        let index = argument as usize % 16;
        let none = Node {
            fd: -1,
            region: index % self.regions,
            own: None,
            common: false,
        };
        match index {
            0..12 => match &self.slots[index % OWN] {
                Some((fd, file)) => Node {
                    fd: *fd,
                    region: file.region,
                    own: Some(Rc::clone(file)),
                    common: false,
                },
                None => none,
            },
            12..15 => {
                let index = index - 12;
                Node {
                    fd: common(index),
                    region: index % self.regions,
                    own: None,
                    common: true,
                }
            }
            _ => none,
        }
    }

    /// A slot in which nothing is open.
    pub fn empty(&self) -> Option<usize> {
        self.slots.iter().position(Option::is_none)
    }

    /// The slot that an argument stands for, if it is one of the thread's own.
    pub fn slot(argument: u64) -> Option<usize> {
        let index = argument as usize % 16;
        (index < 12).then_some(index % OWN)
    }

    /// The common node that an argument stands for.
    pub fn common_slot(argument: u64) -> Option<usize> {
        let index = argument as usize % 16;
        (12..15).contains(&index).then(|| index - 12)
    }

    /// Puts an open file into a slot, closing what was there.
    pub fn put(&mut self, slot: usize, fd: RawFd, region: usize, flags: i32) {
        let _ = self.close(slot);
        let access = flags & libc::O_ACCMODE;
        let usable = flags & libc::O_PATH == 0;
        let used = |part: &usize| self.files().any(|file| file.part == *part);
        // More parts than slots.
        let part = (0..SNAPSHOTS - 1)
            .find(|part| !used(part))
            .expect("a part that is free");
        let file = OpenFile {
            region,
            readable: usable && (access == libc::O_RDONLY || access == libc::O_RDWR),
            writable: usable && (access == libc::O_WRONLY || access == libc::O_RDWR),
            part,
            pending: Cell::default(),
            started: Cell::default(),
        };
        self.slots[slot] = Some((fd, Rc::new(file)));
    }

    /// Puts another descriptor of an open file into a slot.
    pub fn put_again(&mut self, slot: usize, fd: RawFd, file: Rc<OpenFile>) {
        let _ = self.close(slot);
        self.slots[slot] = Some((fd, file));
    }

    fn files(&self) -> impl Iterator<Item = &Rc<OpenFile>> {
        self.slots.iter().flatten().map(|(_, file)| file)
    }

    /// Closes a slot.
    pub fn close(&mut self, slot: usize) -> sys::Called {
        let Some((fd, file)) = self.slots[slot].take() else {
            return Err(libc::EBADF);
        };
        let before = CHILDREN.load(SeqCst);
        let closed = sys::close(fd);
        if !self.files().any(|other| Rc::ptr_eq(other, &file)) {
            let elsewhere = self.kept || before != 0 || CHILDREN.load(SeqCst) != 0;
            self.doubtful[file.part] |= file.started.get() && elsewhere;
        }
        closed
    }

    /// Whether nothing of old can write to a part of the arena any more.
    pub fn is_quiet(&mut self, part: usize) -> bool {
        if !self.kept && CHILDREN.load(SeqCst) == 0 {
            // A child that has been waited for has closed its files, and that waits for their snapshots.
            self.doubtful[part] = false;
        }
        !self.doubtful[part]
    }

    /// Closes everything.
    pub fn close_all(&mut self) {
        for slot in 0..OWN {
            let _ = self.close(slot);
        }
    }
}

/// The number of a common node.
pub fn common(index: usize) -> RawFd {
    FIRST_COMMON + index as RawFd
}

/// Opens common node `index`, whose region never changes, in place of what is there.
pub fn open_common(setting: &Setting, index: usize, flags: i32) -> sys::Called {
    let region = &setting.regions[index % setting.regions.len()];
    let fd = sys::open(&region.path, flags)?;
    // SAFETY: Descriptors are numbers here.
    let moved =
        sys::again(|| sys::called(unsafe { libc::dup3(fd, common(index), libc::O_CLOEXEC) }));
    let _ = sys::close(fd);
    moved
}
