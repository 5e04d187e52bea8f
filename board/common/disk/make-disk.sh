#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a board's boot script and disk image. Both image builders call it; it needs no root.
#
#   make-disk.sh BOARD IMAGES
#
# BOARD is a folder with a board.conf. IMAGES holds the kernel, rootfs.squashfs, the compiled overlay
# resmem.dtbo (unless the firmware makes the device tree), and board.dtb if the board's tree does not come
# from its boot loader; boot.scr and sdcard.img are put there.
set -eu

common=$(cd "$(dirname "$0")/.." && pwd)
board=$(cd "$1" && pwd)
images=$(cd "$2" && pwd)
scratch=$(mktemp -d "$images/.disk.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

file() { "$common/board.sh" "$board" file "$1"; }
setting() { "$common/board.sh" "$board" setting "$1"; }

kernel=$(setting LINUX_IMAGE)
mkdir -p "$scratch/root/boot" "$scratch/root/data"
cp "$images/$kernel" "$scratch/root/boot/"
: >"$scratch/resmem.cmd"
if [ -f "$images/board.dtb" ]; then
    fdtoverlay -i "$images/board.dtb" -o "$scratch/root/boot/board.dtb" "$images/resmem.dtbo"
elif [ -f "$images/resmem.dtbo" ]; then
    "$common/disk/boot-commands.sh" "$images/resmem.dtbo" >"$scratch/resmem.cmd"
fi
sed -e "s|@CONSOLE@|$(setting CONSOLE)|; s|@CMDLINE@|$(setting CMDLINE)|; s|@KERNEL@|$kernel|" \
    -e "/^@RESMEM@/ { r $scratch/resmem.cmd
d }" "$(file boot.cmd)" >"$scratch/boot.cmd"
SOURCE_DATE_EPOCH=0 mkimage -A ppc -O linux -T script -C none -n "resdump" \
    -d "$scratch/boot.cmd" "$images/boot.scr" >/dev/null
cp "$images/boot.scr" "$scratch/root/boot/"

E2FSPROGS_FAKE_TIME=1 E2FSCK_TIME=1 PATH="$common/disk:$PATH:/usr/sbin:/sbin" genimage --config "$(file genimage.cfg)" \
    --rootpath "$scratch/root" --tmppath "$scratch/tmp" \
    --inputpath "$images" --outputpath "$scratch/out"
mv "$scratch/out/sdcard.img" "$images/sdcard.img"
