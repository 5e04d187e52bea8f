#!/bin/sh
# SPDX-License-Identifier: MIT
# Called by Buildroot for each file system with the copy of the target's folder that it is made of. The
# toolchain leaves all of its libraries there; what no program is linked against goes out.
set -eu
readelf --version >/dev/null
needed() {
    find "$1" -type f -exec readelf -d {} + 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}
removed=yes
while [ -n "$removed" ]; do
    removed=
    needed=$(needed "$1")
    # No program loads these by name: glibc has what was in its plugins (nss_*) in the C library itself.
    for library in anl atomic dl m mvec nsl nss_dns nss_files pthread resolv rt thread_db util; do
        for file in "$1/lib/lib$library".so.*; do
            [ -e "$file" ] || continue
            name=$(readelf -d "$file" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
            echo "$needed" | grep -qxF "$name" && continue
            rm -f "$file"
            removed=yes
        done
    done
done
