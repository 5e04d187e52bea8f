#!/bin/sh
# SPDX-License-Identifier: MIT
# The README's two commands in an empty root of a Debian release, so that a missing install step is
# seen. Needs root. Nothing of this machine is in the root but the checkout (what git would commit),
# the package mirror that apt uses here, and the certificates that this machine trusts.
#
#   fresh.sh RELEASE [FOLDER]     bookworm or trixie; FOLDER (default out/fresh/RELEASE) is emptied
#
# FRESH_COMMANDS has other commands to run, one a line, for instance "make setup". They run until one fails.
# Leaves FOLDER.log and FOLDER.times: for each command its status, and the seconds since the empty folder.
set -eu

release=${1:?bookworm or trixie}
top=$(cd "$(dirname "$0")/.." && pwd)
root=${2:-$top/out/fresh/$release}
log=$root.log
times=$root.times

[ "$(id -u)" -eq 0 ] || { echo "fresh: needs root: mmdebstrap makes a root file system" >&2; exit 1; }
if ! command -v mmdebstrap >/dev/null; then
    apt-get update >/dev/null && apt-get install -y --no-install-recommends mmdebstrap >/dev/null
fi

# The mirror that this machine's apt uses for its own release.
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
# shellcheck disable=SC2016 # apt's own variables
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Identifier: Packages' |
    awk -v release="$codename" '$2 == release { print $1; exit }')
[ -n "$mirror" ] || { echo "fresh: apt names no mirror for $codename: run apt-get update" >&2; exit 1; }

mkdir -p "$(dirname "$root")"
cleanup() {
    for mount in proc sys dev/pts dev; do
        if mountpoint -q "$root/$mount"; then umount "$root/$mount"; fi
    done
}
trap cleanup EXIT
cleanup
rm -rf --one-file-system "$root"
: >"$log"
began=$(date +%s)
echo "==> fresh: an empty $release in $root, log in $log"
mmdebstrap --variant=minbase --include=ca-certificates,make,git,sudo "$release" "$root" \
    "deb $mirror $release main" "deb $mirror $release-updates main" >>"$log" 2>&1
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
cp /etc/resolv.conf "$root/etc/resolv.conf"
[ ! -f /etc/hosts ] || cp /etc/hosts "$root/etc/hosts"

mkdir -p "$root/root/resdump"
(cd "$top" && git ls-files -z --cached --others --exclude-standard |
    tar --null --files-from - --ignore-failed-read -cf - 2>/dev/null) | tar -xf - -C "$root/root/resdump"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts"

inside() {
    chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt \
        ${RESDUMP_TIMEOUT_SCALE:+RESDUMP_TIMEOUT_SCALE=$RESDUMP_TIMEOUT_SCALE} \
        sh -ec "cd /root/resdump && git init -q . && $1" >>"$log" 2>&1
}

status=0
: >"$times"
while [ $status -eq 0 ] && read -r command <&3; do
    inside "$command" || status=$?
    echo "$command: status $status, $(($(date +%s) - began)) s after nothing" | tee -a "$times"
done 3<<COMMANDS
${FRESH_COMMANDS:-make run
make test}
COMMANDS
grep -E '^(PASS|FAIL|test result)' "$log" || true
[ $status -eq 0 ] || { tail -n 30 "$log" >&2; exit $status; }
