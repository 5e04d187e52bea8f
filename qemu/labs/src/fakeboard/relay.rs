// SPDX-License-Identifier: MIT
//! The relay of a board that is none: gives QEMU power, takes it away, and joins its serial line to the terminal.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, mknodat};
use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use super::line::{Damage, Line, Noise};
use super::terminal::Terminal;

/// Characters that are carried at once.
const BURST: usize = 32;
/// What ends the relay.
const END: &str = "end";

/// The board's power and its line, as long as this lives.
pub(super) struct Relay {
    folder: PathBuf,
    switching: JoinHandle<()>,
    damage: Arc<Mutex<[Damage; 2]>>,
}

/// What the thread that switches has.
struct Power {
    command: Command,
    folder: PathBuf,
    machine: Option<Powered>,
    /// Where what is typed goes to.
    keyboard: Arc<Mutex<Option<File>>>,
    ours: File,
    to_host: Arc<Mutex<Line>>,
    damage: Arc<Mutex<[Damage; 2]>>,
}

/// A machine that has power.
struct Powered {
    child: Child,
    reader: JoinHandle<()>,
    /// What is still on its way is not carried any more.
    over: Arc<AtomicBool>,
}

impl Relay {
    /// In `folder`: `relay` takes words, `said` answers them, `tty` is the line.
    pub(super) fn new(command: Command, folder: &Path, baud: u32, noise: Noise) -> Result<Self> {
        for name in ["relay", "said"] {
            mknodat(
                CWD,
                folder.join(name),
                FileType::Fifo,
                Mode::RUSR | Mode::WUSR,
                0,
            )
            .with_context(|| format!("cannot make {}/{name}", folder.display()))?;
        }
        let terminal = Terminal::new()?;
        let mut settings = tcgetattr(&terminal.theirs)?;
        cfmakeraw(&mut settings);
        tcsetattr(&terminal.theirs, SetArg::TCSANOW, &settings)?;
        let flags = fcntl_getfl(&terminal.ours)?;
        fcntl_setfl(&terminal.ours, flags | OFlags::NONBLOCK)?;
        symlink(&terminal.name, folder.join("tty"))?;
        let damage = Arc::default();
        let keyboard = Arc::new(Mutex::new(None));
        type_on(
            terminal.ours.try_clone()?,
            Line::new(baud, noise, 0),
            Arc::clone(&keyboard),
            Arc::clone(&damage),
        );
        let mut power = Power {
            command,
            folder: folder.to_path_buf(),
            machine: None,
            keyboard,
            ours: terminal.ours,
            to_host: Arc::new(Mutex::new(Line::new(baud, noise, 1))),
            damage: Arc::clone(&damage),
        };
        // While one end is open, the terminal stays the same for each process that opens it.
        let theirs = terminal.theirs;
        let words = BufReader::new(both_ends(&folder.join("relay"))?);
        let mut said = both_ends(&folder.join("said"))?;
        let switching = thread::spawn(move || {
            for word in words.lines().map_while(Result::ok) {
                if word == END {
                    break;
                }
                let answer = match power.switch(&word) {
                    Ok(()) => "done".to_owned(),
                    Err(error) => format!("{error:#}"),
                };
                if writeln!(said, "{answer}").is_err() {
                    break;
                }
            }
            drop(power.off());
            drop(theirs);
        });
        Ok(Self {
            folder: folder.to_path_buf(),
            switching,
            damage,
        })
    }

    /// What the line has done in both directions.
    pub(super) fn damage(&self) -> String {
        let damage = *lock(&self.damage);
        let line = |name: &str,
                    Damage {
                        carried,
                        lost,
                        changed,
                        added,
                    }: Damage| {
            format!("{name} {carried} characters: {lost} lost, {changed} changed, {added} added")
        };
        format!(
            "{}; {}",
            line("to the board", damage[0]),
            line("from it", damage[1])
        )
    }

    /// Takes the power away, and ends.
    pub(super) fn end(self) {
        let told = both_ends(&self.folder.join("relay"))
            .and_then(|mut relay| Ok(writeln!(relay, "{END}")?));
        if told.is_ok() {
            let _ = self.switching.join();
        }
    }
}

impl Power {
    fn switch(&mut self, word: &str) -> Result<()> {
        match word {
            "on" => self.on(),
            "off" => self.off(),
            "cycle" => self.off().and_then(|()| self.on()),
            _ => bail!("no such word: {word}"),
        }
    }

