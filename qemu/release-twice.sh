#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a release here and in a clone in another folder, and compares them.
#
#   release-twice.sh BOARD...
set -eu
cd "$(dirname "$0")/.."
second=$(mktemp -d)
trap 'rm -rf "$second"' EXIT
git clone --quiet . "$second/a-folder-with-another-and-longer-name"
make --no-print-directory release BOARDS="$*"
make --no-print-directory -C "$second/a-folder-with-another-and-longer-name" release BOARDS="$*"
diff out/release/SHA256SUMS "$second/a-folder-with-another-and-longer-name/out/release/SHA256SUMS"
echo "PASS: both releases are the same"
