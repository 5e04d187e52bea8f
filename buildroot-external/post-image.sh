#!/bin/sh
# SPDX-License-Identifier: MIT
# Called by Buildroot with the folder of images: adds what the boot loader and the tests take beside
# kernel and root file systems, so that both image builders leave the same files.
set -eu
images=$1
value() { sed -n "s|^$1=\"\(.*\)\"\$|\1|p" "$BR2_CONFIG"; }
boards=$(value BR2_EXTERNAL_RESDUMP_PATH)/../board
board=$boards/$(value BR2_RESDUMP_BOARD)
ask() { "$boards/common/board.sh" "$board" "$@"; }
PATH=$HOST_DIR/bin:$HOST_DIR/sbin:$PATH

# The one folder of the kernel; linux-headers has another.
linux=$(find "$BUILD_DIR" -maxdepth 1 -name 'linux-[0-9c]*')
cp "$linux/.config" "$images/linux.config"
cp "$TARGET_DIR"/lib/modules/*/updates/resmem.ko "$TARGET_DIR/usr/bin/resdump" "$images"

dtb=$(ask setting LINUX_DTB)
[ -z "$dtb" ] || cp "$images/${dtb##*/}" "$images/board.dtb"
# Firmware that makes the device tree takes no overlay.
[ "$(ask setting QEMU_DEVICE_TREE)" = firmware ] || dtc -@ -q -I dts -O dtb -o "$images/resmem.dtbo" \
    "$(ask file resmem.dtso)"
"$boards/common/disk/make-disk.sh" "$board" "$images"
