#!/bin/sh
# SPDX-License-Identifier: MIT
# The series in upstream/: applied to a copy of the kernel's source, judged by the kernel's own tools, built, and booted
# in QEMU, where its KUnit tests and its selftest run. The lab image has been built: source, configuration, bindgen and
# busybox are taken from there.
#
#   upstream.sh CACHE
set -eu
cd "$(dirname "$0")/.."
cache=${1:?the folder of RESDUMP_CACHE}
source=$cache/linux-source-7.3/tree
own=$cache/upstream
tree=$own/tree
build=$own/build
work=$PWD/out/upstream
series=$PWD/upstream
schemas=$cache/python/bin
bindgen=$(echo "$cache"/bindgen-*/bin/bindgen)
[ -x "$bindgen" ] || bindgen=$(command -v bindgen)
LIBCLANG_PATH=$(dirname "$(find /usr/lib/llvm-* -name libclang.so | sort -V | tail -n 1)")
RUST_LIB_SRC=$(rustc --print sysroot)/lib/rustlib/src/rust/library
export LIBCLANG_PATH RUST_LIB_SRC LC_ALL=C
export KBUILD_BUILD_TIMESTAMP=1970-01-01 KBUILD_BUILD_USER=resdump KBUILD_BUILD_HOST=resdump KBUILD_BUILD_VERSION=1

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

kernel() {
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u CARGO_TARGET_DIR make -C "$tree" O="$build" ARCH=powerpc \
        CROSS_COMPILE=powerpc-linux-gnu- BINDGEN="$bindgen" RUSTC=rustc HOSTRUSTC=rustc -j"$(nproc)" "$@" \
        >>"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" && fail "make $*: $work/build.log"; }
}

step() {
    echo "==> upstream: $*"
}

