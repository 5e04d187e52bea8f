################################################################################
#
# board-config
#
################################################################################

# Not a package: the configurations of Linux and busybox, from board/. Both are
# allnoconfig plus what is asked for, as in the quick image; with Buildroot alone
# what is not mentioned would be what Kconfig defaults to.

BOARD_CONFIG_TOP = $(abspath $(BR2_EXTERNAL_RESDUMP_PATH)/..)
# The version of the project.
BOARD_CONFIG_VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' $(BOARD_CONFIG_TOP)/userland/Cargo.toml)
BOARD_CONFIG_ASK = $(BOARD_CONFIG_TOP)/board/common/board.sh \
	$(BOARD_CONFIG_TOP)/board/$(call qstrip,$(BR2_RESDUMP_BOARD))
BOARD_CONFIG_CHECK = $(BR2_EXTERNAL_RESDUMP_PATH)/package/board-config/check-config

# The fragments in one file.
BOARD_CONFIG_LINUX = $(BUILD_DIR)/board-config/linux.config
BOARD_CONFIG_FRAGMENTS := \
	$(patsubst %,$(BOARD_CONFIG_TOP)/board/common/linux/fragments/%.config, \
		$(shell $(BOARD_CONFIG_ASK) setting LINUX_FRAGMENTS) \
		$(call qstrip,$(BR2_RESDUMP_FLAVOUR))) \
	$(shell $(BOARD_CONFIG_ASK) file linux.config)

# Looked at each time, replaced when it is another: the list of fragments may have
# changed, and not only their content.
.PHONY: board-config-linux
board-config-linux:

$(BOARD_CONFIG_LINUX): $(BOARD_CONFIG_FRAGMENTS) board-config-linux
	$(Q)mkdir -p $(@D)
	$(Q)cat $(filter %.config,$^) > $@.new
	$(Q)cmp -s $@.new $@ || mv $@.new $@

$(LINUX_DIR)/.stamp_dotconfig: $(BOARD_CONFIG_LINUX)

define BOARD_CONFIG_CHECK_LINUX
	$(BOARD_CONFIG_CHECK) Linux $(BOARD_CONFIG_LINUX) $(@D)/.config || \
		{ $(LINUX_KCONFIG_MAKE) rustavailable; exit 1; }
endef

# check-package disable TypoInPackageVariable
LINUX_KCONFIG_DEFCONFIG = allnoconfig KCONFIG_ALLCONFIG=$(BOARD_CONFIG_LINUX)
# check-package disable TypoInPackageVariable
LINUX_KCONFIG_FRAGMENT_FILES = $(BOARD_CONFIG_LINUX)
# check-package disable TypoInPackageVariable
LINUX_POST_CONFIGURE_HOOKS += BOARD_CONFIG_CHECK_LINUX

# The image has a C library anyway: busybox is linked against it.
define BOARD_CONFIG_CHECK_BUSYBOX
	grep -v ^CONFIG_STATIC= $(BUSYBOX_KCONFIG_FILE) | \
		$(BOARD_CONFIG_CHECK) busybox - $(@D)/.config
endef

# busybox's allnoconfig takes no list of exceptions: they are merged afterwards.
# check-package disable TypoInPackageVariable
BUSYBOX_KCONFIG_DEFCONFIG = allnoconfig
# check-package disable TypoInPackageVariable
BUSYBOX_KCONFIG_FRAGMENT_FILES = $(BUSYBOX_KCONFIG_FILE)
# check-package disable TypoInPackageVariable
BUSYBOX_POST_CONFIGURE_HOOKS += BOARD_CONFIG_CHECK_BUSYBOX
