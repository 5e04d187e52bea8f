#!/bin/sh
# SPDX-License-Identifier: MIT
# The README's two commands in an empty root of a Debian release, so that a missing install step is
# seen. Needs root. Nothing of this machine is in the root but the checkout with its history, and what root.sh brings.
#
#   fresh.sh RELEASE [FOLDER]     bookworm or trixie; FOLDER (default out/fresh/RELEASE) is emptied
#
# FRESH_COMMANDS has other commands to run, one a line, for instance "make setup" and ".ci/run". One that fails does not
# keep the next from running. Leaves FOLDER.log, and FOLDER.times: for each command its status, its seconds, and the
# seconds since the empty folder.
set -eu

release=${1:?bookworm or trixie}
top=$(cd "$(dirname "$0")/.." && pwd)
root=${2:-$top/out/fresh/$release}
log=$root.log
times=$root.times

[ "$(id -u)" -eq 0 ] || { echo "fresh: needs root: mmdebstrap makes a root file system" >&2; exit 1; }

mkdir -p "$(dirname "$root")"
cleanup() {
    for mount in proc sys dev; do
        if mountpoint -q "$root/$mount"; then umount -R "$root/$mount"; fi
    done
}
trap cleanup EXIT
cleanup
rm -rf --one-file-system "$root"
: >"$log"
began=$(date +%s)
echo "==> fresh: an empty $release in $root, log in $log"
"$top/qemu/root.sh" "$release" "$root" >>"$log" 2>&1 || { tail -n 5 "$log" >&2; exit 1; }
given=
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL RESDUMP_TIMEOUT_SCALE; do
    value=$(printenv "$name") || continue
    given="$given $name=$value"
done

# The history, and over it what git would commit now.
git clone --quiet --no-checkout "$top" "$root/root/resdump"
(cd "$top" && git ls-files -z --cached --others --exclude-standard |
    tar --null --files-from - --ignore-failed-read -cf - 2>/dev/null) | tar --no-same-owner -xf - -C "$root/root/resdump"
git -C "$root/root/resdump" reset --quiet
for mounted in "proc proc proc" "sysfs sysfs sys" "--rbind /dev dev"; do
    # shellcheck disable=SC2086 # words
    set -- $mounted
    case $1 in
    # With its terminals and its memory, and so that unmounting them here leaves those of this machine.
    --rbind) mount --rbind "$2" "$root/$3" && mount --make-rslave "$root/$3" ;;
    *) mount -t "$1" "$2" "$root/$3" ;;
    esac || echo "fresh: no $3 in the root: commands that need it will fail" | tee -a "$log" >&2
done

inside() {
    # shellcheck disable=SC2086 # words
    chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt $given \
        sh -ec "cd /root/resdump && $1" >>"$log" 2>&1 </dev/null
}

failed=0
: >"$times"
while read -r command <&3; do
    [ -n "$command" ] || continue
    echo "==> fresh: $command" >>"$log"
    before=$(date +%s)
    status=0
    inside "$command" || status=$?
    now=$(date +%s)
    echo "$command: status $status, $((now - before)) s, $((now - began)) s after nothing" | tee -a "$times"
    [ $status -eq 0 ] || failed=$status
done 3<<COMMANDS
${FRESH_COMMANDS:-make run
make test}
COMMANDS
grep -E '^(PASS|FAIL|test result)' "$log" || true
[ $failed -eq 0 ] || { tail -n 30 "$log" >&2; exit $failed; }
