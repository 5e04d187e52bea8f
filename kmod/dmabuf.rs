// SPDX-License-Identifier: GPL-2.0

//! Whole pages of a region as a dma-buf, which other drivers import.
//!
//! What an importer has mapped is in use as by a request that lasts until it is unmapped: by a dump if its device reads
//! only, else by a load. The pages are reserved memory, so it stays valid whatever happens to the module's driver.
//!
//! Lock order: the reservation lock of a dma-buf, which importers hold; `Export::mapped`; `Region::lent`.

use kernel::{
    alloc::flags::GFP_KERNEL,
    fs::{
        file::{
            flags::O_CLOEXEC,
            FileDescriptorReservation, //
        },
        LocalFile, //
    },
    mm::virt::VmaNew,
    new_mutex,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use crate::{
    abi,
    abstractions::{
        dmabuf::{
            self,
            Address,
            KernelMapping, //
        },
        file::{
            opened_for_reading,
            opened_for_writing, //
        },
        importer::{
            Direction,
            Handle,
            Importer,
            Table, //
        },
        mmap,
        task, //
    },
    argument::Argument,
    range,
    region::Region, //
};

/// Pages of a region that were exported.
#[pin_data]
pub(crate) struct Export {
    region: Arc<Region>,
    offset: u64,
    length: usize,
    writable: bool,
    #[pin]
    mapped: Mutex<Mapped>,
}

/// What is mapped of them.
#[derive(Default)]
struct Mapped {
    tables: KVec<Table>,
    kernel: Option<KernelMapping>,
    /// How many of these may be written by: they are one load.
    writers: usize,
}

/// Does what [`abi::IOC_EXPORT`] says once flags and reserved fields are known to be right.
pub(crate) fn export(
    region: &Arc<Region>,
    mut asked: abi::RegionExport,
    argument: Argument,
    node: &LocalFile,
) -> Result {
    let export = Export::new(region, &asked, node)?;
    let (length, writable) = (export.length, export.writable);
    let close_on_exec = match asked.flags & abi::EXPORT_CLOEXEC {
        0 => 0,
        _ => O_CLOEXEC,
    };
    let descriptor = FileDescriptorReservation::get_unused_fd_flags(close_on_exec)?;
    let file = dmabuf::make(export, length, writable)?;
    asked.length = length as u64;
    asked.fd = descriptor.reserved_fd() as i32;
    // Before other threads can use it: an answer that cannot be written leaves nothing behind.
    argument.write(&asked)?;
    descriptor.fd_install(file);
    Ok(())
}

impl Export {
    fn new(region: &Arc<Region>, asked: &abi::RegionExport, node: &LocalFile) -> Result<Arc<Self>> {
        if !opened_for_reading(node) {
            return Err(EBADF);
        }
        let writable = asked.flags & abi::EXPORT_WRITE != 0;
        if writable && !region.writable() {
            return Err(EPERM);
        }
        if writable && !opened_for_writing(node) {
            return Err(EBADF);
        }
        let (memory, page) = (region.memory(), PAGE_SIZE as u64);
        let offset = asked.region_offset;
        let length = match asked.length {
            0 => memory.size().checked_sub(offset).ok_or(ERANGE)? & !(page - 1),
            length => length,
        };
        range::within(offset, length, memory.size())?;
        range::aligned(&[memory.base(), offset, length], page)?;
        let length = usize::try_from(length).map_err(|_| EINVAL)?;
        let (first, _) = memory.locate(offset);
        if memory.frames().pages_from(first) < length >> PAGE_SHIFT {
            if task::may_log() {
                let label = region.label();
                pr_notice!("{label}: not exported: memory of the range has no page structures\n");
            }
            return Err(ENXIO);
        }
        if !region.is_bound() {
            return Err(ENODEV);
        }
        Arc::pin_init(
            pin_init!(Self {
                region: region.clone(),
                offset,
                length,
                writable,
                mapped <- new_mutex!(Mapped::default()),
            }),
            GFP_KERNEL,
        )
    }

    fn map_and_keep(&self, importer: Importer, direction: Direction) -> Result<Handle> {
        let memory = self.region.memory();
        let table = Table::new(memory, self.offset, self.length, importer, direction)?;
        let handle = table.handle();
        self.mapped.lock().tables.push(table, GFP_KERNEL)?;
        Ok(handle)
    }

    /// An importer begins to move bytes.
    fn begin(&self, direction: Direction) -> Result {
        if !self.region.is_bound() {
            return Err(ENODEV);
        }
        let length = self.length as u64;
        match direction {
            Direction::ToDevice => self.region.look(self.offset, length),
            _ if !self.writable => Err(EACCES),
            _ => {
                let mut mapped = self.mapped.lock();
                if mapped.writers == 0 {
                    self.region.begin_load(self.offset, length, true)?;
                }
                mapped.writers += 1;
                Ok(())
            }
        }
    }

    /// It has ended.
    fn end(&self, direction: Direction) {
        if direction == Direction::ToDevice {
            return;
        }
        let mut mapped = self.mapped.lock();
        mapped.writers -= 1;
        if mapped.writers > 0 {
            return;
        }
        match self.region.end_load(self.offset, self.length as u64, true) {
            // There is no device any more to give it to.
            Ok(()) | Err(ENODEV) => {}
            Err(error) => {
                let label = self.region.label();
                pr_warn!("{label}: not given back to its device after an import: {error:?}\n");
            }
        }
    }
}

impl dmabuf::Export for Export {
    fn attach(&self) -> Result {
        match self.region.is_bound() {
            true => Ok(()),
            false => Err(ENODEV),
        }
    }

    fn map(&self, importer: Importer, direction: Direction) -> Result<Handle> {
        self.begin(direction)?;
        let kept = self.map_and_keep(importer, direction);
        if kept.is_err() {
            self.end(direction);
        }
        kept
    }

    fn unmap(&self, handle: Handle) {
        let table = {
            let tables = &mut self.mapped.lock().tables;
            let index = tables.iter().position(|table| table.handle() == handle);
            index.and_then(|index| tables.remove(index).ok())
        };
        if let Some(table) = table {
            let direction = table.direction();
            drop(table);
            self.end(direction);
        }
    }

    fn map_for_kernel(&self) -> Result<Address> {
        // Importers may write, whatever they say: nothing else is known of them.
        self.begin(Direction::Both)?;
        match KernelMapping::new(self.region.memory(), self.offset, self.length) {
            Ok(mapping) => {
                let address = mapping.address();
                self.mapped.lock().kernel = Some(mapping);
                Ok(address)
            }
            Err(error) => {
                self.end(Direction::Both);
                Err(error)
            }
        }
    }

    fn unmap_for_kernel(&self) {
        let mapping = self.mapped.lock().kernel.take();
        drop(mapping);
        self.end(Direction::Both);
    }

    fn mmap(&self, vma: &VmaNew) -> Result {
        let first = self.region.memory().locate(self.offset).0;
        let pages = first..first + (self.length >> PAGE_SHIFT);
        mmap::map(&self.region, pages, self.writable, vma)
    }

    fn begin_cpu_access(&self, direction: Direction) -> Result {
        match direction {
            Direction::FromDevice => self.region.look(self.offset, self.length as u64)?,
            _ if !self.writable => return Err(EACCES),
            _ => self.region.take(self.offset, self.length as u64)?,
        }
        for table in &self.mapped.lock().tables {
            table.sync_for_cpu();
        }
        Ok(())
    }

    fn end_cpu_access(&self, direction: Direction) -> Result {
        if direction != Direction::FromDevice && !self.writable {
            return Err(EACCES);
        }
        for table in &self.mapped.lock().tables {
            table.sync_for_device();
        }
        match direction {
            Direction::FromDevice => Ok(()),
            _ => match self.region.give(self.offset, self.length as u64) {
                // What is being loaded is given to the device at the end of the load.
                Err(EBUSY) => Ok(()),
                given => given,
            },
        }
    }
}
