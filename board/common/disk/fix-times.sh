#!/bin/sh
# SPDX-License-Identifier: MIT
# Sets the times of what is in the top folder of an ext file system, and of that folder, to 1970:
# mke2fs takes over when the files that it copied were last changed. E2FSPROGS_FAKE_TIME, which
# make-disk.sh sets, keeps the time of this change out.
#
#   fix-times.sh IMAGE
set -eu

image=$1
# A line for each name: /inode/mode/user/group/name/size/
debugfs -R "ls -p /" "$image" 2>/dev/null | cut -d / -f 2 | grep . | sort -u |
    while read -r inode; do
        for time in ctime atime mtime; do
            echo "set_inode_field <$inode> $time @1"
        done
    done | debugfs -w -f - "$image" >/dev/null 2>&1
