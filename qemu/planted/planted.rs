// SPDX-License-Identifier: GPL-2.0

//! A bug on purpose, of the kind that the kernel's sanitizer looks for: if loading this module is not
//! reported, neither would be a bug of `resmem`. Only the twin has it.

use kernel::prelude::*;

#[cfg(CONFIG_KASAN)]
use out_of_bounds::plant;
#[cfg(CONFIG_KCSAN)]
use race::plant;

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
