// SPDX-License-Identifier: MIT
//! QEMU's monitor (QMP): what happens to a machine's disks while it runs.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use host::deadline::seconds;

/// Seconds of a connection, a request and an answer.
const LIMIT: u64 = 60;

/// The end of a socket that QEMU connects to.
pub struct Monitor {
    listener: UnixListener,
    stream: Option<BufReader<UnixStream>>,
}

/// What fails on a disk, with `EIO`.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Whatever is done with the sector that this byte is in.
    Sector(u64),
    /// Everything.
    All,
}

impl Monitor {
    /// Makes the socket. [`Self::arguments`] pass it to QEMU.
    pub(crate) fn new(socket: &Path) -> Result<Self> {
        let listener = UnixListener::bind(socket)
            .with_context(|| format!("cannot make the socket {}", socket.display()))?;
        Ok(Self {
            listener,
            stream: None,
        })
    }

    /// QEMU's arguments.
    pub(crate) fn arguments(socket: &Path) -> [String; 2] {
        ["-qmp".to_owned(), format!("unix:{}", socket.display())]
    }

    /// Runs a command and returns its answer.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        if self.stream.is_none() {
            // QEMU has connected before it started the processor.
            let stream = accept(&self.listener)?;
            stream.set_read_timeout(Some(seconds(LIMIT)))?;
            stream.set_write_timeout(Some(seconds(LIMIT)))?;
            let mut stream = BufReader::new(stream);
            receive(&mut stream).context("no greeting from QEMU")?;
            exchange(&mut stream, "qmp_capabilities", json!({}))?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().context("not connected")?;
        exchange(stream, command, arguments)
    }

    /// Has QEMU write down each instruction that the processor executes, or no longer.
    pub fn trace(&mut self, on: bool) -> Result<()> {
        self.execute("stop", json!({}))?;
        // The first name is that of QEMU 8.1 and newer. Both answer with nothing, or with what is wrong.
        let word = if on { "on" } else { "off" };
        let mut answer = self.human(&format!("one-insn-per-tb {word}"))?;
        if !answer.trim().is_empty() {
            answer = self.human(&format!("singlestep {word}"))?;
        }
        let items = if on { "exec,nochain" } else { "none" };
        answer += &self.human(&format!("log {items}"))?;
        if !answer.trim().is_empty() {
            bail!("QEMU cannot trace: {answer}");
        }
        self.execute("cont", json!({})).map(drop)
    }

    /// A command of the monitor for people: its text.
    fn human(&mut self, line: &str) -> Result<String> {
        let answer = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    /// Lets a disk take no more than `rate` bytes per second, 0 for as many as it can. Requests wait
    /// in QEMU until then.
    pub fn throttle(&mut self, disk: usize, rate: u64) -> Result<()> {
        self.limit(disk, 0, rate)
    }

    /// The same for what is read from it; [`Self::throttle`] with 0 ends both.
    pub fn throttle_reads(&mut self, disk: usize, rate: u64) -> Result<()> {
        self.limit(disk, rate, 0)
    }

    fn limit(&mut self, disk: usize, reads: u64, writes: u64) -> Result<()> {
        let arguments = json!({
            "device": format!("disk{disk}"),
            "bps": 0, "bps_rd": reads, "bps_wr": writes, "iops": 0, "iops_rd": 0, "iops_wr": 0,
        });
        self.execute("block_set_io_throttle", arguments).map(drop)
    }

    /// Bytes that a disk has taken so far.
    pub fn written(&mut self, disk: usize) -> Result<u64> {
        let disks = self.execute("query-blockstats", json!({}))?;
        let name = format!("disk{disk}");
        disks
            .as_array()
            .into_iter()
            .flatten()
            .find(|one| one["device"] == name)
            .and_then(|one| one["stats"]["wr_bytes"].as_u64())
            .with_context(|| format!("no figures of {name}: {disks}"))
    }

    /// Makes a disk fail from now on, requests that wait excepted: those end well.
    pub fn inject(&mut self, disk: usize, fault: Fault) -> Result<()> {
        let rules: Vec<Value> = ["read", "write", "write-zeroes", "discard", "flush"]
            .iter()
            .map(|io| match fault {
                Fault::Sector(byte) => {
                    json!({"event": "none", "iotype": io, "errno": 5, "sector": byte / 512})
                }
                Fault::All => json!({"event": "none", "iotype": io, "errno": 5}),
            })
            .collect();
        let filter = json!({
            "driver": "blkdebug",
            "node-name": format!("fault{disk}"),
            "image": format!("node{disk}"),
            "inject-error": rules,
        });
        self.execute("blockdev-add", filter)?;
        self.take_from(disk, &format!("fault{disk}"))
    }

    /// Makes such a disk work again.
    pub fn heal(&mut self, disk: usize) -> Result<()> {
        self.take_from(disk, &format!("node{disk}"))?;
        let name = format!("fault{disk}");
        self.execute("blockdev-del", json!({ "node-name": name }))
            .map(drop)
    }

    fn take_from(&mut self, disk: usize, node: &str) -> Result<()> {
        let arguments = json!({
            "path": format!("/machine/peripheral/vd{disk}"),
            "property": "drive",
            "value": node,
        });
        self.execute("qom-set", arguments).map(drop)
    }
}

