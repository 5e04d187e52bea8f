// SPDX-License-Identifier: MIT
//! The relay of a board that is none: gives QEMU power, takes it away, and joins its serial line to the terminal.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::pipe::fcntl_setpipe_size;

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
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let input = child.stdin.take().context("no input")?;
        let mut output = child.stdout.take().context("no output")?;
        *lock(&self.keyboard) = Some(File::from(std::os::fd::OwnedFd::from(input)));
        let mut ours = self.ours.try_clone()?;
        let line = Arc::clone(&self.to_host);
        let damage = Arc::clone(&self.damage);
        // What the board has said does not wait long for the line.
        fcntl_setpipe_size(&output, 4096)?;
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
                // What no process reads is lost.
                if has_room(&ours) && ours.write_all(&arrived).is_err() {
                    return;
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
        while let Ok(count @ 1..) = ours.read(&mut buffer) {
            let arrived = line.carry(&buffer[..count]);
            lock(&damage)[0] = line.damage;
            if let Some(keyboard) = &mut *lock(&keyboard) {
                // A machine that has just ended takes nothing.
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

fn has_room(terminal: &File) -> bool {
    let mut room = [PollFd::new(terminal, PollFlags::OUT)];
    matches!(poll(&mut room, Some(&Timespec::default())), Ok(1))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
