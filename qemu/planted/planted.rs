// SPDX-License-Identifier: GPL-2.0

//! A bug on purpose, of the kind that the kernel's detectors look for: if loading this module is not
//! reported, neither would be a bug of `resmem`. The twin's images have it, and those of debug kernels.

use kernel::prelude::*;

#[cfg(CONFIG_KASAN)]
use out_of_bounds::plant;
#[cfg(all(CONFIG_SLUB_DEBUG_ON, not(CONFIG_KFENCE)))]
use poisoned::plant;
#[cfg(CONFIG_KCSAN)]
use race::plant;
#[cfg(CONFIG_KFENCE)]
use use_after_free::plant;

struct Planted;

impl kernel::Module for Planted {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        plant()?;
        Ok(Self)
    }
}

module! {
    type: Planted,
    name: "planted",
    authors: ["The resdump authors"],
    description: "A bug on purpose",
    license: "GPL",
}

#[cfg(CONFIG_KASAN)]
mod out_of_bounds {
    use core::hint::black_box;

    use kernel::{
        alloc::flags::GFP_KERNEL,
        prelude::*, //
    };

    const SIZE: usize = 60;

    /// Reads the byte behind an allocation.
    #[inline(never)]
    pub(super) fn plant() -> Result {
        let bytes = KVec::from_elem(0u8, SIZE, GFP_KERNEL)?;
        // SAFETY: There is no argument, that is the point: nothing is valid behind the last byte.
        let behind = unsafe { bytes.as_ptr().add(black_box(SIZE)).read() };
        pr_info!("read {behind}\n");
        Ok(())
    }
}

#[cfg(CONFIG_KFENCE)]
mod use_after_free {
    use core::hint::black_box;

    use kernel::{
        alloc::flags::GFP_KERNEL,
        page::PAGE_SIZE,
        prelude::*,
        time::{
            delay::fsleep,
            Delta, //
        }, //
    };

    const SIZE: usize = 60;

    /// Bytes of the pool with the default number of objects.
    const POOL: usize = 256 * 2 * PAGE_SIZE;

    /// Milliseconds, of which each has an allocation: one in some tens of them is guarded.
    const TIMES: u32 = 10_000;

    extern "C" {
        /// Begin of the memory that guarded objects are in.
        static __kfence_pool: *const u8;
    }

    /// Reads a guarded object that has been freed.
    #[inline(never)]
    pub(super) fn plant() -> Result {
        for _ in 0..TIMES {
            let bytes = KVec::from_elem(0u8, SIZE, GFP_KERNEL)?;
            let freed = bytes.as_ptr();
            drop(bytes);
            // SAFETY: Set at boot.
            let pool = unsafe { __kfence_pool };
            if freed.addr().wrapping_sub(pool.addr()) < POOL {
                // SAFETY: There is no argument, that is the point: nothing is valid after the drop.
                let byte = unsafe { black_box(freed).read_volatile() };
                pr_info!("read {byte}\n");
                return Ok(());
            }
            fsleep(Delta::from_millis(1));
        }
        Err(ETIMEDOUT)
    }
}

#[cfg(all(CONFIG_SLUB_DEBUG_ON, not(CONFIG_KFENCE)))]
mod poisoned {
    use core::hint::black_box;

    use kernel::{
        alloc::flags::GFP_KERNEL,
        prelude::*, //
    };

    const SIZE: usize = 60;

    /// Objects that are allocated afterwards, so that the one that was written to is among them.
    const OBJECTS: usize = 4096;

    /// Writes to an object that has been freed, and has the allocator look at it.
    #[inline(never)]
    pub(super) fn plant() -> Result {
        let mut bytes = KVec::from_elem(0u8, SIZE, GFP_KERNEL)?;
        let freed = bytes.as_mut_ptr();
        drop(bytes);
        // SAFETY: There is no argument, that is the point: nothing is valid after the drop.
        unsafe { black_box(freed).add(SIZE / 2).write_volatile(0) };
        let mut objects = KVec::with_capacity(OBJECTS, GFP_KERNEL)?;
        for _ in 0..OBJECTS {
            objects.push(KVec::from_elem(0u8, SIZE, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(())
    }
}

#[cfg(CONFIG_KCSAN)]
mod race {
    use core::{
        cell::UnsafeCell,
        hint::black_box, //
    };

    use kernel::{
        alloc::flags::GFP_KERNEL,
        prelude::*,
        sync::{
            atomic::{
                ordering::{
                    Acquire,
                    Release, //
                },
                Atomic, //
            },
            Arc, //
        },
        workqueue, //
    };

    /// Increments by the worker: enough that some of them are watched.
    const TIMES: u32 = 2_000_000;

    struct Shared {
        counter: UnsafeCell<u32>,
        ended: Atomic<bool>,
    }

    // SAFETY: There is no argument, that is the point: nothing keeps two threads from the counter.
    unsafe impl Sync for Shared {}

    impl Shared {
        #[inline(never)]
        fn increment(&self) {
            // SAFETY: As above.
            unsafe { *black_box(self.counter.get()) += 1 };
        }
    }

    /// Two threads increment a counter.
    pub(super) fn plant() -> Result {
        let shared = Arc::new(
            Shared {
                counter: UnsafeCell::new(0),
                ended: Atomic::new(false),
            },
            GFP_KERNEL,
        )?;
        let other = shared.clone();
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            for _ in 0..TIMES {
                other.increment();
            }
            other.ended.store(true, Release);
        })?;
        while !shared.ended.load(Acquire) {
            shared.increment();
        }
        Ok(())
    }
}
