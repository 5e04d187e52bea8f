// SPDX-License-Identifier: MIT
//! Numbers of commands, and numbers that are almost those.

use resmem::abi::RegionInfo;
use resmem::abi::Transfer;
use resmem::abi::{
    RegionExport, RegionSync, RingConsumed, RingDoorbell, RingPosition, RingWatch, Snapshot,
    SnapshotStatus,
};

/// Number of an ioctl of the ABI.
macro_rules! number {
    (r $name:ident $type:ty) => {
        nix::request_code_read!(
            resmem::abi::IOC_TYPE,
            resmem::abi::$name,
            size_of::<$type>()
        ) as u32
    };
    (w $name:ident $type:ty) => {
        nix::request_code_write!(
            resmem::abi::IOC_TYPE,
            resmem::abi::$name,
            size_of::<$type>()
        ) as u32
    };
    (rw $name:ident $type:ty) => {
        nix::request_code_readwrite!(
            resmem::abi::IOC_TYPE,
            resmem::abi::$name,
            size_of::<$type>()
        ) as u32
    };
}
pub(crate) use number;

/// How many commands there are.
const COMMANDS: usize = 11;

/// The numbers of all commands.
pub fn all() -> [u32; COMMANDS] {
    [
        number!(r IOC_INFO RegionInfo),
        number!(rw IOC_DUMP Transfer),
        number!(rw IOC_LOAD Transfer),
        number!(w IOC_SNAPSHOT Snapshot),
        number!(r IOC_SNAPSHOT_STATUS SnapshotStatus),
        number!(w IOC_SYNC RegionSync),
        number!(r IOC_POSITION RingPosition),
        number!(w IOC_DOORBELL RingDoorbell),
        number!(w IOC_WATCH RingWatch),
        number!(w IOC_CONSUMED RingConsumed),
        number!(rw IOC_EXPORT RegionExport),
    ]
}

/// Commands that the kernel answers for any file.
pub const GENERIC: [u32; 12] = [
    0x5450,
    0x5451,
    0x5452,
    0x5460,
    0x5421,
    0x8004_667e,
    0x8004_667d,
    0x4004_667f,
    1,
    2,
    0x541b,
    0xc020_660b,
];

/// Numbers that are almost those of commands, and some of others.
pub fn commands(random: u32) -> [u32; 4 * COMMANDS + 8] {
    let mut list = [random; 4 * COMMANDS + 8];
    for (at, known) in all().into_iter().enumerate() {
        let beside = [
            known ^ 1 << (random % 32),
            known ^ 0x2000_0000 << (random % 3),
            known ^ 0x0001_0000 << (random % 13),
            known & 0xffff_ff00 | random & 0xff,
        ];
        list[4 * at..4 * at + 4].copy_from_slice(&beside);
    }
    let others = 4 * COMMANDS;
    list[others..others + 5].copy_from_slice(&[
        GENERIC[random as usize % 12],
        0x1272,
        0x5401,
        0x5240,
        random & 0xffff,
    ]);
    list
}
