// SPDX-License-Identifier: GPL-2.0

//! A dma-buf: the C side of its operations, and mappings for the kernel.
//!
//! Lock order: an importer's calls come with the reservation lock of the buffer held; no other lock is taken here.

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    alloc::{
        flags::GFP_KERNEL,
        KVVec, //
    },
    bindings,
    error::to_result,
    ffi::c_void,
    fs::File,
    mm::virt::VmaNew,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    types::ForeignOwnable, //
};

use super::{
    ffi,
    importer::{
        Direction,
        Handle,
        Importer, //
    },
    memory::Memory, //
};

/// What a dma-buf is about. Called by drivers that import it, which get the errors; all may sleep.
pub(crate) trait Export: Send + Sync {
    /// A device is going to import it.
    fn attach(&self) -> Result;

    /// Maps all of it for an importer's device.
    fn map(&self, importer: Importer, direction: Direction) -> Result<Handle>;

    /// Unmaps what [`Self::map`] mapped.
    fn unmap(&self, handle: Handle);

    /// Maps all of it for an importer's processors. The kernel maps once for all importers.
    fn map_for_kernel(&self) -> Result<Address>;

    /// Unmaps what [`Self::map_for_kernel`] mapped.
    fn unmap_for_kernel(&self);

    /// A process maps a part.
    fn mmap(&self, vma: &VmaNew) -> Result;

    /// Processors are about to read it (`FromDevice`) or write to it, by a mapping of a process or of the kernel.
    fn begin_cpu_access(&self, direction: Direction) -> Result;

    /// They have done so.
    fn end_cpu_access(&self, direction: Direction) -> Result;
}

/// Makes a dma-buf of `size` bytes that `export` is about, and that may be opened for writing if `writable`. The file
/// keeps the module loaded, and `export` until its last use.
///
/// May sleep. Errors: `ENOMEM`, `ENFILE`.
pub(crate) fn make(export: Arc<dyn Export>, size: usize, writable: bool) -> Result<ARef<File>> {
    let export = KBox::new(export, GFP_KERNEL)?.into_foreign();
    let mut file = ptr::null_mut();
    // SAFETY: `export` stays until `resmem_export_release` is called, and `file` is ours.
    let made = to_result(unsafe { ffi::resmem_export(export, size, writable, &mut file) });
    if let Err(error) = made {
        // SAFETY: It was made from the box just now, and is not kept by a call that fails.
        drop(unsafe { KBox::<Arc<dyn Export>>::from_foreign(export) });
        return Err(error);
    }
    let file = NonNull::new(file.cast::<File>()).ok_or(ENOMEM)?;
    // SAFETY: The file is new, and its only reference is ours. No process has it, so nothing uses its position.
    Ok(unsafe { ARef::from_raw(file) })
}

/// Where the kernel has mapped it.
pub(crate) struct Address(NonNull<c_void>);

/// Pages of a region at consecutive addresses of the kernel, cached. Unmapped when dropped.
///
/// # Invariants
///
/// `address` is what mapping returned.
pub(crate) struct KernelMapping {
    address: NonNull<c_void>,
}

// SAFETY: A mapping may be given back on any thread.
unsafe impl Send for KernelMapping {}

impl KernelMapping {
    /// Maps `length` bytes of `memory` from `offset` on, whole pages that all have page structures.
    ///
    /// May sleep. Errors: `ENXIO` for a page without a structure, `ENOMEM`, also for addresses.
    pub(crate) fn new(memory: &Memory, offset: u64, length: usize) -> Result<Self> {
        let (first, _) = memory.locate(offset);
        let count = length / PAGE_SIZE;
        let mut pages: KVVec<*mut bindings::page> = KVVec::with_capacity(count, GFP_KERNEL)?;
        for index in first..first + count {
            pages.push(memory.frames().pages(index)?.0.as_ptr(), GFP_KERNEL)?;
        }
        let count = u32::try_from(count).map_err(|_| EINVAL)?;
        // SAFETY: So many pages are in the vector, which is not kept; they stay reserved.
        let address = unsafe { ffi::resmem_map_pages(pages.as_mut_ptr(), count) };
        // INVARIANT: It was just returned, unless there is none.
        Ok(Self {
            address: NonNull::new(address).ok_or(ENOMEM)?,
        })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> Address {
        Address(self.address)
    }
}

impl Drop for KernelMapping {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, and this is its last use.
        unsafe { ffi::resmem_unmap_pages(self.address.as_ptr()) };
    }
}

