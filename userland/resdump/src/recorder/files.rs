// SPDX-License-Identifier: MIT

//! The files of a recording, and the thread that does with them what takes its time: preparing the next segment,
//! flushing, cutting the last one.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use nix::{errno::Errno, libc};
use resdump_format::recording::layout::{index_name, segment_name};

use super::{
    Refusal,
    desk::Desk,
    saved::{self, numbers},
};
use crate::{error::errno_of, output::sync_folder, sys};

/// What the thread needs.
const STACK: usize = 128 << 10;

/// What is to be done, in this order.
enum Task {
    Prepare(u64),
    Checkpoint(Checkpoint),
}

/// Flush the segments, then write the index, then remove what that says is gone.
struct Checkpoint {
    segments: Vec<Arc<File>>,
    /// Where in the index the bytes belong; `None`: they take its place.
    at: Option<u64>,
    bytes: Vec<u8>,
    gone: Vec<u64>,
    /// Bytes of the stream that it proves.
    recorded: u64,
}

/// What was done.
enum Done {
    Prepared(u64, io::Result<Arc<File>>),
    Checkpoint(io::Result<u64>),
}

/// The segments that are open.
pub(super) struct Files {
    folder: PathBuf,
    /// Where tasks are given, and answers taken. The thread ends when this is dropped.
    desk: Arc<Desk<Task, Done>>,
    /// By their numbers.
    open: Vec<(u64, Arc<File>)>,
    /// Written to since the last checkpoint.
    touched: Vec<(u64, Arc<File>)>,
    asked: Option<u64>,
    prepared: Option<(u64, Arc<File>)>,
    flushing: bool,
    /// Segments that the index says are gone, once it is written.
    gone: Vec<u64>,
    /// Why there is no next segment.
    refused: Option<io::Error>,
    failed: Option<io::Error>,
}

/// A folder that is one recorder's, until this is dropped: the segments of two would be in each other's way.
#[derive(Debug)]
pub struct Taken {
    pub(super) folder: PathBuf,
    _lock: File,
}

