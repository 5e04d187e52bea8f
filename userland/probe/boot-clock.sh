# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# With `ENV=/usr/bin/boot-clock.sh` on the kernel command line the first shell reads this before its
# first prompt.
unset ENV
probe clock >/tmp/clock.prompt
probe meter --rounds 1 -- resdump dump capture /dev/vda --engine kernel --force --quiet >/tmp/clock.dump
