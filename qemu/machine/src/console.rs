// SPDX-License-Identifier: MIT
//! The guest's serial console: what it prints goes to a log, and can be waited for.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

#[derive(Default)]
struct Received {
    bytes: Vec<u8>,
    closed: bool,
}

/// The two ends of a serial line.
pub struct Console {
    input: File,
    received: Arc<(Mutex<Received>, Condvar)>,
    collector: Option<JoinHandle<()>>,
    read: usize,
    log: PathBuf,
}

impl Console {
    /// Starts to log and to collect what comes from `output`; what is typed goes to `input`.
    pub fn new(input: impl Into<OwnedFd>, output: impl Into<OwnedFd>, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let received = Arc::new((Mutex::new(Received::default()), Condvar::new()));
        let collector = Some(collect(output.into().into(), file, &received));
        Ok(Self {
            input: input.into().into(),
            received,
            collector,
            read: 0,
            log: log.to_path_buf(),
        })
    }

    /// Continues with two other ends, after the old ones were closed by the other side: those of a machine that was
    /// started again. What has come so far stays.
    pub fn reopen(&mut self, input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> Result<()> {
        if let Some(collector) = self.collector.take() {
            collector.join().ok().context("the console's collector")?;
        }
        self.read = self.position();
        self.lock().closed = false;
        let file = File::options()
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        self.input = input.into().into();
        self.collector = Some(collect(output.into().into(), file, &self.received));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Received> {
        let (lock, _) = &*self.received;
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Types a line.
    pub fn send_line(&mut self, line: &str) -> Result<()> {
        self.send(format!("{line}\n").as_bytes())
    }

    /// Types some bytes, such as a control character.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.input
            .write_all(bytes)
            .and_then(|()| self.input.flush())
            .context("the serial line is closed")
    }

    /// Waits until `text` has come since the last call, and returns everything before it, line ends
    /// as LF.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        let (lock, arrived) = &*self.received;
        let mut received = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut searched = self.read;
        loop {
            let from = searched.max(self.read);
            if let Some(at) = find(&received.bytes[from..], text.as_bytes()) {
                let before = &received.bytes[self.read..from + at];
                let before = String::from_utf8_lossy(before).replace('\r', "");
                self.read = from + at + text.len();
                return Ok(before);
            }
            searched = received.bytes.len().saturating_sub(text.len());
            let left = deadline.saturating_duration_since(Instant::now());
            if received.closed || left.is_zero() {
                let why = if received.closed {
                    "the guest ended".to_owned()
                } else {
                    format!("nothing of the kind within {limit:?}")
                };
                let tail = tail(&received.bytes, 40);
                bail!(
                    "waiting for {text:?} on the console: {why}\n--- end of {}\n{tail}",
                    self.log.display()
                );
            }
            received = arrived
                .wait_timeout(received, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// What has come since the last wait, once that is something; nothing when `limit` has passed. An error where
    /// nothing can come any more.
    pub fn next(&mut self, limit: Duration) -> Result<Vec<u8>> {
        let came = self.after(self.read, limit);
        if came.is_empty() && self.lock().closed {
            bail!(
                "the serial line is closed; its log is {}",
                self.log.display()
            );
        }
        self.read += came.len();
        Ok(came)
    }

    /// The keyboard's end of the line, for another thread to type on.
    pub fn keyboard(&self) -> Result<File> {
        Ok(self.input.try_clone()?)
    }

    /// How many bytes have come so far.
    pub fn position(&self) -> usize {
        self.lock().bytes.len()
    }

    /// What has come after the first `position` bytes, as it came, once that is something; nothing
    /// when `limit` has passed. [`Self::wait_for`] finds it all the same.
    pub fn after(&self, position: usize, limit: Duration) -> Vec<u8> {
        let (lock, arrived) = &*self.received;
        let received = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let (received, _) = arrived
            .wait_timeout_while(received, limit, |received| {
                received.bytes.len() <= position && !received.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        received.bytes.get(position..).unwrap_or_default().to_vec()
    }

    /// Everything that has come so far.
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).replace('\r', "")
    }

    /// Where the log is.
    pub fn log(&self) -> &Path {
        &self.log
    }
}

/// A thread that keeps what comes, and ends with the line.
fn collect(
    mut output: File,
    mut log: File,
    received: &Arc<(Mutex<Received>, Condvar)>,
) -> JoinHandle<()> {
    let shared = Arc::clone(received);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let count = output.read(&mut buffer).unwrap_or(0);
            let (lock, arrived) = &*shared;
            let mut received = lock.lock().unwrap_or_else(PoisonError::into_inner);
            if count == 0 {
                received.closed = true;
                arrived.notify_all();
                return;
            }
            received.bytes.extend_from_slice(&buffer[..count]);
            arrived.notify_all();
            drop(received);
            // The log is for people; a full disk must not stop the guest.
            let _ = log.write_all(&buffer[..count]);
        }
    })
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

fn tail(bytes: &[u8], lines: usize) -> String {
    let text = String::from_utf8_lossy(bytes).replace('\r', "");
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
