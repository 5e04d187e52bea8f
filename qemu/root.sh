#!/bin/sh
# SPDX-License-Identifier: MIT
# An empty root of a Debian release. Nothing of this machine is in it but how it reaches mirrors: that of apt, proxies,
# the configuration of pip and cargo, the certificates that it trusts.
#
#   root.sh RELEASE FOLDER     FOLDER is new or empty; needs root
set -eu

release=${1:?a release of Debian}
root=${2:?a folder}
if ! command -v mmdebstrap >/dev/null; then
    apt-get update >/dev/null && apt-get install -y --no-install-recommends mmdebstrap >/dev/null
fi

# The mirrors that this machine's apt uses for its own release, and for security updates as Debian's installer adds them:
# Debian 12 has its newer compilers there.
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
mirror_of() { # suite
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(SITE) $(RELEASE)' 'Identifier: Packages' |
        awk -v release="$1" '$2 == release { print $1; exit }'
}
mirror=$(mirror_of "$codename")
security=$(mirror_of "$codename-security")
for found in "$mirror" "$security"; do
    [ -n "$found" ] ||
        { echo "root: apt names no mirror for $codename and $codename-security: run apt-get update" >&2; exit 1; }
done

mmdebstrap --variant=minbase --include=ca-certificates,make,git,sudo "$release" "$root" \
    "deb $mirror $release main" "deb $mirror $release-updates main" "deb $security $release-security main"
# How to reach mirrors, where this machine has something of its own for that.
bring() { # file, place in the root
    [ ! -f "$1" ] || { mkdir -p "$root/${2%/*}" && cp -L "$1" "$root/$2"; }
}
bring /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/ca-certificates.crt
bring /etc/resolv.conf etc/resolv.conf
bring /etc/hosts etc/hosts
bring /etc/pip.conf etc/pip.conf
bring "${CARGO_HOME:-$HOME/.cargo}/config.toml" root/.cargo/config.toml
apt-config dump | grep -i '^Acquire::.*proxy' >"$root/etc/apt/apt.conf.d/99proxy" || true
