// SPDX-License-Identifier: MIT
//! Regions on a machine whose device tree its firmware makes: the kernel reserves them, wherever there
//! is room, and what hardware would have put into them is loaded when the shell is there.

use anyhow::{Result, bail};

use crate::devicetree::Region;

/// Alignment of a region: that of every page size, and of the blocks of `dd`.
const ALIGN: &str = "1M";

/// Why the kernel cannot reserve a region of this kind by itself, if so.
pub fn cannot_reserve(region: &Region) -> Option<&'static str> {
    if region.device_writes || region.device_reads || region.no_map {
        return Some("a device-tree node says so, and the firmware makes the tree");
    }
    // Memory blocks are reserved in cache lines, and never at an address that is asked for.
    let whole = region.base.is_multiple_of(4096) && region.size.is_multiple_of(4096);
    (!whole).then_some("its bounds are not those of pages, and the kernel chooses them")
}

/// What the kernel's command line says of the regions.
pub fn command_line(regions: &[Region]) -> Result<String> {
    if regions.is_empty() {
        return Ok(String::new());
    }
    let mut words = Vec::new();
    for region in regions {
        let label = region.driver_label();
        if let Some(why) = cannot_reserve(region) {
            bail!("the region {label} is not available: {why}");
        }
        words.push(format!("reserve_mem={}:{ALIGN}:{label}", region.size));
    }
    let names: Vec<String> = regions.iter().map(access).collect();
    words.push(format!("resmem.reserve_mem={}", names.join(",")));
    Ok(words.join(" "))
}

fn access(region: &Region) -> String {
    let writable = if region.writable { ":rw" } else { "" };
    format!("{}{writable}", region.driver_label())
}

/// Size of the region `label` that a command line reserves (`reserve_mem=64M:1M:capture`); `None` if it
/// reserves none, or not in MiB.
pub fn reserved_size(line: &str, label: &str) -> Option<u64> {
    line.split_whitespace()
        .filter_map(|word| word.strip_prefix("reserve_mem="))
        .find_map(|word| match word.split(':').collect::<Vec<_>>()[..] {
            [size, _, name] if name == label => size.strip_suffix('M')?.parse::<u64>().ok(),
            _ => None,
        })
        .map(|mib| mib << 20)
}

/// The shell commands that load each disk into its region. The regions are writable meanwhile, whatever
/// the command line says of them.
pub fn filling(fills: &[(String, String)]) -> Vec<String> {
    if fills.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = fills
        .iter()
        .map(|(label, _)| format!("{label}:rw"))
        .collect();
    // modprobe takes the module's parameters from the command line of the kernel, insmod does not.
    let mut commands = vec![format!(
        "rmmod resmem && (cd /lib/modules/*/ && \
         insmod $(sed -n 's/resmem.ko:.*/resmem.ko/p' modules.dep) reserve_mem={})",
        names.join(",")
    )];
    commands.extend(
        fills
            .iter()
            .map(|(label, disk)| format!("resdump load {disk} {label} --quiet")),
    );
    commands.push("rmmod resmem && modprobe resmem".to_owned());
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_reserves_what_the_driver_names() {
        let regions = [
            Region::new("node", 0x1000_0000, 64 << 20).named("capture"),
            Region::new("scratch", 0x0f00_0000, 4096).writable(),
        ];
        let line = command_line(&regions).unwrap();
        assert_eq!(
            line,
            "reserve_mem=67108864:1M:capture reserve_mem=4096:1M:scratch \
             resmem.reserve_mem=capture,scratch:rw"
        );
        assert_eq!(command_line(&[]).unwrap(), "");
    }

    #[test]
    fn what_only_a_device_tree_can_say_is_refused() {
        let page = || Region::new("one", 0x1000, 0x1000);
        assert!(cannot_reserve(&page()).is_none());
        assert!(cannot_reserve(&page().device_writes()).is_some());
        assert!(cannot_reserve(&page().no_map()).is_some());
        assert!(command_line(&[Region::new("ragged", 0x1001, 0x1000)]).is_err());
        assert!(command_line(&[Region::new("ragged", 0x1000, 0x1001)]).is_err());
    }

    #[test]
    fn the_size_of_a_region_is_that_of_its_name() {
        let line = "reserve_mem=1M:4096:log quiet reserve_mem=64M:1M:capture";
        assert_eq!(reserved_size(line, "capture"), Some(64 << 20));
        assert_eq!(reserved_size(line, "lo"), None);
    }

    #[test]
    fn a_region_can_be_written_to_only_while_it_is_filled() {
        let commands = filling(&[("capture".to_owned(), "/dev/vdd".to_owned())]);
        assert!(
            commands[0].ends_with(" reserve_mem=capture:rw)"),
            "{commands:?}"
        );
        assert_eq!(commands[1], "resdump load /dev/vdd capture --quiet");
        assert_eq!(commands[2], "rmmod resmem && modprobe resmem");
        assert!(filling(&[]).is_empty());
    }
}
