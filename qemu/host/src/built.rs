// SPDX-License-Identifier: MIT
//! Results that are kept, each in a folder with the key of what it was made from. Two processes may use one result at
//! the same time; a process that has to make another one in its place waits until it is in use no more.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

thread_local! {
    /// Locks of the results that this thread uses, by folder; none are kept outside of [`hold`].
    static HELD: RefCell<Option<BTreeMap<PathBuf, File>>> = const { RefCell::new(None) };
}

/// While this exists, results that [`unless_built`] returned to this thread are not replaced by another process.
#[must_use = "results are given back when it is dropped"]
pub struct Hold(());

/// Begins to hold results.
pub fn hold() -> Hold {
    HELD.set(Some(BTreeMap::new()));
    Hold(())
}

impl Drop for Hold {
    fn drop(&mut self) {
        HELD.set(None);
    }
}

/// Runs `build` unless `folder` already holds a complete result for `key`. The mark is written
/// last, so that an interrupted build is never taken for a finished one.
pub fn unless_built(folder: &Path, key: &str, build: impl FnOnce() -> Result<()>) -> Result<()> {
    let mark = folder.join(".built");
    let is_built = || fs::read_to_string(&mark).is_ok_and(|built| built == key);
    let mut build = Some(build);
    loop {
        let shared = lock_file(folder)?;
        shared.lock_shared()?;
        if is_built() {
            HELD.with_borrow_mut(|held| {
                if let Some(held) = held {
                    held.insert(folder.to_path_buf(), shared);
                }
            });
            return Ok(());
        }
        drop(shared);
        // Our own use of an older result is over.
        HELD.with_borrow_mut(|held| held.as_mut().and_then(|held| held.remove(folder)));
        let alone = lock_file(folder)?;
        if alone.try_lock().is_err() {
            println!("waiting for another process that uses {}", folder.display());
            alone.lock()?;
        }
        // Another process may have made it while this one waited, and replaced it since this one did.
        let Some(build) = build.take_if(|_| !is_built()) else {
            continue;
        };
        if mark.exists() {
            fs::remove_file(&mark)?;
        }
        fs::create_dir_all(folder)?;
        build()?;
        let partial = folder.join(".built.partial");
        fs::write(&partial, key)?;
        fs::rename(partial, &mark)?;
    }
}

/// The file that is locked for a folder: next to it, for a build may replace the folder.
fn lock_file(folder: &Path) -> Result<File> {
    let name = folder.file_name().context("a folder without a name")?;
    let file = folder.with_file_name(format!(".{}.lock", name.to_string_lossy()));
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    let opened = File::options().create(true).append(true).open(&file);
    opened.with_context(|| format!("cannot open {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_result_is_made_once_for_a_key() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("one");
        let mut builds = 0;
        for key in ["a", "a", "b", "b", "a"] {
            unless_built(&folder, key, || {
                builds += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(builds, 3);
        assert!(unless_built(&folder, "c", || anyhow::bail!("no")).is_err());
        unless_built(&folder, "a", || {
            builds += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(builds, 4, "an interrupted build is not a finished one");
    }

    #[test]
    fn builds_of_different_results_do_not_wait_for_each_other() {
        let scratch = tempfile::tempdir().unwrap();
        let (one, other) = (scratch.path().join("one"), scratch.path().join("other"));
        unless_built(&one, "key", || {
            let builder = thread::spawn(move || unless_built(&other, "key", || Ok(())));
            builder.join().unwrap()
        })
        .unwrap();
    }

    #[test]
    fn a_result_in_use_is_shared_and_not_replaced() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("one");
        let held = hold();
        unless_built(&folder, "old", || Ok(())).unwrap();
        let shared = folder.clone();
        thread::spawn(move || unless_built(&shared, "old", || anyhow::bail!("built twice")))
            .join()
            .unwrap()
            .unwrap();
        let (done, replaced) = channel();
        let builder = thread::spawn(move || {
            unless_built(&folder, "new", || Ok(())).unwrap();
            done.send(()).unwrap();
        });
        assert!(replaced.recv_timeout(Duration::from_millis(100)).is_err());
        drop(held);
        builder.join().unwrap();
        assert!(replaced.recv().is_ok());
    }
}
