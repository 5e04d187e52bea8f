// SPDX-License-Identifier: GPL-2.0

//! A character device: registration, and the C side of its file operations.
//!
//! Like `kernel::miscdevice`, which has neither names made at run time nor data of its own for each
//! device nor `llseek`, `poll` and `uring_cmd`.
//!
//! Lock order: the kernel's `misc_mtx`, held while a node is opened, registered or removed; no lock of
//! ours is taken under it.

use core::marker::PhantomData;

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
    sync::poll::PollTable,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

use super::{
    ffi,
    uring::Command, //
};

/// An open file of a device, and what can be done with it.
///
/// All but [`Self::open`] are called while the file is open, by any number of threads at a time, and may
/// sleep.
pub(crate) trait FileOperations: Send + Sync + Sized + 'static {
    /// What belongs to a device.
    type Device: Send + Sync + 'static;

    /// Opens a file. Called with the kernel's `misc_mtx` held.
    fn open(device: &Self::Device, file: &LocalFile) -> Result<Pin<KBox<Self>>>;

    /// Size in bytes, for `llseek`.
    fn size(&self) -> u64;

    /// Reads from `position` on, and moves it.
    fn read(&self, position: &mut bindings::loff_t, iter: &mut IovIterDest<'_>) -> Result<usize>;

    /// Sets a mapping up. Called with the process's `mmap_lock` held.
    fn mmap(&self, vma: &VmaNew) -> Result;

    /// What is ready, `POLL*`.
    fn poll(&self, file: &File, table: PollTable<'_>) -> u32;

    /// A command with an argument.
    fn ioctl(&self, file: &LocalFile, command: u32, argument: usize) -> Result;

    /// A command by io_uring. Called with the ring's lock held, if it is issued without blocking.
    fn uring_cmd(&self, file: &LocalFile, command: &Command<'_>) -> Result;
}

/// A registered device node, mode 0600.
///
/// Dropping it removes the node. Files that are open stay usable, and keep the module loaded.
///
/// # Invariants
///
/// `misc` is registered, and its strings point into `name` and `node`.
#[pin_data(PinnedDrop)]
pub(crate) struct CharDevice<T: FileOperations> {
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    name: CString,
    node: CString,
    device: T::Device,
}

// SAFETY: `misc_deregister()` may be called on any thread, and there are no `&self` methods that
// write; what belongs to the device is `Send`.
unsafe impl<T: FileOperations> Send for CharDevice<T> {}
// SAFETY: As above; what belongs to the device is `Sync`.
unsafe impl<T: FileOperations> Sync for CharDevice<T> {}

impl<T: FileOperations> CharDevice<T> {
    /// Registers a device of this name, with a node of the name `node` below `/dev`. No other device has
    /// the name: the kernel warns of two. May sleep.
    pub(crate) fn register(
        name: CString,
        node: CString,
        device: T::Device,
    ) -> impl PinInit<Self, Error> {
        // The strings are heap memory: they stay where they are when the `CString`s are moved.
        let (name_ptr, node_ptr) = (name.as_char_ptr(), node.as_char_ptr());

        try_pin_init!(Self {
            name,
            node,
            device,
            // Last: from here on the device can be opened.
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let misc = bindings::miscdevice {
                    minor: bindings::MISC_DYNAMIC_MINOR as c_int,
                    name: name_ptr,
                    nodename: node_ptr,
                    mode: 0o600,
                    fops: Operations::<T>::TABLE,
                    ..pin_init::zeroed()
                };
                // SAFETY: `slot` is valid for writes and pinned until `drop` deregisters it.
                unsafe { slot.write(misc) };
                // SAFETY: `slot` was just filled in.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
        }? Error)
    }
}

#[pinned_drop]
impl<T: FileOperations> PinnedDrop for CharDevice<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants it is registered, and this happens once.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}

/// The C side of the operations of `T`.
struct Operations<T>(PhantomData<T>);

impl<T: FileOperations> Operations<T> {
    const TABLE: &'static bindings::file_operations = &bindings::file_operations {
        owner: this_module::<crate::LocalModule>().as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        llseek: Some(Self::llseek),
        read_iter: Some(Self::read_iter),
        splice_read: Some(bindings::copy_splice_read),
        mmap: Some(Self::mmap),
        poll: Some(Self::poll),
        unlocked_ioctl: Some(Self::ioctl),
        compat_ioctl: bindings::compat_ptr_ioctl,
        uring_cmd: Some(Self::uring_cmd),
        ..pin_init::zeroed()
    };

    /// What belongs to an open file.
    ///
    /// # Safety
    ///
    /// `file` is an open file of a [`CharDevice<T>`], and stays open for `'a`.
    unsafe fn opened<'a>(file: *mut bindings::file) -> &'a T {
        // SAFETY: `open` stored a box of it, `release` takes it back when the file is closed, and the
        // caller promises that we are between the two.
        unsafe { &*(*file).private_data.cast::<T>() }
    }

    /// # Safety
    ///
    /// The `open` of a file of a [`CharDevice<T>`].
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The pointers are valid for a file that is being opened.
        let ret = unsafe { bindings::generic_file_open(inode, file) };
        if ret != 0 {
            return ret;
        }
        // SAFETY: `misc_open()` stored a pointer to the `struct miscdevice`, which is the field of a
        // `CharDevice`, and holds the lock that `misc_deregister()` takes for as long as we run.
        let device: &CharDevice<T> = unsafe {
            let misc: *mut bindings::miscdevice = (*file).private_data.cast();
            &*kernel::container_of!(Opaque::cast_from(misc).cast_mut(), CharDevice<T>, misc)
        };
        // SAFETY: The file is valid for this call, and no other thread knows it yet.
        let local = unsafe { LocalFile::from_raw_file(file) };
        match T::open(&device.device, local) {
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
    /// The `release` of a file of a [`CharDevice<T>`].
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `open` stored it, and this is the last that happens to the file.
        drop(unsafe { Pin::<KBox<T>>::from_foreign((*file).private_data) });
        0
    }

    /// # Safety
    ///
    /// The `llseek` of a file of a [`CharDevice<T>`].
    unsafe extern "C" fn llseek(
        file: *mut bindings::file,
        offset: bindings::loff_t,
        whence: c_int,
    ) -> bindings::loff_t {
        // SAFETY: The file is open during the call.
        let size = unsafe { Self::opened(file) }.size();
        // SAFETY: The file is valid.
        unsafe { bindings::fixed_size_llseek(file, offset, whence, size as bindings::loff_t) }
    }

    /// # Safety
    ///
    /// The `read_iter` of a file of a [`CharDevice<T>`].
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: The caller provides a valid kiocb of an open file of ours, and is alone with it; and a
        // valid iterator to read into.
        let (open, position, iter) = unsafe {
            (
                Self::opened((*kiocb).ki_filp),
                &mut (*kiocb).ki_pos,
                IovIterDest::from_raw(iter),
            )
        };
        match open.read(position, iter) {
            Ok(copied) => copied as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// The `mmap` of a file of a [`CharDevice<T>`], with a vma that is being set up.
    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: The file is open during the call; the caller provides a vma under construction.
        let (open, vma) = unsafe { (Self::opened(file), VmaNew::from_raw(vma)) };
        match open.mmap(vma) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// The `poll` of a file of a [`CharDevice<T>`].
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: The file is open during the call, and `poll` does not use the file position; the
        // caller provides a table that is null or valid.
        let (open, file, table) = unsafe {
            (
                Self::opened(file),
                File::from_raw_file(file),
                PollTable::from_raw(table),
            )
        };
        open.poll(file, table)
    }

    /// # Safety
    ///
    /// The `unlocked_ioctl` of a file of a [`CharDevice<T>`].
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: The file is open during the call. `ioctl` does not use the file position.
        let (open, file) = unsafe { (Self::opened(file), LocalFile::from_raw_file(file)) };
        match open.ioctl(file, command, argument) {
            Ok(()) => 0,
            Err(error) => error.to_errno() as c_long,
        }
    }

    /// # Safety
    ///
    /// The `uring_cmd` of a file of a [`CharDevice<T>`].
    unsafe extern "C" fn uring_cmd(cmd: *mut bindings::io_uring_cmd, issue_flags: c_uint) -> c_int {
        // SAFETY: The caller provides a command that is being issued, and its file is one of ours that
        // stays open during the call. The file position is not used.
        let (open, file, command) = unsafe {
            let file = ffi::resmem_uring_file(cmd);
            (
                Self::opened(file),
                LocalFile::from_raw_file(file),
                Command::from_raw(cmd, issue_flags),
            )
        };
        match open.uring_cmd(file, &command) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }
}
