#!/bin/sh
# SPDX-License-Identifier: MIT
# The commands of docs/how-to/own-kernel.md, word for word, with a kernel that `make quick-image` has built in the place of
# the reader's. Lines after a command are what it prints.
#
#   own-kernel.sh CACHE
set -eu
cd "$(dirname "$0")/.."
cache=${1:?the folder of RESDUMP_CACHE}
KERNEL=$cache/linux-build/qemu-ppce500-appliance
PATH=$(echo "$cache"/bindgen-*/bin):/usr/bin:$PATH
LIBCLANG_PATH=$(dirname "$(find /usr/lib/llvm-* -name libclang.so | sort -V | tail -n 1)")
export KERNEL PATH LIBCLANG_PATH
work=$(mktemp -d)
trap 'rm -rf "$work"; git clean -fdxq kmod' EXIT
awk -v work="$work" '
    /^    \$ / { number++; sub(/^    \$ /, ""); print > sprintf("%s/%02d.sh", work, number); open = 1; next }
    /^    / { if (open) { sub(/^    /, ""); print > sprintf("%s/%02d.said", work, number) } next }
    { open = 0 }
' docs/how-to/own-kernel.md
git clean -fdxq kmod
rm -rf out/dumper
number=0
for script in "$work"/*.sh; do
    number=$((number + 1))
    cat "$script"
    sh -e "$script" >"$work/printed" 2>&1 || { cat "$work/printed"; echo "FAIL: $(cat "$script")"; exit 1; }
    said=${script%.sh}.said
    if [ -f "$said" ] && ! diff "$said" "$work/printed"; then
        echo "FAIL: $(cat "$script") prints something else"
        exit 1
    fi
done
[ "$number" -ge 3 ] || { echo "FAIL: the document has $number commands"; exit 1; }
file kmod/resmem.ko | grep -q 'ELF 32-bit MSB relocatable, PowerPC'
file out/dumper/resdump | grep -q 'ELF 32-bit MSB executable, PowerPC.* statically linked'
echo "PASS: $number commands"
