// SPDX-License-Identifier: MIT

//! Where a block device is mounted, to tell a person.

use std::fs;

use nix::sys::stat::{major, minor};

/// The first mount point of the device with number `rdev`.
pub(super) fn mounted_at(rdev: u64) -> Option<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    find(&table, rdev)
}

fn find(table: &str, rdev: u64) -> Option<String> {
    let wanted = format!("{}:{}", major(rdev), minor(rdev));
    table.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(2);
        (fields.next()? == wanted).then_some(())?;
        fields.nth(1).map(unescape)
    })
}

/// Undoes the octal escapes of blanks and backslashes.
fn unescape(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(field.to_string(), |text, (code, character)| {
        text.replace(code, character)
    })
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::makedev;

    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 254:16 / /mnt/with\\040blank rw,relatime - ext4 /dev/vdb rw
31 22 0:5 / /dev rw - devtmpfs devtmpfs rw
";

    #[test]
    fn a_mounted_device_is_found_by_number() {
        assert_eq!(find(TABLE, makedev(254, 0)).as_deref(), Some("/"));
        assert_eq!(
            find(TABLE, makedev(254, 16)).as_deref(),
            Some("/mnt/with blank")
        );
    }

    #[test]
    fn others_are_not() {
        assert_eq!(find(TABLE, makedev(254, 1)), None);
        assert_eq!(find(TABLE, makedev(25, 40)), None);
        assert_eq!(find("", makedev(254, 0)), None);
    }
}
