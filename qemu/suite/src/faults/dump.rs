// SPDX-License-Identifier: MIT
//! The dump that things happen to: how it is begun, brought to a halt, and looked at afterwards.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use board::Need;
use host::deadline::seconds;
use machine::guest::Output;
use serde_json::Value;

use crate::frame::{Bed, Case, Running, same};

/// For a dump that is to promise nothing, however long a busy host takes: a checkpoint would.
pub const NO_CHECKPOINT: &str = "--checkpoint 3600";
pub use crate::frame::regions::FAULTS as SIZE;
/// Bytes of a request.
pub const CHUNK: u64 = 256 << 10;

/// All engines. That of `/dev/mem` writes through the page cache, so it learns of a fault later.
pub const ENGINES: [&str; 4] = ["kernel", "mmap", "read", "devmem"];

/// Bytes per second at which a dump runs until it is in the middle.
const SLOW: u64 = 1 << 20;
/// What the disk has taken then, at least.
const MIDDLE: u64 = 1 << 20;
/// Bytes per second of a disk that stands still.
pub const STALLED: u64 = 1;

/// Where a dump goes to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A disk without a file system.
    Disk,
    /// A file on ext4.
    File,
}

impl Target {
    /// As part of a test's name.
    pub fn name(self) -> &'static str {
        match self {
            Target::Disk => "a_raw_disk",
            Target::File => "an_ext4_file",
        }
    }

    /// Its path in the guest.
    pub fn path(self) -> &'static str {
        match self {
            Target::Disk => "/dev/vda",
            Target::File => "/mnt/dump",
        }
    }

    /// Number of the disk that it is on, among the machine's.
    pub fn disk(self) -> usize {
        match self {
            Target::Disk => 0,
            Target::File => 1,
        }
    }
}

/// One engine, one target.
#[derive(Clone, Copy)]
pub struct Dump {
    pub engine: &'static str,
    pub target: Target,
}

impl Dump {
    /// The command. The manifest is in memory, so that a disk that stands still does not delay it.
    pub fn command(self, more: &str) -> String {
        format!(
            "resdump dump capture {} --engine {} --chunk {CHUNK} --depth 2 --quiet \
             --manifest /tmp/dump.json {more}",
            self.target.path(),
            self.engine
        )
    }

    /// Runs it to its end. What the kernel says meanwhile on the console does not get into what it prints.
    pub fn run(self, bed: &mut Running, more: &str) -> Result<Output> {
        let command = self.command(more);
        bed.run(&format!(
            "{command} > /tmp/said 2>&1; status=$?; cat /tmp/said; (exit $status)"
        ))
    }

    /// Whether it writes through the page cache.
    pub fn is_buffered(self) -> bool {
        self.engine == "devmem"
    }

    /// Runs `work` with nothing left of an earlier dump.
    pub fn afresh<T>(
        self,
        bed: &mut Running,
        work: impl FnOnce(&mut Running) -> Result<T>,
    ) -> Result<T> {
        self.mounted(bed, |bed| {
            bed.check("rm -f /tmp/dump.json /mnt/dump")?;
            work(bed)
        })
    }

    /// Runs `work` with the file system of the target mounted, if it is a file.
    pub fn mounted<T>(
        self,
        bed: &mut Running,
        work: impl FnOnce(&mut Running) -> Result<T>,
    ) -> Result<T> {
        match self.target {
            Target::Disk => work(bed),
            Target::File => bed.mounted(work),
        }
    }

    /// Begins it, and returns when it is in the middle and its disk stands still.
    pub fn begin(self, bed: &mut Running, more: &str) -> Result<()> {
        self.start(bed, &self.command(&format!("--force {more}")))
    }

    /// The same with another command that writes to the same disk.
    pub fn start(self, bed: &mut Running, command: &str) -> Result<()> {
        if self.is_buffered() {
            // Else all of it would be in the page cache before the disk has seen anything.
            bed.check(
                "echo 262144 > /proc/sys/vm/dirty_background_bytes; \
                 echo 1048576 > /proc/sys/vm/dirty_bytes",
            )?;
        }
        let disk = self.target.disk();
        let monitor = bed.guest.monitor()?;
        let before = monitor.written(disk)?;
        monitor.throttle(disk, SLOW)?;
        // The shell forgets the status of a job that ends before it is asked for.
        bed.check(&format!(
            "rm -f /tmp/dumper /tmp/status; ({command} > /tmp/said 2>&1 & echo $! > /tmp/dumper; \
             wait $!; echo $? > /tmp/status) & job=$!; \
             until dump=$(cat /tmp/dumper) && test \"$dump\"; do :; done 2> /dev/null"
        ))?;
        let monitor = bed.guest.monitor()?;
        let deadline = Instant::now() + seconds(120);
        while monitor.written(disk)? < before + MIDDLE {
            ensure!(
                Instant::now() < deadline,
                "the dump has written less than {MIDDLE} bytes in two minutes"
            );
            thread::sleep(Duration::from_millis(20));
        }
        monitor.throttle(disk, STALLED)
    }

