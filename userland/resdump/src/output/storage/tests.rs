// SPDX-License-Identifier: MIT

use std::os::unix::fs::symlink;

use super::*;

/// A machine with a disk of two partitions, LVM on the second, and loop devices.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.device("block/sda", 8, 0, &[]);
        machine.part("block/sda/sda1", 1, 8, 100);
        machine.part("block/sda/sda2", 2, 108, 100);
        // It begins within the second, as one of an older table may.
        machine.part("block/sda/sda3", 3, 200, 100);
        machine.device("block/dm-0", 253, 0, &["block/sda/sda2"]);
        machine.device("block/dm-1", 253, 1, &["block/sda/sda2"]);
        machine.device("block/dm-2", 253, 2, &["block/dm-1"]);
        machine.device("block/loop0", 7, 0, &[]);
        machine.device("block/loop1", 7, 1, &[]);
        machine.device("block/loop2", 7, 2, &[]);
        machine.device("block/zram0", 252, 0, &[]);
        for (name, offset, limit) in [("loop0", 0, 4096), ("loop1", 4096, 0), ("loop2", 0, 0)] {
            let folder = machine.0.path().join("block").join(name).join("loop");
            fs::create_dir(&folder).unwrap();
            let image = machine.0.path().join("image");
            fs::write(&image, "x").unwrap();
            fs::write(
                folder.join("backing_file"),
                format!("{}\n", image.display()),
            )
            .unwrap();
            fs::write(folder.join("offset"), format!("{offset}\n")).unwrap();
            fs::write(folder.join("sizelimit"), format!("{limit}\n")).unwrap();
        }
        machine
    }

    fn device(&self, name: &str, major: u64, minor: u64, slaves: &[&str]) {
        let folder = self.0.path().join(name);
        fs::create_dir_all(folder.join("slaves")).unwrap();
        fs::write(folder.join("dev"), format!("{major}:{minor}\n")).unwrap();
        for slave in slaves {
            let to = folder
                .join("slaves")
                .join(Path::new(slave).file_name().unwrap());
            symlink(self.0.path().join(slave), to).unwrap();
        }
        let numbers = self.0.path().join("dev/block");
        fs::create_dir_all(&numbers).unwrap();
        symlink(&folder, numbers.join(format!("{major}:{minor}"))).unwrap();
    }

    fn part(&self, name: &str, number: u64, start: u64, size: u64) {
        self.device(name, 8, number, &[]);
        let folder = self.0.path().join(name);
        for (file, value) in [("partition", number), ("start", start), ("size", size)] {
            fs::write(folder.join(file), format!("{value}\n")).unwrap();
        }
    }

    fn overlap(&self, one: Node, other: Node) -> bool {
        let storage = Storage::at(self.0.path().into());
        let there = storage.overlap(one, other);
        assert_eq!(there, storage.overlap(other, one), "both ways");
        there
    }

    fn image(&self) -> Node {
        let metadata = fs::metadata(self.0.path().join("image")).unwrap();
        Node::File {
            dev: metadata.dev(),
            ino: metadata.ino(),
            device: None,
        }
    }
}

fn device(major: u64, minor: u64) -> Node {
    Node::Device(makedev(major, minor))
}

/// A file on the file system of a device.
fn file(major: u64, minor: u64, ino: u64) -> Node {
    Node::File {
        dev: makedev(major, minor),
        ino,
        device: Some(makedev(major, minor)),
    }
}

#[test]
fn the_same_bytes_under_any_name_overlap() {
    let machine = Machine::new();
    let disk = device(8, 0);
    for (one, other, there) in [
        (disk, disk, true),
        // A partition and its disk; two partitions, apart and not.
        (disk, device(8, 1), true),
        (device(8, 1), device(8, 2), false),
        (device(8, 2), device(8, 3), true),
        // Volumes and what they lie on.
        (device(253, 0), device(8, 2), true),
        (device(253, 0), disk, true),
        (device(253, 0), device(8, 1), false),
        (device(253, 0), device(253, 1), false),
        (device(253, 2), device(253, 1), true),
        (device(253, 2), disk, true),
        // Files and the disk under them.
        (file(8, 1, 5), disk, true),
        (file(8, 1, 5), device(8, 1), true),
        (file(8, 1, 5), device(8, 2), false),
        (file(253, 0, 5), disk, true),
        (file(253, 0, 5), device(253, 1), false),
        (file(8, 1, 5), file(8, 1, 5), true),
        (file(8, 1, 5), file(8, 1, 6), false),
        // A file system on the whole disk, under a partition that is left of an old table.
        (file(8, 0, 5), device(8, 1), true),
        // Loop devices, their file, and each other.
        (device(7, 0), machine.image(), true),
        (device(7, 0), device(7, 1), false),
        (device(7, 0), device(7, 2), true),
        (file(7, 0, 5), machine.image(), true),
        (file(7, 0, 5), device(7, 1), false),
        // One that nothing is known of.
        (device(9, 9), disk, false),
    ] {
        assert_eq!(machine.overlap(one, other), there, "{one:?} and {other:?}");
    }
}

#[test]
fn ram_disks_are_memory() {
    let machine = Machine::new();
    let storage = Storage::at(machine.0.path().into());
    for (major, minor, memory) in [(1, 0, true), (252, 0, true), (8, 1, false)] {
        assert_eq!(storage.is_ram_disk(makedev(major, minor)), memory);
    }
}
