// SPDX-License-Identifier: MIT
//! Descriptors to dump to and to load from: good ones, and all sorts of others.

use std::os::fd::RawFd;

use super::nodes::common;
use super::setting::Setting;
use super::shared::WORKERS;
use super::sys;

/// Bytes of a disk that a thread has for itself.
const AREA: u64 = 1 << 20;
/// Those that a transfer may succeed with.
pub const GOOD: u64 = 4;

/// A descriptor.
#[derive(Clone, Copy)]
pub struct Target {
    pub fd: RawFd,
    /// Its index among the thread's.
    pub sort: u64,
    /// Where the thread's area begins, on what others write to as well.
    area: Option<u64>,
    /// The same bytes by way of the page cache, for this thread alone.
    pub look: Option<RawFd>,
}

/// The descriptors of one thread.
pub struct Targets {
    all: Vec<Target>,
    files: [RawFd; 2],
    /// For notifications.
    pub event: RawFd,
}

impl Target {
    /// Where in the file an offset is.
    pub fn position(&self, offset: u64) -> u64 {
        match self.area {
            // A region is not larger than the other half.
            Some(area) if offset < WORKERS as u64 * AREA => area + offset % (AREA / 2),
            _ => offset,
        }
    }

    /// Whether no other thread writes there.
    pub fn is_ours(&self, position: u64) -> bool {
        self.area
            .is_none_or(|area| (area..area + AREA / 2).contains(&position))
    }
}

impl Targets {
    /// Opens them for worker `number`. What a machine does not have is -1.
    pub fn new(setting: &Setting, number: usize) -> Self {
        let open = |path: &str, flags| sys::open(path, flags | libc::O_CLOEXEC).unwrap_or(-1);
        let (disk, small) = (
            setting.disk.display().to_string(),
            setting.small.display().to_string(),
        );
        let folder = setting.folder.display().to_string();
        let file = format!("{folder}/fuzz-{number}");
        let memory = format!("/tmp/fuzz-{number}");
        let node = &setting.regions[number % setting.regions.len()];
        let access = if node.writable() {
            libc::O_RDWR
        } else {
            libc::O_RDONLY
        };
        let (both, new) = (libc::O_RDWR, libc::O_RDWR | libc::O_CREAT);
        let area = Some(number as u64 * AREA);
        let direct = libc::O_DIRECT;
        let trimmed = open(&file, new);
        // SAFETY: Nothing of ours is passed.
        let event = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        // SAFETY: The name is a string.
        let memfd = unsafe { libc::memfd_create(c"target".as_ptr(), libc::MFD_CLOEXEC) };
        let [read, write] = sys::pipe().unwrap_or([-1; 2]);
        // SAFETY: Nothing of ours is passed.
        let socket =
            unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
        let with_look = [
            (open(&disk, both | direct), area, Some(open(&disk, both))),
            (open(&file, both | direct), None, Some(open(&file, both))),
            (open("/dev/loop0", both | direct), area, None),
            (open(&small, both | direct), None, None),
        ];
        let others = [
            open(&disk, both),
            open(&file, both),
            open(&file, libc::O_RDONLY | direct),
            open(&file, libc::O_WRONLY | direct),
            open(&file, libc::O_WRONLY | direct | libc::O_APPEND),
            open(&memory, new | direct),
            read,
            write,
            socket,
            open("/dev/null", both),
            open("/dev/zero", both),
            open(&node.path, access),
            common(number % 3),
            open(&folder, libc::O_RDONLY | libc::O_DIRECTORY),
            open(&file, libc::O_PATH),
            event,
            memfd,
            open("/proc/self/mem", both),
            open("/proc/version", libc::O_RDONLY),
            -1,
            1_000_000,
            i32::MIN,
            i32::MAX,
        ];
        let others = others.into_iter().map(|fd| (fd, None, None));
        let all = with_look.into_iter().chain(others).zip(0..);
        let all = all
            .map(|((fd, area, look), sort)| Target {
                fd,
                sort,
                area,
                look,
            })
            .collect();
        Self {
            all,
            files: [trimmed, sys::open(&memory, new).unwrap_or(-1)],
            event,
        }
    }

    /// The target that an argument stands for: more often a good one.
    pub fn get(&self, argument: u64) -> Target {
        let index = match argument % 128 {
            0..48 => 0,
            48..80 => 1,
            80..90 => 2,
            90..100 => 3,
            other => other as usize - 96,
        };
        self.all[index % self.all.len()]
    }

    /// Gives back what the files take.
    pub fn trim(&self) {
        for fd in self.files {
            let _ = truncate(fd, 0);
        }
    }
}

/// `ftruncate()`.
pub fn truncate(fd: RawFd, length: u64) -> sys::Called {
    // SAFETY: No memory is concerned.
    sys::again(|| sys::called(unsafe { libc::ftruncate64(fd, length as i64) }))
}
