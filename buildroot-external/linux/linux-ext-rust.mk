################################################################################
#
# Rust in the kernel
#
################################################################################

# Read by linux.mk before it evaluates its package, the only place from which
# dependencies can be added. Not an extension that patches the kernel's source,
# hence not in LINUX_EXTENSIONS.

ifeq ($(BR2_LINUX_KERNEL_EXT_RUST),y)

# Kconfig asks these tools whether Rust is available, and drops CONFIG_RUST
# without a word when one is missing.
# check-package disable TypoInPackageVariable
LINUX_KCONFIG_DEPENDENCIES += \
	host-rustc \
	host-rust-src \
	$(if $(BR2_LINUX_KERNEL_EXT_RUST_BINDGEN_BUILDROOT),host-rust-bindgen,host-bindgen-cli)

# check-package disable TypoInPackageVariable
LINUX_MAKE_ENV += LIBCLANG_PATH=$(HOST_DIR)/lib

# The kernel hands HOSTCC to rustc as the linker, a single word. Flags that
# linux.mk puts into HOSTCC go where they belong; the last setting counts.
# check-package disable TypoInPackageVariable
LINUX_MAKE_FLAGS += \
	HOSTCC="$(HOSTCC_NOCCACHE)" \
	HOSTCFLAGS="$(subst -I/,-isystem /,$(subst -I /,-isystem /,$(HOST_CFLAGS)))" \
	HOSTLDFLAGS="$(HOST_LDFLAGS)"

# Panics in Rust's own library name its source, which is in the folder of the
# build. The kernel maps the paths of its own.
# check-package disable TypoInPackageVariable
LINUX_MAKE_FLAGS += \
	KRUSTFLAGS="--remap-path-prefix=$(HOST_DIR)/lib/rustlib/src/rust/="

endif
