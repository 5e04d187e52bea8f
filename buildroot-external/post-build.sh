#!/bin/sh
# SPDX-License-Identifier: MIT
# Called by Buildroot with the target's folder, after it has taken documentation out: that of the dumper
# goes back in, a few KiB that are wanted on a board without a network.
set -eu
mkdir -p "$1/usr/share"
cp -R "$BUILD_DIR"/resdump-*/assets/man "$BUILD_DIR"/resdump-*/assets/bash-completion "$1/usr/share"
