################################################################################
#
# resdump
#
################################################################################

RESDUMP_VERSION = $(BOARD_CONFIG_VERSION)
RESDUMP_SITE = $(BUILD_DIR)/resdump-site
RESDUMP_SITE_METHOD = local
RESDUMP_LICENSE = \
	MIT, \
	Apache-2.0 or MIT (crates), \
	Unlicense or MIT (crates), \
	CC0-1.0 or Apache-2.0 (crates), \
	Zlib (crates)
RESDUMP_LICENSE_FILES = LICENSES/MIT.txt
RESDUMP_SUBDIR = userland
# What is for hosts only would fill the flash.
RESDUMP_CARGO_BUILD_OPTS = --no-default-features

# What of the checkout belongs to the package: the workspace, with the files that it
# shares with the module in the place of links. The folder that is copied and that
# legal-info archives.
define RESDUMP_MAKE_SITE
	mkdir -p $(RESDUMP_SITE)
	cd $(BOARD_CONFIG_TOP) && rsync -a --copy-links --delete --delete-excluded --relative \
		--exclude=/userland/target --exclude=/LICENSES/GPL* --exclude=/LICENSES/Linux* \
		userland LICENSES $(RESDUMP_SITE)/
endef
RESDUMP_PRE_RSYNC_HOOKS += RESDUMP_MAKE_SITE
RESDUMP_PRE_LEGAL_INFO_HOOKS += RESDUMP_MAKE_SITE

# The infrastructure vendors crates when it downloads, and a local package is
# not downloaded. What is fetched is pinned by userland/Cargo.lock.
define RESDUMP_VENDOR
	mkdir -p $(RESDUMP_DIR)/.cargo
	cd $(RESDUMP_DIR) && rm -rf VENDOR && \
		$(HOST_MAKE_ENV) $(PKG_COMMON_CARGO_ENV) flock $(DL_DIR)/.br-cargo-lock \
		cargo vendor --manifest-path userland/Cargo.toml --locked VENDOR \
		> .cargo/config.toml
endef
RESDUMP_PRE_CONFIGURE_HOOKS += RESDUMP_VENDOR

# Buildroot collects no licences of crates. Their texts go beside the package's own.
define RESDUMP_SAVE_CRATES_LICENSES
	$(if $(wildcard $(RESDUMP_DIR)/VENDOR),,$(RESDUMP_VENDOR))
	cd $(RESDUMP_DIR)/VENDOR && \
		find . -type f -not -path '*/src/*' -iregex '.*/\(licen[sc]e\|copying\|notice\|unlicense\).*' | \
		rsync -a --files-from=- . $(LICENSE_FILES_DIR_TARGET)/resdump-$(RESDUMP_VERSION)/crates/
endef
RESDUMP_POST_LEGAL_INFO_HOOKS += RESDUMP_SAVE_CRATES_LICENSES

# busybox need not be static beside it.
define RESDUMP_BUSYBOX_CONFIG_FIXUPS
	$(call KCONFIG_DISABLE_OPT,CONFIG_STATIC)
endef

# Buildroot makes busybox setuid root, and every user root by its applets. Packages'
# tables are applied in alphabetical order, the last one counts.
define RESDUMP_PERMISSIONS
	/bin/busybox f 0755 0 0 - - - - -
endef

# The io-uring crate names 64-bit machines only, and works on this one too: see
# docs/reference/dependencies.md. Where it was built is no part of the program. How it is
# optimised is said by its Cargo.toml, and not by Buildroot. A panic does not unwind.
RESDUMP_CARGO_ENV = \
	CARGO_TARGET_$(call UPPERCASE,$(RUSTC_TARGET_NAME))_RUSTFLAGS="--cfg=io_uring_skip_arch_check -Cforce-unwind-tables=no --remap-path-prefix=$(@D)=resdump" \
	env -u CARGO_PROFILE_RELEASE_LTO -u CARGO_PROFILE_RELEASE_CODEGEN_UNITS \
	-u CARGO_PROFILE_RELEASE_OPT_LEVEL

# Man pages and completions are made by a program of the workspace, on the host;
# post-build.sh installs them.
define RESDUMP_BUILD_ASSETS
	cd $(@D) && $(HOST_MAKE_ENV) $(HOST_PKG_CARGO_ENV) cargo run \
		--offline --locked --manifest-path userland/Cargo.toml \
		--no-default-features --package resdump --example assets -- $(@D)/assets
endef
RESDUMP_POST_BUILD_HOOKS += RESDUMP_BUILD_ASSETS

RESDUMP_BUILT = $(@D)/userland/target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)

# The workspace's programs, and where the data partition is mounted.
define RESDUMP_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(RESDUMP_BUILT)/resdump $(TARGET_DIR)/usr/bin/resdump
	$(INSTALL) -D -m 0755 $(RESDUMP_BUILT)/growdata $(TARGET_DIR)/usr/sbin/growdata
	$(INSTALL) -d -m 0755 $(TARGET_DIR)/data
endef

$(eval $(cargo-package))

# The crates are fetched by cargo.
resdump-legal-info: host-rustc