    /// Lets the disk run slowly: the dump is not at its end for many seconds.
    pub fn go_slowly(self, bed: &mut Running) -> Result<()> {
        bed.guest.monitor()?.throttle(self.target.disk(), SLOW / 2)
    }

    /// Lets the disk run again.
    pub fn release(self, bed: &mut Running) -> Result<()> {
        bed.guest.monitor()?.throttle(self.target.disk(), 0)
    }

    /// Waits for the end, the disk running again.
    pub fn end(self, bed: &mut Running) -> Result<Output> {
        self.release(bed)?;
        bed.run("wait $job; cat /tmp/said; (exit $(cat /tmp/status))")
    }

    /// What the manifest says.
    pub fn manifest(self, bed: &mut Running) -> Result<Value> {
        Ok(serde_json::from_str(&bed.check("cat /tmp/dump.json")?)?)
    }

    /// Waits for the end, which must be a good one.
    pub fn ends_well(self, bed: &mut Running) -> Result<()> {
        let output = self.end(bed)?;
        ensure!(output.status == 0, "{output:?}");
        Ok(())
    }

    /// Checks that neither the dump, which has failed with status 8, nor its manifest promises a byte.
    pub fn promises_nothing(self, bed: &mut Running, output: &Output) -> Result<()> {
        ensure!(
            output.status == 8 && !output.text.contains("are on the target"),
            "{output:?}"
        );
        self.nothing_is_trusted(bed)
    }

    /// Checks that the manifest promises nothing.
    pub fn nothing_is_trusted(self, bed: &mut Running) -> Result<()> {
        let manifest = self.manifest(bed)?;
        ensure!(
            manifest["complete"] == false && manifest["bytes"] == 0,
            "{manifest}"
        );
        Ok(())
    }

    /// The fault is over: the dump is resumed, and complete then.
    pub fn resumes(self, bed: &mut Running) -> Result<()> {
        bed.check(&self.command("--resume"))?;
        self.is_complete(bed)
    }

    /// Checks that the manifest promises the whole region.
    pub fn is_complete(self, bed: &mut Running) -> Result<()> {
        let manifest = self.manifest(bed)?;
        ensure!(
            manifest["complete"] == true && manifest["bytes"] == SIZE,
            "{manifest}"
        );
        Ok(())
    }

    /// Checks that the first `bytes` of the region are on the target, which is not mounted; of
    /// a file they are all of it.
    pub fn holds(self, bed: &Running, bytes: u64) -> Result<()> {
        let expected = &bed.expected("capture")?[..bytes as usize];
        match self.target {
            Target::Disk => same(&bed.disks()?.raw.read(0, bytes)?, expected),
            Target::File => same(&bed.disks()?.ext4.read_ext4("dump")?, expected),
        }
    }
}

/// Checks how a dump has ended: its exit status, and the start of its message after the target.
pub fn ended(dump: Dump, output: &Output, status: i32, says: &str) -> Result<()> {
    let path = dump.target.path();
    ensure!(
        output.status == status && output.text.contains(&says.replace("TARGET", path)),
        "ended with {}, expected {status} and {says:?}:\n{}",
        output.status,
        output.text
    );
    Ok(())
}

/// A test of each engine with each of `targets`; see `each!`.
pub fn each(
    module: &str,
    fault: &str,
    targets: &[Target],
    run: fn(&mut Running, Dump) -> Result<()>,
) -> Vec<Case> {
    let dumps = ENGINES.iter().flat_map(|engine| {
        targets.iter().map(|target| Dump {
            engine,
            target: *target,
        })
    });
    let case = |dump: Dump| {
        let name = format!("{fault}_{}", dump.target.name());
        let case = Case::shared(Bed::Faults, module, &name, move |bed| run(bed, dump));
        let case = case.of(dump.engine);
        match dump.engine {
            "devmem" => case.needs(Need::DevMem),
            _ => case,
        }
    };
    dumps.map(case).collect()
}
