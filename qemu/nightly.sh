#!/bin/sh
# SPDX-License-Identifier: MIT
# The nightly tier: what takes too long for each commit. The seed is drawn here and printed, so that a run can be
# repeated; each part has a log in out/nightly, and the summary says what failed.
#
#   nightly.sh --list     names of the parts
#   nightly.sh [PART...]  those, or all; SEED repeats an earlier run
set -u
cd "$(dirname "$0")/.." || exit 1
out=out/nightly
seed=$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')
export SEED="${SEED:-$seed}"
cache=${RESDUMP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/resdump}
wanted=$*
failed=0
ran=0

part() { # name, command...
    name=$1
    shift
    case $wanted in
    --list) echo "$name" && return ;;
    '') ;;
    *) case " $wanted " in *" $name "*) ;; *) return ;; esac ;;
    esac
    ran=$((ran + 1))
    began=$(date +%s)
    if "$@" >"$out/$name.log" 2>&1; then result=passed; else result=FAILED; failed=1; fi
    echo "$name: $result, $(($(date +%s) - began)) s: $*" | tee -a $out/summary
    [ $result = passed ] || tail -n 20 "$out/$name.log"
}

if [ "$wanted" != --list ]; then
    mkdir -p $out
    : >$out/summary
    echo "SEED=$SEED" | tee -a $out/summary
fi
part boards make test-boards
part lab make test-lab
part debug make test-debug
part disks make test-disks
part test-bring-up make test-bring-up
part twin make test-twin
part cuts make cuts
part bring-up make bring-up
part record-cuts make record-cuts
part mutations make mutations
part fuzz make fuzz
part fuzz-twin make fuzz SANITIZER=kasan COUNT=200000
part fuzz-readers make fuzz-readers
part slow-lines make slow-lines
part bench make bench
part profile-boot make profile-boot
part patches make patches-alone
part upstream make upstream
part soak make soak
part reproducible make reproducible
part release qemu/release-twice.sh qemu-ppce500
part own-kernel sh -ec "make quick-image && qemu/own-kernel.sh '$cache'"
# Boards that QEMU does not play.
for conf in board/*/board.conf; do
    board=$(basename "$(dirname "$conf")")
    case $board in qemu-*) ;; *) part "$board" make quick-image BOARD="$board" ;; esac
done
part readers make readers
part container qemu/container.sh
part fresh make fresh
if [ "$wanted" != --list ] && [ $ran -eq 0 ]; then
    echo "nightly: no part of that name; there are: $("$0" --list | paste -sd " ")" >&2
    exit 2
fi
exit $failed