/// Waits for QEMU to connect.
fn accept(listener: &UnixListener) -> Result<UnixStream> {
    let limit = Timespec::try_from(seconds(LIMIT))?;
    let ready = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&limit))?;
    ensure!(
        ready > 0,
        "QEMU has not connected to its monitor in a minute"
    );
    Ok(listener.accept()?.0)
}

fn exchange(stream: &mut BufReader<UnixStream>, command: &str, arguments: Value) -> Result<Value> {
    let line = json!({ "execute": command, "arguments": arguments });
    stream
        .get_mut()
        .write_all(format!("{line}\n").as_bytes())
        .context("QEMU's monitor is closed")?;
    loop {
        let mut answer = receive(stream)?;
        if answer.get("event").is_some() {
            continue;
        }
        if let Some(error) = answer.get("error") {
            bail!("{line}: {error}");
        }
        return Ok(answer["return"].take());
    }
}

fn receive(stream: &mut BufReader<UnixStream>) -> Result<Value> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if line.is_empty() {
        bail!("QEMU has closed its monitor");
    }
    Ok(serde_json::from_str(&line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays QEMU: greets, and answers each line it gets from a list.
    fn monitor(answers: &'static [&'static str]) -> (tempfile::TempDir, Monitor) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("qmp");
        let monitor = Monitor::new(&socket).unwrap();
        std::thread::spawn(move || {
            let stream = UnixStream::connect(socket).unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut stream = stream;
            writeln!(stream, "{{\"QMP\": {{}}}}").unwrap();
            for answer in std::iter::once(&"{\"return\": {}}").chain(answers) {
                lines.next().unwrap().unwrap();
                writeln!(stream, "{answer}").unwrap();
            }
        });
        (folder, monitor)
    }

    #[test]
    fn events_are_not_answers() {
        let (_folder, mut monitor) =
            monitor(&["{\"event\": \"STOP\"}\n{\"return\": {\"running\": false}}"]);
        let answer = monitor.execute("query-status", json!({})).unwrap();
        assert_eq!(answer["running"], false);
    }

    #[test]
    fn an_error_names_the_command() {
        let (_folder, mut monitor) = monitor(&["{\"error\": {\"desc\": \"no such thing\"}}"]);
        let error = monitor.execute("nothing", json!({})).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("nothing") && text.contains("no such thing"),
            "{text}"
        );
    }

    #[test]
    fn a_machine_that_ends_is_an_error() {
        let (_folder, mut monitor) = monitor(&[]);
        assert!(monitor.execute("quit", json!({})).is_err());
    }
}