/// Takes a folder. `EBUSY` where another recorder has it; refused where an index there is none of a
/// recorder.
pub fn take(folder: &Path) -> Result<Taken, Refusal> {
    let take = || {
        let taken = File::open(folder)?;
        match taken.try_lock() {
            Ok(()) => Ok(taken),
            Err(TryLockError::WouldBlock) => Err(Errno::EBUSY.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    };
    let cannot = |error| Refusal::System("cannot take the folder", errno_of(&error));
    let lock = take().map_err(cannot)?;
    for number in numbers(folder, ".index").map_err(cannot)? {
        let cannot = |error| Refusal::System("cannot read an index there", errno_of(&error));
        if saved::is_foreign(folder, number).map_err(cannot)? {
            return Err(Refusal::Foreign(index_name(number)));
        }
    }
    Ok(Taken {
        folder: folder.to_owned(),
        _lock: lock,
    })
}

/// The number of the first segment that a new run in `folder` may have, with segments of `size` bytes: no file has it or
/// a later one, and no run before has offsets of the stream from there on.
pub(super) fn first_free(folder: &Path, size: u64) -> io::Result<u64> {
    let indexes = numbers(folder, ".index")?;
    let last = indexes.last().copied();
    let used = last.into_iter().chain(numbers(folder, ".seg")?).max();
    let next = used.map_or(0, |number| number.saturating_add(1));
    // What a power cut has left before its first checkpoint says nothing: an earlier one does.
    let ends = indexes
        .iter()
        .rev()
        .map(|number| saved::end(folder, *number));
    let mut said = ends.skip_while(|end| matches!(end, Ok(0)));
    let end = said.next().unwrap_or(Ok(0))?;
    Ok(next.max(end.div_ceil(size.max(1))))
}

impl Files {
    /// Files in `folder`, segments of `size` bytes from `first` on, the first of which is made now. `keep_free` bytes
    /// of the file system are left.
    pub(super) fn new(folder: &Path, first: u64, size: u64, keep_free: u64) -> io::Result<Self> {
        let maker = Maker {
            folder: folder.to_owned(),
            size,
            keep_free,
        };
        let made = maker.make(first)?;
        let index = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(folder.join(index_name(first)));
        if index.is_err() {
            let _ = fs::remove_file(folder.join(segment_name(first)));
        }
        let mut index = Index {
            file: index?,
            first,
        };
        let desk = Arc::new(Desk::new());
        let other = Arc::clone(&desk);
        thread::Builder::new()
            .name("files".into())
            .stack_size(STACK)
            .spawn(move || work(&maker, &mut index, &other))?;
        Ok(Self {
            folder: folder.to_owned(),
            desk,
            open: Vec::new(),
            touched: Vec::new(),
            asked: None,
            prepared: Some((first, Arc::new(made))),
            flushing: false,
            gone: Vec::new(),
            refused: None,
            failed: None,
        })
    }

    /// Segment `number`, and whether it was begun by this call: then those before `oldest`, in which nothing is in
    /// flight, are closed, and the next is prepared. Waits for one that is not prepared yet.
    pub(super) fn segment(&mut self, number: u64, oldest: u64) -> io::Result<(Arc<File>, bool)> {
        if let Some(file) = self.opened(number) {
            return Ok((file, false));
        }
        while self.prepared.as_ref().is_none_or(|(it, _)| *it != number) {
            if let Some((other, file)) = self.prepared.take() {
                self.discard(other, &file);
            }
            if self.asked != Some(number) {
                self.refused = None;
                self.prepare(number);
            }
            let done = self.desk.wait();
            self.take(done);
            if let Some(error) = self.refused.take() {
                return Err(error);
            }
        }
        let (_, file) = self.prepared.take().ok_or(Errno::ECANCELED)?;
        self.open.retain(|(it, _)| *it >= oldest);
        self.open.push((number, Arc::clone(&file)));
        self.prepare(number + 1);
        Ok((file, true))
    }

    /// A write to segment `number` has ended: it is to be flushed.
    pub(super) fn touch(&mut self, number: u64) {
        if self.touched.iter().any(|(it, _)| *it == number) {
            return;
        }
        if let Some(file) = self.opened(number) {
            self.touched.push((number, file));
        }
    }

    fn opened(&self, number: u64) -> Option<Arc<File>> {
        let mut open = self.open.iter();
        open.find_map(|(it, file)| (*it == number).then(|| Arc::clone(file)))
    }

    fn prepare(&mut self, number: u64) {
        self.asked = Some(number);
        self.desk.give(Task::Prepare(number));
    }

    /// Takes note of what was done meanwhile; the first failure of a flush.
    pub(super) fn look(&mut self) -> io::Result<()> {
        while let Some(done) = self.desk.look() {
            self.take(done);
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Prepared(number, result) => {
                if self.asked == Some(number) {
                    self.asked = None;
                }
                match result {
                    Ok(file) => self.prepared = Some((number, file)),
                    Err(error) => self.refused = Some(error),
                }
            }
            Done::Checkpoint(result) => {
                self.flushing = false;
                match result {
                    Ok(recorded) => log::info!("checkpoint: {recorded} bytes are durable"),
                    Err(error) => drop(self.failed.get_or_insert(error)),
                }
            }
        }
    }

    /// Whether a checkpoint is under way.
    pub(super) fn is_flushing(&self) -> bool {
        self.flushing
    }

    /// Has a segment removed behind the next checkpoint, which says that it is gone.
    pub(super) fn remove(&mut self, number: u64) {
        self.open.retain(|(it, _)| *it != number);
        self.touched.retain(|(it, _)| *it != number);
        self.gone.push(number);
    }

    /// Whether segments wait for a checkpoint to go.
    pub(super) fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Has what was written flushed, then `bytes` of the index at `at`, or in its place. That proves `recorded` bytes of the
    /// stream.
    pub(super) fn checkpoint(&mut self, at: Option<u64>, bytes: Vec<u8>, recorded: u64) {
        let touched = std::mem::take(&mut self.touched);
        self.flushing = true;
        self.desk.give(Task::Checkpoint(Checkpoint {
            segments: touched.into_iter().map(|(_, file)| file).collect(),
            at,
            bytes,
            gone: std::mem::take(&mut self.gone),
            recorded,
        }));
    }

    /// Waits until nothing is under way.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        while self.flushing || self.asked.is_some() {
            let done = self.desk.wait();
            self.take(done);
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Removes what was prepared and not used, and cuts the `last` segment, by its number, behind its bytes. Nothing is
    /// under way.
    pub(super) fn cut(&mut self, last: Option<(u64, u64)>) -> io::Result<()> {
        if let Some((other, file)) = self.prepared.take() {
            self.discard(other, &file);
        }
        let Some((number, length)) = last else {
            return Ok(());
        };
        if let Some(file) = self.opened(number) {
            file.set_len(length)?;
            self.touch(number);
        }
        Ok(())
    }

    /// Makes the names durable.
    pub(super) fn sync_names(&self) -> io::Result<()> {
        sync_folder(&self.folder.join("."))
    }

    /// Removes a segment that nothing was written to.
    fn discard(&self, number: u64, _file: &File) {
        let path = self.folder.join(segment_name(number));
        if let Err(error) = fs::remove_file(&path) {
            log::warn!("{}: not removed: {error}", path.display());
        }
    }
}

/// Makes segments.
struct Maker {
    folder: PathBuf,
    size: u64,
    keep_free: u64,
}

impl Maker {
    fn make(&self, number: u64) -> io::Result<File> {
        let path = self.folder.join(segment_name(number));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .custom_flags(libc::O_DIRECT)
            .open(&path)?;
        let result = self.fill(&file);
        if result.is_err() {
            let _ = fs::remove_file(&path);
        }
        result.map(|()| file)
    }

    fn fill(&self, file: &File) -> io::Result<()> {
        let needed = self.size.saturating_add(self.keep_free);
        if sys::file::available(file)? < needed {
            return Err(Errno::ENOSPC.into());
        }
        match sys::file::allocate(file, 0, self.size) {
            Err(Errno::EOPNOTSUPP) => file.set_len(self.size)?,
            result => result?,
        }
        // The size is known before the first byte is: a flush of data alone is enough later.
        file.sync_all()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.desk.close();
    }
}

/// The index that is written to.
struct Index {
    file: File,
    first: u64,
}

fn work(maker: &Maker, index: &mut Index, desk: &Desk<Task, Done>) {
    while let Some(task) = desk.task() {
        desk.answer(match task {
            Task::Prepare(number) => Done::Prepared(number, maker.make(number).map(Arc::new)),
            Task::Checkpoint(task) => Done::Checkpoint(checkpoint(maker, index, task)),
        });
    }
}

fn checkpoint(maker: &Maker, index: &mut Index, task: Checkpoint) -> io::Result<u64> {
    for file in task.segments {
        file.sync_data()?;
    }
    match task.at {
        Some(at) => {
            index.file.write_all_at(&task.bytes, at)?;
            index.file.sync_data()?;
        }
        None => index.replace(&maker.folder, &task.bytes)?,
    }
    // Only now: an index never speaks of bytes that are not there.
    for number in task.gone {
        match fs::remove_file(maker.folder.join(segment_name(number))) {
            // It was taken away before.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(task.recorded)
}

impl Index {
    /// Puts `bytes` in the place of the index: a power cut leaves the one or the other.
    fn replace(&mut self, folder: &Path, bytes: &[u8]) -> io::Result<()> {
        let name = folder.join(index_name(self.first));
        let new = name.with_extension("index.new");
        let file = File::create(&new)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()?;
        fs::rename(&new, &name)?;
        sync_folder(&name)?;
        self.file = file;
        Ok(())
    }
}
