################################################################################
#
# rust-src
#
################################################################################

# Source of the standard library, which rust-bin lacks and the kernel compiles.
# Of the same release as the compiler.
RUST_SRC_VERSION = $(RUST_BIN_VERSION)
RUST_SRC_SITE = https://static.rust-lang.org/dist
RUST_SRC_SOURCE = rust-src-$(RUST_SRC_VERSION).tar.xz
RUST_SRC_LICENSE = Apache-2.0 or MIT
RUST_SRC_LICENSE_FILES = LICENSE-APACHE LICENSE-MIT

define HOST_RUST_SRC_INSTALL_CMDS
	cd $(@D) && ./install.sh --prefix=$(HOST_DIR) --disable-ldconfig
endef

$(eval $(host-generic-package))
