// SPDX-License-Identifier: MIT
//! What a disk image holds, read back from it: all that can be known of a board that is not started here.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use board::{Board, devicetree, reservations};
use host::command::output_of;
use machine::disk::Disk;

/// Checks that the disk image in `folder` holds what its parts are, and that the boot script finds there
/// what it loads.
pub(crate) fn check(board: &Board, folder: &Path) -> Result<()> {
    let disk = Disk {
        path: folder.join("sdcard.img"),
        offset: 0,
        options: String::new(),
    };
    let script = script(folder)?;
    let root = format!("root=PARTUUID={}-02 ", disk.signature()?);
    ensure!(
        script.contains(&root),
        "the boot script has no {root}: {script}"
    );

    let boot = disk.partition(1)?;
    for name in [&board.conf.linux_image, "boot.scr"] {
        let same = boot.read_ext4(name)? == fs::read(folder.join(name))?;
        ensure!(same, "{name} on partition 1 is another one");
    }
    for Load { name, .. } in loads(&script) {
        let found = boot.read_ext4(&name)?;
        ensure!(!found.is_empty(), "partition 1 has no {name}");
    }
    if board.conf.linux_dtb.is_some() {
        let tree = folder.join("board-on-disk.dtb");
        fs::write(&tree, boot.read_ext4("board.dtb")?)?;
        let regions = reservations::check(&tree).and_then(|()| devicetree::captured(&tree));
        fs::remove_file(&tree)?;
        ensure!(!regions?.is_empty(), "board.dtb names no region");
    }

    let root = fs::read(folder.join("rootfs.squashfs"))?;
    let same = disk.partition(2)?.read(0, root.len() as u64)? == root;
    ensure!(same, "partition 2 is not rootfs.squashfs");
    let magic = disk.partition(3)?.read(1024 + 56, 2)?;
    ensure!(magic == [0x53, 0xef], "partition 3 has no ext4");
    Ok(())
}

/// Checks a kernel that U-Boot is to start: its sums, and that nothing that the script loads lies where
/// it is unpacked to.
pub(crate) fn kernel(board: &Board, folder: &Path) -> Result<()> {
    if board.conf.linux_image != "uImage" {
        return Ok(());
    }
    let file = folder.join("uImage");
    output_of(Command::new("mkimage").arg("-l").arg(&file))?;
    let kernel = unpacked(&fs::read(&file)?)?;
    for Load { at, name } in loads(&script(folder)?) {
        let Some(at) = at else { continue };
        ensure!(
            !kernel.contains(&at),
            "{name} is loaded to {at:#x}, and the kernel is unpacked to {kernel:#x?}"
        );
    }
    Ok(())
}

/// Text of the boot script.
pub(crate) fn script(folder: &Path) -> Result<String> {
    let text = tempfile::NamedTempFile::new_in(folder)?;
    output_of(
        Command::new("dumpimage")
            .args(["-T", "script", "-p", "0", "-o"])
            .arg(text.path())
            .arg(folder.join("boot.scr")),
    )?;
    let text = fs::read(text.path())?;
    // A table of lengths, ended by 0, stands before the text.
    let start = text
        .chunks(4)
        .position(|word| word == [0; 4])
        .context("a boot script begins with its length")?;
    Ok(String::from_utf8_lossy(&text[4 * (start + 1)..]).into_owned())
}

/// What a script loads.
#[derive(Debug, PartialEq, Eq)]
struct Load {
    /// Where to, if the script says so itself: U-Boot's numbers are hexadecimal.
    at: Option<u64>,
    /// From which file.
    name: String,
}

fn loads(script: &str) -> Vec<Load> {
    let load = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["ext2load", _, _, at, name] => Some(Load {
            at: u64::from_str_radix(at.trim_start_matches("0x"), 16).ok(),
            name: name.to_owned(),
        }),
        _ => None,
    };
    script.lines().filter_map(load).collect()
}

