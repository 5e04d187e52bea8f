# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# With `ENV=/usr/bin/boot-clock.sh` on the kernel command line the first shell reads this before its
# first prompt.
unset ENV
probe clock >/tmp/clock.prompt
resdump dump capture /dev/vda --engine kernel --force --quiet
probe clock >/tmp/clock.dump
