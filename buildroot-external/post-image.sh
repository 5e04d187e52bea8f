#!/bin/sh
# SPDX-License-Identifier: MIT
# Called by Buildroot with the folder of images: adds what the boot loader and the tests take beside
# kernel and root file system, so that both image builders leave the same files.
set -eu
images=$1
board=$(sed -n 's/^BR2_RESDUMP_BOARD="\(.*\)"$/\1/p' "$BR2_CONFIG")
folder=$(sed -n 's/^BR2_EXTERNAL_RESDUMP_PATH="\(.*\)"$/\1/p' "$BR2_CONFIG")/../board/$board

# The one folder of the kernel; linux-headers has another.
linux=$(find "$BUILD_DIR" -maxdepth 1 -name 'linux-[0-9c]*')
cp "$linux/.config" "$images/linux.config"
cp "$TARGET_DIR"/lib/modules/*/updates/resmem.ko "$TARGET_DIR/usr/bin/resdump" "$images"
"$HOST_DIR/bin/dtc" -@ -q -I dts -O dtb -o "$images/resmem.dtbo" "$folder/resmem.dtso"
