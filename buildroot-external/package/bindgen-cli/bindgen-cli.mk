################################################################################
#
# bindgen-cli
#
################################################################################

# bindgen and libclang in minutes instead of building LLVM. Both are fetched by
# the clients of their package indexes; everything is pinned by the hashes in
# source/Cargo.lock and source/requirements.txt.
BINDGEN_CLI_VERSION = 0.72.1
BINDGEN_CLI_SITE = $(BR2_EXTERNAL_RESDUMP_PATH)/package/bindgen-cli/source
BINDGEN_CLI_SITE_METHOD = local
BINDGEN_CLI_LICENSE = BSD-3-Clause, Apache-2.0 with exceptions (libclang)
BINDGEN_CLI_LICENSE_FILES = VENDOR/bindgen-cli/LICENSE libclang/LICENSE.TXT
HOST_BINDGEN_CLI_DEPENDENCIES = host-rustc

define HOST_BINDGEN_CLI_CONFIGURE_CMDS
	mkdir -p $(@D)/.cargo $(BR_CARGO_HOME)
	cd $(@D) && $(HOST_MAKE_ENV) $(PKG_COMMON_CARGO_ENV) \
		flock $(BR_CARGO_HOME)/.br-lock \
		cargo vendor --locked VENDOR > .cargo/config.toml
	cd $(@D) && python3 -m venv --clear venv && \
		venv/bin/pip download --quiet --no-deps --only-binary :all: \
			--require-hashes --requirement requirements.txt --dest . && \
		unzip -q -o -j libclang-*.whl '*/libclang.so' '*/LICENSE.TXT' -d libclang
endef

define HOST_BINDGEN_CLI_INSTALL_CMDS
	cd $(@D) && $(HOST_MAKE_ENV) $(HOST_CONFIGURE_OPTS) $(HOST_PKG_CARGO_ENV) \
		cargo install --offline --locked --no-track --force \
			--path VENDOR/bindgen-cli --root $(HOST_DIR)
	$(INSTALL) -D -m 0755 $(@D)/libclang/libclang.so $(HOST_DIR)/lib/libclang.so
endef

$(eval $(host-generic-package))

# Its licences come with what is fetched.
host-bindgen-cli-legal-info: host-bindgen-cli-configure
