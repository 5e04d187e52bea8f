// SPDX-License-Identifier: MIT

//! The partition table of a master boot record.

/// Bytes of a sector, and of the record.
pub(crate) const SECTOR: usize = 512;
/// Partitions end at multiples of this many sectors: 1 MiB.
const ALIGN: u64 = 2048;
/// Where the four entries are, and the bytes of each.
const TABLE: usize = 446;
const ENTRY: usize = 16;
/// Where an entry has the partition's type, first sector and number of sectors; the last sector as
/// cylinder, head and sector.
const TYPE: usize = 4;
const LAST_CHS: usize = 5;
const FIRST: usize = 8;
const COUNT: usize = 12;

/// Why a table is not touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MbrError {
    #[error("no master boot record")]
    NoRecord,
    #[error("the partition is none of the four of the table, or not where the kernel sees it")]
    NotThere,
    #[error("the partition is not the last of the disk")]
    NotLast,
}

/// Makes partition `number` (from 1), which starts at sector `start`, end where the disk of
/// `disk_sectors` ends, and returns its new number of sectors; `None` if it does already. A table
/// reaches 2 TiB; what is beyond stays unused.
pub(crate) fn grow(
    record: &mut [u8; SECTOR],
    number: u8,
    start: u64,
    disk_sectors: u64,
) -> Result<Option<u64>, MbrError> {
    if record[510..] != [0x55, 0xaa] {
        return Err(MbrError::NoRecord);
    }
    let field = |record: &[u8; SECTOR], entry: usize, offset: usize| {
        let from = TABLE + entry * ENTRY + offset;
        let bytes = [0, 1, 2, 3].map(|byte| record[from + byte]);
        u64::from(u32::from_le_bytes(bytes))
    };
    let own = usize::from(number).wrapping_sub(1);
    if own >= 4 || field(record, own, FIRST) != start {
        return Err(MbrError::NotThere);
    }
    let used = |entry: &usize| record[TABLE + entry * ENTRY + TYPE] != 0;
    if (0..4)
        .filter(used)
        .any(|entry| field(record, entry, FIRST) > start)
    {
        return Err(MbrError::NotLast);
    }
    let end = disk_sectors.min(u64::from(u32::MAX)) / ALIGN * ALIGN;
    let sectors = end.saturating_sub(start);
    let Ok(count) = u32::try_from(sectors) else {
        return Ok(None);
    };
    if sectors <= field(record, own, COUNT) {
        return Ok(None);
    }
    let entry = &mut record[TABLE + own * ENTRY..][..ENTRY];
    entry[COUNT..].copy_from_slice(&count.to_le_bytes());
    // Beyond what cylinders, heads and sectors can tell.
    entry[LAST_CHS..FIRST].copy_from_slice(&[0xfe, 0xff, 0xff]);
    Ok(Some(sectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with partitions of the given first sectors and sizes.
    fn record(partitions: &[(u32, u32)]) -> [u8; SECTOR] {
        let mut record = [0; SECTOR];
        record[510..].copy_from_slice(&[0x55, 0xaa]);
        for (index, (first, count)) in partitions.iter().enumerate() {
            let entry = &mut record[TABLE + index * ENTRY..][..ENTRY];
            entry[TYPE] = 0x83;
            entry[FIRST..COUNT].copy_from_slice(&first.to_le_bytes());
            entry[COUNT..].copy_from_slice(&count.to_le_bytes());
        }
        record
    }

    #[test]
    fn the_last_partition_grows_to_the_end_of_the_disk() {
        let mut table = record(&[(2048, 2048), (4096, 2048)]);
        assert_eq!(grow(&mut table, 2, 4096, 102_500), Ok(Some(98_304)));
        let mut expected = record(&[(2048, 2048), (4096, 98_304)]);
        expected[TABLE + ENTRY + LAST_CHS..][..3].copy_from_slice(&[0xfe, 0xff, 0xff]);
        assert_eq!(table, expected);
    }

    #[test]
    fn a_partition_that_reaches_the_end_is_left_alone() {
        let mut table = record(&[(2048, 100_352)]);
        assert_eq!(grow(&mut table, 1, 2048, 102_500), Ok(None));
        assert_eq!(table, record(&[(2048, 100_352)]));
    }

    #[test]
    fn a_partition_before_another_is_refused() {
        let mut table = record(&[(2048, 2048), (4096, 2048)]);
        assert_eq!(grow(&mut table, 1, 2048, 102_400), Err(MbrError::NotLast));
    }

    #[test]
    fn a_partition_that_is_not_in_the_table_is_refused() {
        let mut table = record(&[(2048, 2048)]);
        for (number, start) in [(0, 2048), (1, 4096), (5, 2048)] {
            let grown = grow(&mut table, number, start, 102_400);
            assert_eq!(grown, Err(MbrError::NotThere));
        }
    }

    #[test]
    fn a_disk_without_a_record_is_refused() {
        let grown = grow(&mut [0; SECTOR], 1, 0, 102_400);
        assert_eq!(grown, Err(MbrError::NoRecord));
    }

    #[test]
    fn what_is_beyond_2_tib_stays_unused() {
        let mut table = record(&[(2048, 2048)]);
        let sectors = grow(&mut table, 1, 2048, 1 << 40);
        assert_eq!(sectors, Ok(Some((u64::from(u32::MAX) / 2048 - 1) * 2048)));
    }
}
