#!/bin/bash
# SPDX-License-Identifier: MIT
# What a user downloads, in out/release: CONTRIBUTING.md has the list. The files depend on the commit and on the
# tools, not on time or folder.
#
#   release.sh BOARD...     XTASK has the command that runs xtask
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
: "${XTASK:?}"

xtask() {
    # An image has no times of its commit in it.
    # shellcheck disable=SC2086 # words, the first of which are settings
    env -u SOURCE_DATE_EPOCH $XTASK "$@"
}

changed=$(git status --porcelain)
if [ -n "$changed" ]; then
    printf 'release: these files are not committed; commit them, or remove them:\n%s\n' "$changed" >&2
    exit 1
fi
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' userland/Cargo.toml)
if ! grep -qE "^## ${version//./\\.}( |$)" CHANGELOG.md || grep -q '^## Unreleased' CHANGELOG.md; then
    echo "release: CHANGELOG.md has no chapter $version, or one that is not released: see CONTRIBUTING.md" >&2
    exit 1
fi
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
name=resdump-$version
out=$top/out/release
work=$top/out/release-work
rm -rf "$out" "$work"
mkdir -p "$out" "$work"
mkdir -p "$top/out/log"

pack() { # archive, folder, what is in it
    tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go=u,go-w --mtime="@$SOURCE_DATE_EPOCH" --format=gnu \
        -C "$2" -cf - "$3" | xz -9 -T1 >"$1"
}

echo "==> release: source"
git archive --format=tar --prefix="$name/" HEAD | xz -9 -T1 >"$out/$name.tar.xz"

for board in "$@"; do
    echo "==> release: image of $board"
    xtask --board "$board" sbom
    image=out/quick/$board/appliance
    folder=$work/$name-$board
    mkdir -p "$folder"
    # What else is in the folder is for tests, or names it.
    python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))["files"], sep="\n")' "$image/manifest.json" |
        while read -r file; do cp "$image/$file" "$folder/"; done
    cp "$image/manifest.json" "$folder/"
    if [ -z "$(board/common/board.sh "board/$board" setting QEMU)" ]; then
        cat >"$folder/NOT-RUN-ON-HARDWARE" <<END
This image of $board was built and never started: QEMU does not play the board. What is on the disk image was read back
and compared. docs/how-to/port-a-board.md of the source has the first steps.
END
    fi
    cp LICENSE "$folder/"
    cp -R LICENSES "$folder/"
    pack "$out/$name-$board.tar.xz" "$work" "$name-$board"
    cp "$image/sbom.cdx.json" "$out/$name-$board.cdx.json"
    cp "$image/licences.txt" "$out/$name-$board-licences.txt"
done

# Man pages and completions, the same for both.
assets=$work/assets
CARGO_TARGET_DIR=$top/out/target/userland cargo run --quiet --locked --manifest-path userland/Cargo.toml \
    --package resdump --example assets -- "$assets"
find "$assets/man" -type f ! -name '*.gz' -exec gzip -9nf {} +

dumper() { # Debian's architecture, rustc's target, prefix of the compilers
    local arch=$1 target=$2 prefix=$3 variable
    local folder=$work/$name-linux-$arch root=$work/deb-$arch
    variable=$(tr a-z- A-Z_ <<<"$target")
    echo "==> release: dumper for $arch"
    # The library of Rust is built too: distributions have none for other machines.
    env -u MAKEFLAGS RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$top/out/target/release" CARGO_PROFILE_RELEASE_TRIM_PATHS=all \
        "CARGO_TARGET_${variable}_LINKER=${prefix}gcc" "CC_${target//-/_}=${prefix}gcc" "AR_${target//-/_}=${prefix}ar" \
        "CFLAGS_${target//-/_}=-ffile-prefix-map=$HOME=home -ffile-prefix-map=$top=resdump" \
        cargo build --release --locked --manifest-path userland/Cargo.toml --package resdump --target "$target" \
        -Zbuild-std=std,panic_abort -Ztrim-paths >"$top/out/log/release-$arch.log" 2>&1 ||
        { tail -n 25 "$top/out/log/release-$arch.log" >&2; exit 1; }

    mkdir -p "$folder/share"
    cp "$top/out/target/release/$target/release/resdump" "$folder/"
    cp -R "$assets/." "$folder/share/"
    cp LICENSE LICENSES/MIT.txt CHANGELOG.md "$folder/"
    xtask host-licences "$target" >"$folder/licences.txt"
    pack "$out/$name-linux-$arch.tar.xz" "$work" "$name-linux-$arch"

    mkdir -p "$root/DEBIAN" "$root/usr/bin" "$root/usr/share/doc/resdump"
    cp "$folder/resdump" "$root/usr/bin/"
    cp -R "$assets/." "$root/usr/share/"
    cp "$folder/licences.txt" "$root/usr/share/doc/resdump/copyright"
    gzip -9nc CHANGELOG.md >"$root/usr/share/doc/resdump/changelog.gz"
    cat >"$root/DEBIAN/control" <<CONTROL
Package: resdump
Version: $version
Architecture: $arch
Maintainer: $(sed -n 's/^  - \(.*\)$/\1/p' board/common/bindings/resdump,resmem.yaml | head -n 1)
Section: utils
Priority: optional
Depends: libc6 (>= $(dpkg-query -W -f '${Version}' libc6 | sed 's/-.*//')), libgcc-s1
Installed-Size: $(du -sk "$root/usr" --apparent-size | cut -f1)
Description: writes reserved physical memory to disk by direct I/O
 On a host it receives, verifies, compares, searches and converts dumps.
CONTROL
    find "$root" -type d -exec chmod 755 {} +
    find "$root" -type f -exec chmod 644 {} +
    chmod 755 "$root/usr/bin/resdump"
    dpkg-deb --root-owner-group -Zxz --build "$root" "$out/resdump_${version}_$arch.deb" >/dev/null
}
dumper amd64 x86_64-unknown-linux-gnu x86_64-linux-gnu-
dumper arm64 aarch64-unknown-linux-gnu aarch64-linux-gnu-

(cd "$out" && LC_ALL=C sha256sum -- * >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS)
rm -rf "$work"
cat "$out/SHA256SUMS"
