// SPDX-License-Identifier: GPL-2.0

//! A character device below `/dev/resmem`: registration and the C side of its file operations.
//!
//! Like `kernel::miscdevice`, which has neither names made at run time nor data of its own for each
//! device nor `llseek`. What the operations do is in [`crate::fops`].
//!
//! Lock order: the kernel's `misc_mtx`, held while a node is opened, registered or removed; no lock of
//! ours is taken under it.

use kernel::{
    bindings,
    error::to_result,
    fs::{
        File,
        LocalFile, //
    },
    iov::IovIterDest,
    mm::virt::VmaNew,
    module::this_module,
    prelude::*,
    str::CString,
    sync::{
        poll::PollTable,
        Arc, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

use crate::{
    ffi,
    fops::{
        self,
        OpenRegion, //
    },
    labels::Claim,
    mmap,
    region::Region,
    uring, //
};

/// A registered device node `/dev/resmem/<label>`, mode 0600.
///
/// Dropping it removes the node. Files that are open keep the region, and keep the module loaded.
///
/// # Invariants
///
/// `misc` is registered, and its strings point into `name` and `node`.
#[pin_data(PinnedDrop)]
pub(crate) struct CharDevice {
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    name: CString,
    node: CString,
    region: Arc<Region>,
    _label: Claim,
}

// SAFETY: `misc_deregister()` may be called on any thread, and there are no `&self` methods that
// write.
unsafe impl Send for CharDevice {}
// SAFETY: As above.
unsafe impl Sync for CharDevice {}

impl CharDevice {
    /// Registers a device for `region`. May sleep. `EEXIST` when its label is in use.
    pub(crate) fn register(region: Arc<Region>) -> Result<impl PinInit<Self, Error>> {
        let label = region.label();
        let claim = Claim::new(label)?;
        let name = CString::try_from_fmt(fmt!("resmem-{label}"))?;
        let node = CString::try_from_fmt(fmt!("resmem/{label}"))?;
        // The strings are heap memory: they stay where they are when the `CString`s are moved.
        let (name_ptr, node_ptr) = (name.as_char_ptr(), node.as_char_ptr());

        Ok(try_pin_init!(Self {
            name,
            node,
            region,
            _label: claim,
            // Last: from here on the device can be opened.
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let misc = bindings::miscdevice {
                    minor: bindings::MISC_DYNAMIC_MINOR as c_int,
                    name: name_ptr,
                    nodename: node_ptr,
                    mode: 0o600,
                    fops: FILE_OPERATIONS,
                    ..pin_init::zeroed()
                };
                // SAFETY: `slot` is valid for writes and pinned until `drop` deregisters it.
                unsafe { slot.write(misc) };
                // SAFETY: `slot` was just filled in.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
        }? Error))
    }
}

#[pinned_drop]
impl PinnedDrop for CharDevice {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants it is registered, and this happens once.
        unsafe { bindings::misc_deregister(self.misc.get()) };
        self.region.unbind();
    }
}

const FILE_OPERATIONS: &bindings::file_operations = &bindings::file_operations {
    owner: this_module::<crate::LocalModule>().as_ptr(),
    open: Some(open),
    release: Some(release),
    llseek: Some(llseek),
    read_iter: Some(read_iter),
    splice_read: Some(bindings::copy_splice_read),
    mmap: Some(mmap),
    poll: Some(poll),
    unlocked_ioctl: Some(ioctl),
    compat_ioctl: bindings::compat_ptr_ioctl,
    uring_cmd: Some(uring_cmd),
    ..pin_init::zeroed()
};

/// What belongs to an open file.
///
/// # Safety
///
/// `file` is an open file of a [`CharDevice`], and stays open for `'a`.
unsafe fn opened<'a>(file: *mut bindings::file) -> &'a OpenRegion {
    // SAFETY: `open` stored a box of it, `release` takes it back when the file is closed, and the
    // caller promises that we are between the two.
    unsafe { &*(*file).private_data.cast::<OpenRegion>() }
}

/// # Safety
///
/// The `open` of a file of a [`CharDevice`].
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: The pointers are valid for a file that is being opened.
    let ret = unsafe { bindings::generic_file_open(inode, file) };
    if ret != 0 {
        return ret;
    }
    // SAFETY: `misc_open()` stored a pointer to the `struct miscdevice`, which is the field of a
    // `CharDevice`, and holds the lock that `misc_deregister()` takes for as long as we run.
    let device: &CharDevice = unsafe {
        let misc: *mut bindings::miscdevice = (*file).private_data.cast();
        &*kernel::container_of!(Opaque::cast_from(misc).cast_mut(), CharDevice, misc)
    };
    // SAFETY: The file is valid for this call, and nobody else knows it yet.
    let local = unsafe { LocalFile::from_raw_file(file) };
    match fops::open(device.region.clone(), local) {
        Ok(open) => {
            // SAFETY: The private data of a file that is being opened is ours to set.
            unsafe { (*file).private_data = open.into_foreign() };
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// The `release` of a file of a [`CharDevice`].
unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: `open` stored it, and this is the last that happens to the file.
    drop(unsafe { Pin::<KBox<OpenRegion>>::from_foreign((*file).private_data) });
    0
}

/// # Safety
///
/// The `llseek` of a file of a [`CharDevice`].
unsafe extern "C" fn llseek(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    whence: c_int,
) -> bindings::loff_t {
    // SAFETY: The file is open during the call.
    let size = unsafe { opened(file) }.region().memory().size();
    // SAFETY: The file is valid.
    unsafe { bindings::fixed_size_llseek(file, offset, whence, size as bindings::loff_t) }
}

/// # Safety
///
/// The `read_iter` of a file of a [`CharDevice`].
unsafe extern "C" fn read_iter(
    kiocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: The caller provides a valid kiocb of an open file of ours, and is alone with it; and a
    // valid iterator to read into.
    let (open, position, iter) = unsafe {
        (
            opened((*kiocb).ki_filp),
            &mut (*kiocb).ki_pos,
            IovIterDest::from_raw(iter),
        )
    };
    match fops::read(open.region(), position, iter) {
        Ok(copied) => copied as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// # Safety
///
/// The `mmap` of a file of a [`CharDevice`], with a vma that is being set up.
unsafe extern "C" fn mmap(file: *mut bindings::file, vma: *mut bindings::vm_area_struct) -> c_int {
    // SAFETY: The file is open during the call; the caller provides a vma under construction.
    let (open, vma) = unsafe { (opened(file), VmaNew::from_raw(vma)) };
    match mmap::map(open.region(), vma) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// The `poll` of a file of a [`CharDevice`].
unsafe extern "C" fn poll(
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: The file is open during the call, and `poll` does not use the file position; the
    // caller provides a table that is null or valid.
    let (open, file, table) = unsafe {
        (
            opened(file),
            File::from_raw_file(file),
            PollTable::from_raw(table),
        )
    };
    fops::poll(open, file, table)
}

/// # Safety
///
/// The `unlocked_ioctl` of a file of a [`CharDevice`].
unsafe extern "C" fn ioctl(
    file: *mut bindings::file,
    command: c_uint,
    argument: c_ulong,
) -> c_long {
    // SAFETY: The file is open during the call. `ioctl` does not use the file position.
    let (open, file) = unsafe { (opened(file), LocalFile::from_raw_file(file)) };
    match fops::ioctl(open, file, command, argument) {
        Ok(()) => 0,
        Err(error) => error.to_errno() as c_long,
    }
}

/// # Safety
///
/// The `uring_cmd` of a file of a [`CharDevice`].
unsafe extern "C" fn uring_cmd(cmd: *mut bindings::io_uring_cmd, issue_flags: c_uint) -> c_int {
    // SAFETY: The caller provides a command that is being issued, and its file is one of ours that
    // stays open during the call. The file position is not used.
    let (open, file, command) = unsafe {
        let file = ffi::resmem_uring_file(cmd);
        (
            opened(file),
            LocalFile::from_raw_file(file),
            uring::Command::from_raw(cmd, issue_flags),
        )
    };
    match uring::run(open.region(), file, &command) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
