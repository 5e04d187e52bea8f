// SPDX-License-Identifier: MIT
//! What the module says in the log, and what it takes as a parameter.

use anyhow::ensure;
use machine::detectors::TAINT_OUT_OF_TREE;

use crate::frame::{Case, case};

pub fn cases() -> Vec<Case> {
    vec![
        case!(
            Security,
            an_address_of_the_kernels_in_the_log_is_found,
            |bed| {
                // After each test of each bed it is looked for; here there is one.
                bed.check("echo 'resmem: at c0de1234' > /dev/kmsg")?;
                let found = bed.guest.check_health(TAINT_OUT_OF_TREE);
                bed.check("dmesg -c > /dev/null")?;
                ensure!(found.is_err(), "it was not found");
                Ok(())
            }
        ),
        case!(Security, a_parameter_cannot_be_changed_later, |bed| {
            let file = "/sys/module/resmem/parameters/reserve_mem";
            let mode = bed.check(&format!("stat -c %a {file}"))?;
            ensure!(mode.trim() == "444", "{mode}");
            let output = bed.run(&format!("echo capture:rw > {file}"))?;
            ensure!(output.status != 0, "{output:?}");
            Ok(())
        }),
        case!(ReserveMem, a_list_of_too_many_names_is_cut, |bed| {
            let log = bed.check("dmesg | grep reserve_mem:")?;
            ensure!(
                log.contains("reserve_mem: more than 16 names, the rest is left out")
                    && log.contains("reserve_mem: n15: ")
                    && !log.contains("reserve_mem: n16: "),
                "{log}"
            );
            Ok(())
        }),
        case!(ReserveMem, a_name_is_not_taken_for_a_format, |bed| {
            bed.check("dmesg | grep -F 'reserve_mem: %p%s: nothing is reserved under this name'")
                .map(drop)
        }),
    ]
}
