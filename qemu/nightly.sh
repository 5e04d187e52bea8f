#!/bin/sh
# SPDX-License-Identifier: MIT
# The nightly tier: what takes too long for each commit. Seeds are drawn here and printed, so that a run can be
# repeated; each part has a log in out/nightly, and the summary says what failed.
set -u
cd "$(dirname "$0")/.." || exit 1
out=out/nightly
mkdir -p $out
: >$out/summary
seed=$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')
echo "seed $seed (FUZZ_SEED, CUTS_SEED)" | tee -a $out/summary
failed=0

part() { # name, command...
    name=$1
    shift
    began=$(date +%s)
    if "$@" >"$out/$name.log" 2>&1; then result=passed; else result=FAILED; failed=1; fi
    echo "$name: $result, $(($(date +%s) - began)) s: $*" | tee -a $out/summary
    [ $result = passed ] || tail -n 20 "$out/$name.log"
}

part boards make test-boards
part debug make test-debug
part twin make test-twin
part cuts make cuts CUTS_SEED="$seed"
part fuzz make fuzz FUZZ_SEED="$seed"
part fuzz-twin make fuzz FUZZ_SEED="$seed" SANITIZER=kasan FUZZ_OPS=200000
part fuzz-readers make fuzz-readers
part bench make bench
part reproducible make reproducible
part soak make soak
exit $failed
