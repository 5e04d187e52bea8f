#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the image of Containerfile and runs a command in it, as its users do, with the checkout and a cache mounted.
# Needs root. Where no registry is in reach, the Debian that it starts from is made by root.sh.
#
#   container.sh [COMMAND...]     default: make run
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
cache=$top/out/container/cache
base=$(sed -n 's/^FROM //p' Containerfile)
tag=resdump-container

[ "$(id -u)" -eq 0 ] || { echo "container: needs root" >&2; exit 1; }
if ! command -v buildah >/dev/null; then
    apt-get update >/dev/null && apt-get install -y --no-install-recommends buildah >/dev/null
fi
mkdir -p "$cache"
# Also in a container, which cannot make another.
export BUILDAH_ISOLATION=chroot

container=
cleanup() {
    if [ -n "$container" ]; then buildah rm "$container" >/dev/null; fi
}
trap cleanup EXIT

if ! buildah inspect --type image "$base" >/dev/null 2>&1 && ! timeout 600 buildah pull "$base"; then
    echo "==> container: $base is not in reach; made by mmdebstrap"
    root=$top/out/container/root
    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    qemu/root.sh "${base##*:}" "$root"
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$root" / >/dev/null
    buildah commit --quiet "$container" "$base" >/dev/null
    buildah rm "$container" >/dev/null
    container=
    rm -rf --one-file-system "$root"
fi

echo "==> container: the image"
buildah bud --quiet --layers --tag "$tag" --file Containerfile .
container=$(buildah from "$tag")
[ $# -gt 0 ] || set -- make run
echo "==> container: $*"
buildah run --volume "$top:/resdump" --volume "$cache:/cache" "$container" -- "$@"
