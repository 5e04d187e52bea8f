#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what a Debian 12 or 13 machine lacks. Elsewhere it says what is needed and stops.
#
#   setup.sh          for everything but the twin
#   setup.sh twin     for the twin too
#   setup.sh readers  for the programs that read dumps too
#   setup.sh release  for a release too: compilers for the other architecture of hosts
#   setup.sh ppc64    for programs of 64 bits too
set -eu

# A Rust toolchain of the distribution's, newer than what Linux asks for, and its library source;
# the cross compiler; a libclang that is new enough for bindgen; what Linux and busybox are built
# with; what runs and inspects a guest; what disk images are made with; what Buildroot needs beside these;
# what lint uses.
packages="
rustc-web cargo-web rustfmt-web rust-web-clippy rust-web-src
gcc libc6-dev gcc-powerpc-linux-gnu libc6-dev-powerpc-cross
libclang-19-dev
make flex bison bc libssl-dev libelf-dev patch tar xz-utils bzip2 u-boot-tools gawk git
g++ perl rsync cpio unzip wget file gpg
ca-certificates debian-archive-keyring
qemu-system-ppc u-boot-qemu device-tree-compiler e2fsprogs
squashfs-tools genimage
shellcheck mandoc pkg-config python3 python3-dev python3-venv
"
tools="cargo rustc powerpc-linux-gnu-gcc qemu-system-ppc dtc fdtoverlay mkimage genimage"

# The twin (board/qemu-arm64-virt): an emulator, clang for the kernel, gcc for what runs on it. Half a
# gigabyte, needed for nothing else.
if [ "${1:-}" = twin ]; then
    packages="$packages
qemu-system-arm clang-19 lld-19 llvm-19 gcc-aarch64-linux-gnu libc6-dev-arm64-cross
"
    tools="$tools qemu-system-aarch64 clang-19 ld.lld-19 llvm-objcopy-19 aarch64-linux-gnu-gcc"
fi

# Programs of 64 bits: the kernel's compiler makes them as well, and wants a library for them.
if [ "${1:-}" = ppc64 ]; then
    packages="$packages gcc-multilib-powerpc-linux-gnu"
fi

# A release has the dumper for hosts of both architectures.
if [ "${1:-}" = release ]; then
    packages="$packages
gcc-x86-64-linux-gnu gcc-aarch64-linux-gnu libc6-dev-arm64-cross libc6-dev-amd64-cross
"
    tools="$tools x86_64-linux-gnu-gcc aarch64-linux-gnu-gcc"
    # The native ones are gcc and libc6-dev, under the same names.
    case $(dpkg --print-architecture) in
    amd64) packages=$(echo "$packages" | sed 's/gcc-x86-64-linux-gnu//; s/libc6-dev-amd64-cross//') ;;
    arm64) packages=$(echo "$packages" | sed 's/gcc-aarch64-linux-gnu//; s/libc6-dev-arm64-cross//') ;;
    esac
fi

# The programs that dumps are read with, and those of the recipes; the others come from PyPI (make readers). The recipe
# with ssh is run where there is a server for it: none is installed.
if [ "${1:-}" = readers ]; then
    packages="$packages
binutils gdb-multiarch zstd lz4 age curl bash
"
    tools="$tools readelf gdb-multiarch zstd lz4 age curl"
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    # Without apt: the tools must be on the PATH.
    for tool in $tools; do
        command -v "$tool" >/dev/null && continue
        echo "setup: no apt on this machine, and no $tool. What Debian calls it is one of:" >&2
        echo "$packages" >&2
        exit 1
    done
    exit 0
fi

missing=
is_installed() {
    [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null || true)" = "install ok installed" ]
}
# bindgen where the release has one that Linux takes, which is known once apt has its lists; else it is built.
add_bindgen() {
    candidate=$(apt-cache policy bindgen 2>/dev/null | sed -n 's/^ *Candidate: //p')
    case $candidate in [0-9]*) ;; *) candidate=0 ;; esac
    if ! is_installed bindgen && dpkg --compare-versions "$candidate" ge 0.71.1; then
        missing="$missing bindgen"
    fi
}
for package in $packages; do
    is_installed "$package" || missing="$missing $package"
done
# A compiler that is there and too old is an error of its own: the version is the one that the programs name.
check_rust() {
    least=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../userland/Cargo.toml")
    found=$(rustc --version | cut -d ' ' -f 2)
    dpkg --compare-versions "$found" ge "$least" || {
        echo "setup: rustc $found is too old, $least is needed: Debian 12 has it among its security updates" >&2
        echo "setup: (suite bookworm-security in /etc/apt/sources.list), then apt-get update and upgrade rustc-web" >&2
        exit 1
    }
}
if [ -z "$missing" ]; then
    check_rust
    exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup: needs these packages, and neither root nor sudo is at hand:$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "==> setup: installing$missing"
# Long lists, short words: what apt says goes to a log that is shown when it fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # lists of words
if ! { $as_root apt-get update && add_bindgen &&
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "setup: apt could not install:$missing" >&2
    exit 1
fi
check_rust