mkdir -p "$own" "$build" "$work"
: >"$work/build.log"
key=$(cat "$source/Makefile" "$series"/*.patch | sha256sum)
if [ "$(cat "$own/key" 2>&1)" != "$key" ]; then
    step "apply the series to a copy of the source"
    rm -rf "$tree"
    # The copy shares its files with the source; patch replaces those that it changes.
    cp -al "$source" "$tree"
    for patch in "$series"/*.patch; do
        patch -d "$tree" -p1 -f --fuzz=0 --no-backup-if-mismatch -i "$patch" >>"$work/build.log" ||
            fail "$patch does not apply"
    done
    echo "$key" >"$own/key"
fi

step "checkpatch"
for patch in "$series"/*.patch; do
    # No history to look commits up in; MAINTAINERS is the last patch.
    (cd "$tree" && perl scripts/checkpatch.pl --strict --terse --no-summary --root=. \
        --ignore UNKNOWN_COMMIT_ID,FILE_PATH_CHANGES "$patch") || fail "checkpatch"
done

step "the kernel's rustfmt"
sed -n 's|^+++ b/\(.*\.rs\)$|\1|p' "$series"/*.patch | sort -u | while read -r file; do
    cp "$tree/$file" "$work/formatted.rs"
    rustfmt --edition=2021 --config-path "$tree/.rustfmt.toml" <"$work/formatted.rs" >"$work/wanted.rs"
    cmp "$work/formatted.rs" "$work/wanted.rs" || fail "$file is not formatted"
done

step "the binding, and its example"
binding=$tree/Documentation/devicetree/bindings/reserved-memory/linux,rmem-buffer.yaml
"$schemas/dt-doc-validate" -u "$tree/Documentation/devicetree/bindings" "$binding" || fail "$binding"
"$schemas/dt-extract-example" "$binding" | dtc -q -I dts -O dtb -o "$work/example.dtb" -
findings=$("$schemas/dt-validate" -s "$(dirname "$binding")" -l rmem-buffer "$work/example.dtb" 2>&1) ||
    fail "dt-validate: $findings"
[ -z "$findings" ] || fail "the example: $findings"

step "build the kernel, with clippy"
{
    cat "$cache/linux-build/qemu-ppce500-lab/wanted.config"
    echo CONFIG_RMEM_BUFFER=y
} >"$build/wanted.config"
if ! cmp -s "$build/wanted.config" "$build/configured"; then
    kernel allnoconfig KCONFIG_ALLCONFIG="$build/wanted.config"
    cp "$build/wanted.config" "$build/configured"
fi
grep -qx CONFIG_RMEM_BUFFER=y "$build/.config" || fail "Kconfig has dropped CONFIG_RMEM_BUFFER"
kernel CLIPPY=1 uImage
! grep -E '^(warning|error)' "$work/build.log" || fail "warnings: $work/build.log"
kernel headers_install INSTALL_HDR_PATH="$work/headers"

step "build the selftest"
make -s -C "$tree/tools/testing/selftests/rmem_buffer" OUTPUT="$work" CC=powerpc-linux-gnu-gcc ARCH=powerpc \
    KHDR_INCLUDES="-isystem $work/headers/include" USERCFLAGS=-Werror USERLDFLAGS=-static ||
    fail "the selftest does not compile"

step "boot it in QEMU"
cat >"$work/init" <<'END'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox mount -t ext4 /dev/vda /mnt
cd /mnt && /bin/rmem_buffer_test
echo "selftest: status $?"
/bin/busybox poweroff -f
END
cat >"$work/files" <<END
dir /dev 755 0 0
nod /dev/console 600 0 0 c 5 1
dir /mnt 755 0 0
dir /bin 755 0 0
file /bin/busybox $cache/busybox-powerpc-linux-gnu/tree/busybox 755 0 0
file /bin/rmem_buffer_test $work/rmem_buffer_test 755 0 0
file /init $work/init 755 0 0
END
"$build/usr/gen_init_cpio" "$work/files" | gzip -n >"$work/initramfs.gz"
rm -f "$work/disk.img"
truncate -s 64M "$work/disk.img"
mke2fs -q -F -t ext4 "$work/disk.img"
# What hardware would have left in the region.
head -c 4194304 /dev/urandom >"$work/capture.raw"
set -- -cpu e500mc -m 512 -smp 2 -nic none -vga none -display none -monitor none -serial stdio -no-reboot \
    -kernel "$build/arch/powerpc/boot/uImage" -initrd "$work/initramfs.gz" \
    -append "console=ttyS0 panic=-1 kunit.enable=1 kunit.autorun=1 kunit.filter_glob=rust_rmem*" \
    -drive "file=$work/disk.img,format=raw,if=virtio" \
    -device "loader,file=$work/capture.raw,addr=0x10000000,force-raw=on"
qemu-system-ppc -machine ppce500,dumpdtb="$work/machine.dtb" "$@" >"$work/dump.log" 2>&1 ||
    fail "no device tree: $work/dump.log"
dtc -q -@ -I dts -O dtb -o "$work/region.dtbo" - <<'END'
/dts-v1/;
/plugin/;
&{/} {
	reserved-memory {
		#address-cells = <2>;
		#size-cells = <2>;
		ranges;

		capture@10000000 {
			compatible = "linux,rmem-buffer";
			reg = <0 0x10000000 0 0x400000>;
			label = "capture";
		};
	};
};
END
fdtoverlay -i "$work/machine.dtb" -o "$work/tree.dtb" "$work/region.dtbo"
timeout 600 qemu-system-ppc -machine ppce500 "$@" -dtb "$work/tree.dtb" </dev/null 2>&1 | tr -d '\r' >"$work/console.log"

said() {
    grep -E "$1" "$work/console.log" || fail "the guest did not print $1: $work/console.log"
}
! grep -E 'BUG:|WARNING:|Oops|not ok' "$work/console.log" || fail "$work/console.log"
said '# rust_rmem_buffer: pass:5 fail:0 skip:0 total:5'
said '# Totals: pass:8 fail:0 xfail:0 xpass:0 skip:0 error:0'
said 'selftest: status 0'
echo "PASS: 5 KUnit tests, 8 of the selftest"