/// Where U-Boot unpacks a kernel to.
fn unpacked(image: &[u8]) -> Result<Range<u64>> {
    let word = |at: usize| -> Option<[u8; 4]> { image.get(at..at + 4)?.try_into().ok() };
    // The load address is in the header; gzip ends with how much it has packed.
    let header = word(16).context("a uImage has a header")?;
    let size = word(image.len().saturating_sub(4)).context("a uImage has an end")?;
    let start = u64::from(u32::from_be_bytes(header));
    Ok(start..start + u64::from(u32::from_le_bytes(size)))
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn what_a_script_loads_has_a_place_or_a_variable() {
        let script = "setenv a b\next2load mmc 0:1 c00000 board.dtb\n\
                      ext2load virtio 0:1 ${loadaddr} uImage\nbootm 1000000\n";
        let load = |at, name: &str| Load {
            at,
            name: name.to_owned(),
        };
        assert_eq!(
            loads(script),
            [load(Some(0xc0_0000), "board.dtb"), load(None, "uImage")]
        );
    }

    #[test]
    fn a_kernel_is_unpacked_to_its_load_address() {
        let mut image = vec![0; 64];
        image[16..20].copy_from_slice(&0x10_0000_u32.to_be_bytes());
        image.extend(0x80_0000_u32.to_le_bytes());
        assert_eq!(unpacked(&image).unwrap(), 0x10_0000..0x90_0000);
        assert!(unpacked(&[0; 8]).is_err());
    }

    const REGION: &str = "reserved-memory { one: one@1000 { reg = <0x1000 0x1000>; }; };";
    const DRIVER: &str = "bus { compatible = \"simple-bus\"; resmem { compatible = \"resdump,resmem\"; memory-region = <&one>; }; };";

    /// The disk image of a board with these commands and nodes, whose other parts stand in for real ones.
    fn made(commands: &str, nodes: &str) -> (tempfile::TempDir, Board) {
        let scratch = tempfile::tempdir().unwrap();
        let (root, folder) = (scratch.path(), scratch.path().join("board/one"));
        fs::create_dir_all(&folder).unwrap();
        let settings = "LINUX_ARCH=powerpc\nCROSS_COMPILE=powerpc-linux-gnu-\n\
                        PROCESSOR=x\nRUST_TARGET=powerpc-unknown-linux-gnu\nLINUX_FRAGMENTS=base\n\
                        LINUX_IMAGE=uImage\nLINUX_DTB=one.dtb\nCONSOLE=ttyS0\nDMA_COHERENT=no\n";
        fs::write(folder.join("board.conf"), settings).unwrap();
        let script = format!("setenv bootargs root=PARTUUID=52450001-02 ro\n{commands}\n");
        fs::write(folder.join("boot.cmd"), script).unwrap();
        for name in ["uImage", "rootfs.squashfs"] {
            fs::write(root.join(name), name).unwrap();
        }
        let cells = "#address-cells = <1>; #size-cells = <1>;";
        let tree = format!("/dts-v1/; / {{ {cells} reserved-memory {{ {cells} ranges; }}; }};");
        devicetree::compile(&tree, &root.join("board.dtb")).unwrap();
        let overlay = format!("/dts-v1/; /plugin/; &{{/}} {{ {nodes} }};");
        devicetree::compile(&overlay, &root.join("resmem.dtbo")).unwrap();
        let maker = "../../board/common/disk/make-disk.sh";
        let maker = Path::new(env!("CARGO_MANIFEST_DIR")).join(maker);
        output_of(Command::new(maker).arg(&folder).arg(root)).unwrap();
        let board = Board::load(root, "one").unwrap();
        (scratch, board)
    }

    fn wrong(commands: &str, nodes: &str) -> String {
        let (scratch, board) = made(commands, nodes);
        format!("{:#}", check(&board, scratch.path()).unwrap_err())
    }

    #[test]
    fn an_image_that_starts_by_itself_is_accepted() {
        let (scratch, board) = made(
            "ext2load mmc 0:1 c00000 board.dtb",
            &format!("{REGION} {DRIVER}"),
        );
        check(&board, scratch.path()).unwrap();
        fs::write(scratch.path().join("rootfs.squashfs"), "another").unwrap();
        let error = check(&board, scratch.path()).unwrap_err();
        assert!(error.to_string().contains("rootfs.squashfs"), "{error}");
    }

    #[test]
    fn no_word_of_an_image_is_the_time_when_it_was_made() {
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_secs() as u32
        };
        let before = now();
        let (scratch, _) = made("ext2load mmc 0:1 c00000 board.dtb", REGION);
        let times = before..=now();
        let image = fs::read(scratch.path().join("sdcard.img")).unwrap();
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
        let found = image
            .chunks_exact(4)
            .position(|four| times.contains(&word(four)));
        assert_eq!(found.map(|at| 4 * at), None);
    }

    #[test]
    fn a_script_that_loads_what_is_not_there_is_refused() {
        let error = wrong(
            "ext2load mmc 0:1 c00000 other.dtb",
            &format!("{REGION} {DRIVER}"),
        );
        assert!(error.contains("other.dtb"), "{error}");
    }

    #[test]
    fn a_region_that_the_kernel_would_ignore_is_refused() {
        let cells = "#address-cells = <2>; #size-cells = <2>;";
        let region = "one: one@1000 { reg = <0x0 0x1000 0x0 0x1000>; };";
        let error = wrong(
            "ext2load mmc 0:1 c00000 board.dtb",
            &format!("reserved-memory {{ {cells} {region} }}; {DRIVER}"),
        );
        assert!(error.contains("ignore all reservations"), "{error}");
    }

    #[test]
    fn a_tree_without_a_region_is_refused() {
        let error = wrong("ext2load mmc 0:1 c00000 board.dtb", REGION);
        assert!(error.contains("names no region"), "{error}");
    }
}
