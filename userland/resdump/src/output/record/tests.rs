// SPDX-License-Identifier: MIT

use super::*;

fn is_record(text: &[u8]) -> bool {
    text.starts_with(b"record")
}

fn claim(path: &Path, force: bool) -> Result<Record> {
    Record::claim(&Claim {
        path,
        taken: &[],
        force,
        elsewhere: "give another name",
        is_record,
    })
}

#[test]
fn one_follows_the_other_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let mut record = claim(&path, false).unwrap();
    assert!(!path.exists(), "nothing is made by a claim");
    for (text, weight) in [
        ("record 0", Weight::Nothing),
        ("record 1", Weight::Promise),
        ("record 22", Weight::Promise),
        ("record 3", Weight::Last),
    ] {
        record.store(text.as_bytes(), weight).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        assert_eq!(claim(&path, true).unwrap_err().errno, Errno::EBUSY);
    }
    record.remove().unwrap();
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn of_two_that_begin_at_once_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let (mut one, mut two) = (claim(&path, false).unwrap(), claim(&path, false).unwrap());
    one.store(b"record 1", Weight::Promise).unwrap();
    assert_eq!(
        two.store(b"record 2", Weight::Promise).unwrap_err().errno,
        Errno::EEXIST
    );
    assert_eq!(fs::read(&path).unwrap(), b"record 1");
}

#[test]
fn what_is_not_a_record_stays_unless_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    for text in ["other", "recor", &"record".repeat(3 << 20)] {
        fs::write(&path, text).unwrap();
        assert_eq!(claim(&path, false).unwrap_err().errno, Errno::EEXIST);
        remove(&path, is_record).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        claim(&path, true).unwrap();
    }
    for text in ["record 1", ""] {
        fs::write(&path, text).unwrap();
        claim(&path, false).unwrap();
    }
}

#[test]
fn one_that_another_has_replaced_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let mut record = claim(&path, false).unwrap();
    record.store(b"record 1", Weight::Promise).unwrap();
    fs::write(folder.path().join("b"), "other").unwrap();
    fs::rename(folder.path().join("b"), &path).unwrap();
    assert_eq!(
        record.store(b"record 2", Weight::Last).unwrap_err().errno,
        Errno::ESTALE
    );
    assert_eq!(fs::read(&path).unwrap(), b"other");
    fs::remove_file(&path).unwrap();
    record.store(b"record 2", Weight::Last).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"record 2");
}

#[test]
fn nodes_and_links_to_nothing_are_refused_and_links_to_files_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("none", path("dangling")).unwrap();
    std::os::unix::fs::symlink("file", path("link")).unwrap();
    nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for name in ["/dev/null", "dangling", "pipe", "."] {
        let path = folder.path().join(name);
        assert!(claim(&path, true).is_err(), "{name}");
    }
    fs::write(path("file"), "").unwrap();
    claim(&path("link"), false)
        .unwrap()
        .store(b"record", Weight::Last)
        .unwrap();
    assert_eq!(fs::read(path("file")).unwrap(), b"record");
    assert!(path("link").is_symlink());
}
