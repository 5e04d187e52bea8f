#!/bin/sh
# SPDX-License-Identifier: MIT
# Where a board's files and settings are: in its folder, in those of its bases, in common/disk.
#
#   board.sh BOARD file NAME       the nearest file of that name
#   board.sh BOARD setting KEY     the nearest board.conf's value, nothing when there is none
#
# BOARD is a folder with a board.conf.
set -eu

common=$(cd "$(dirname "$0")" && pwd)
board=$(cd "$1" && pwd)

folders=
folder=$board
while [ -n "$folder" ]; do
    folders="$folders $folder"
    base=$(sed -n 's/^BASE=//p' "$folder/board.conf")
    folder=${base:+$(dirname "$board")/$base}
done
folders="$folders $common/disk"

case $2 in
file)
    for folder in $folders; do
        if [ -f "$folder/$3" ]; then
            echo "$folder/$3"
            exit 0
        fi
    done
    echo "board.sh: no $3 in:$folders" >&2
    exit 1
    ;;
setting)
    for folder in $folders; do
        [ -f "$folder/board.conf" ] || continue
        sed -n "s/^$3=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$folder/board.conf"
    done | head -n 1
    ;;
*)
    echo "board.sh: file or setting, not $2" >&2
    exit 2
    ;;
esac