    fn on(&mut self) -> Result<()> {
        if self.machine.is_some() {
            bail!("the board has power already");
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("qemu.stderr"))?;
        let (output, printed) = pipe_with(PipeFlags::CLOEXEC)?;
        // What the board has said does not wait long for the line.
        fcntl_setpipe_size(&output, 4096)?;
        let mut output = File::from(output);
        self.command
            .stdin(Stdio::piped())
            .stdout(printed)
            .stderr(log);
        let child = self.command.spawn();
        // The last writer is the machine, so that its end is the pipe's.
        self.command.stdout(Stdio::null());
        let mut child = child?;
        let input = child.stdin.take().context("no input")?;
        *lock(&self.keyboard) = Some(File::from(std::os::fd::OwnedFd::from(input)));
        let mut ours = self.ours.try_clone()?;
        let line = Arc::clone(&self.to_host);
        let damage = Arc::clone(&self.damage);
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let reader = thread::spawn(move || {
            let mut buffer = [0; BURST];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let mut line = lock(&line);
                let arrived = line.carry(&buffer[..count]);
                lock(&damage)[1] = line.damage;
                // What no process reads is lost: the terminal takes what it has room for, and does not wait.
                match ours.write(&arrived) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
        });
        self.machine = Some(Powered {
            child,
            reader,
            over,
        });
        Ok(())
    }

    fn off(&mut self) -> Result<()> {
        *lock(&self.keyboard) = None;
        if let Some(mut machine) = self.machine.take() {
            machine.over.store(true, Ordering::SeqCst);
            machine.child.kill()?;
            machine.child.wait()?;
            machine.reader.join().ok().context("the line's reader")?;
        }
        Ok(())
    }
}

/// Carries what is typed on the terminal to the board, if it has power.
fn type_on(
    mut ours: File,
    mut line: Line,
    keyboard: Arc<Mutex<Option<File>>>,
    damage: Arc<Mutex<[Damage; 2]>>,
) {
    thread::spawn(move || {
        let mut buffer = [0; BURST];
        // Ends with the terminal's other end.
        while typed(&ours) {
            let count = match ours.read(&mut buffer) {
                Ok(count @ 1..) => count,
                // What was announced may not be there yet: the line does not end for that.
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                _ => break,
            };
            let arrived = line.carry(&buffer[..count]);
            lock(&damage)[0] = line.damage;
            // Without the lock: a machine that takes nothing must not keep its power from being taken away.
            let keyboard = lock(&keyboard).as_ref().map(File::try_clone);
            if let Some(Ok(mut keyboard)) = keyboard {
                // One that has just ended takes nothing more.
                let _ = keyboard.write_all(&arrived);
            }
        }
    });
}

/// A FIFO, open for both, so that no end waits for the other.
fn both_ends(path: &Path) -> Result<File> {
    let fifo = File::options().read(true).write(true).open(path);
    fifo.with_context(|| format!("cannot open {}", path.display()))
}

/// Waits until something is typed; whether it is.
fn typed(terminal: &File) -> bool {
    let mut typed = [PollFd::new(terminal, PollFlags::IN)];
    retry_on_intr(|| poll(&mut typed, None)).is_ok() && typed[0].revents().contains(PollFlags::IN)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use host::deadline::within;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);
    const FAST: u32 = 40_000_000;
    /// More than a pipe or a terminal holds.
    const MUCH: u64 = (64 << 10) + 1;

    /// Gives a program power, waits until the line has carried much in one direction, and takes the power away.
    fn switched(program: &[&str], direction: usize) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        let noise = Noise { seed: 1, one_in: 0 };
        let relay = Relay::new(command, folder.path(), FAST, noise).unwrap();
        let path = folder.path().to_path_buf();
        let say = move |word: &'static str| {
            let path = path.clone();
            within(LIMIT, move || {
                writeln!(both_ends(&path.join("relay"))?, "{word}")?;
                let mut said = String::new();
                BufReader::new(both_ends(&path.join("said"))?).read_line(&mut said)?;
                assert_eq!(said, "done\n");
                Ok(())
            })
            .unwrap();
        };
        say("on");
        if direction == 0 {
            let mut tty = File::options()
                .write(true)
                .open(folder.path().join("tty"))
                .unwrap();
            thread::spawn(move || tty.write_all(&vec![b'x'; 2 * MUCH as usize]));
        }
        let begun = Instant::now();
        while lock(&relay.damage)[direction].carried < MUCH {
            assert!(begun.elapsed() < LIMIT, "{}", relay.damage());
            thread::yield_now();
        }
        say("off");
        relay.end();
    }

    #[test]
    fn power_goes_although_nothing_reads_what_the_board_says() {
        switched(&["yes"], 1);
    }

    #[test]
    fn power_goes_although_the_board_takes_nothing_that_is_typed() {
        switched(&["sleep", "60"], 0);
    }
}