/// What a dma-buf is about.
///
/// # Safety
///
/// `export` is the private pointer of a dma-buf that [`make`] has made, and that is not released for `'a`.
unsafe fn exported<'a>(export: *const c_void) -> &'a dyn Export {
    // SAFETY: `make` stored a box with a reference to it, which lives until the buffer is released.
    unsafe { &**export.cast::<Arc<dyn Export>>() }
}

fn errno(result: Result) -> c_int {
    result.map_or_else(|error| error.to_errno(), |()| 0)
}

/// # Safety
///
/// Called as dmabuf.c does: see [`exported`].
#[no_mangle]
unsafe extern "C" fn resmem_export_attach(export: *const c_void) -> c_int {
    // SAFETY: By our own requirements.
    errno(unsafe { exported(export) }.attach())
}

/// # Safety
///
/// As above; the device is the importer's, which unmaps what it maps before that goes, and `table` is valid for a write.
#[no_mangle]
unsafe extern "C" fn resmem_export_map(
    export: *const c_void,
    importer: *mut bindings::device,
    direction: u32,
    table: *mut *mut bindings::sg_table,
) -> c_int {
    // SAFETY: By our own requirements.
    let export = unsafe { exported(export) };
    // INVARIANT: By our own requirements.
    let importer = Importer(importer);
    let mapped =
        Direction::from_raw(direction).and_then(|direction| export.map(importer, direction));
    errno(mapped.map(|handle| {
        // SAFETY: By our own requirements.
        unsafe { table.write(handle.0) }
    }))
}

/// # Safety
///
/// As above.
#[no_mangle]
unsafe extern "C" fn resmem_export_unmap(export: *const c_void, table: *mut bindings::sg_table) {
    // SAFETY: By our own requirements.
    unsafe { exported(export) }.unmap(Handle(table));
}

/// # Safety
///
/// As above.
#[no_mangle]
unsafe extern "C" fn resmem_export_begin_cpu_access(
    export: *const c_void,
    direction: u32,
) -> c_int {
    // SAFETY: By our own requirements.
    let export = unsafe { exported(export) };
    errno(Direction::from_raw(direction).and_then(|direction| export.begin_cpu_access(direction)))
}

/// # Safety
///
/// As above.
#[no_mangle]
unsafe extern "C" fn resmem_export_end_cpu_access(export: *const c_void, direction: u32) -> c_int {
    // SAFETY: By our own requirements.
    let export = unsafe { exported(export) };
    errno(Direction::from_raw(direction).and_then(|direction| export.end_cpu_access(direction)))
}

/// # Safety
///
/// As above; the vma is being set up.
#[no_mangle]
unsafe extern "C" fn resmem_export_mmap(
    export: *const c_void,
    vma: *mut bindings::vm_area_struct,
) -> c_int {
    // SAFETY: By our own requirements.
    let (export, vma) = unsafe { (exported(export), VmaNew::from_raw(vma)) };
    errno(export.mmap(vma))
}

/// # Safety
///
/// As above; `address` is valid for a write.
#[no_mangle]
unsafe extern "C" fn resmem_export_vmap(export: *const c_void, address: *mut *mut c_void) -> c_int {
    // SAFETY: By our own requirements.
    let export = unsafe { exported(export) };
    errno(export.map_for_kernel().map(|mapped| {
        // SAFETY: By our own requirements.
        unsafe { address.write(mapped.0.as_ptr()) }
    }))
}

/// # Safety
///
/// As above.
#[no_mangle]
unsafe extern "C" fn resmem_export_vunmap(export: *const c_void) {
    // SAFETY: By our own requirements.
    unsafe { exported(export) }.unmap_for_kernel();
}

/// # Safety
///
/// As above; it is the last call.
#[no_mangle]
unsafe extern "C" fn resmem_export_release(export: *mut c_void) {
    // SAFETY: `make` made the pointer from such a box, and nothing uses it any more.
    drop(unsafe { KBox::<Arc<dyn Export>>::from_foreign(export) });
}
