################################################################################
#
# resmem
#
################################################################################

RESMEM_VERSION = $(BOARD_CONFIG_VERSION)
RESMEM_SITE = $(BUILD_DIR)/resmem-site
RESMEM_SITE_METHOD = local
RESMEM_LICENSE = GPL-2.0, GPL-2.0 or MIT (what programs use too), GPL-2.0 with Linux-syscall-note or MIT (resmem.h)
RESMEM_LICENSE_FILES = LICENSES/GPL-2.0.txt LICENSES/Linux-syscall-note.txt LICENSES/MIT.txt
RESMEM_INSTALL_STAGING = YES
RESMEM_MODULE_SUBDIRS = kmod

# What of the checkout belongs to the package, without what a build left in it:
# the folder that is copied, and that legal-info archives.
define RESMEM_MAKE_SITE
	mkdir -p $(RESMEM_SITE)
	cd $(BOARD_CONFIG_TOP) && rsync -a --delete --relative \
		--include='*/' --include='/kmod/Kbuild' --include='*.rs' --include='*.[ch]' --include='*.awk' \
		--include='*.4' --include='*.pc' --include='/LICENSES/*' --exclude=helpers.rs --exclude='*.mod.c' --exclude='*' \
		kmod LICENSES $(RESMEM_SITE)/
endef
RESMEM_PRE_RSYNC_HOOKS += RESMEM_MAKE_SITE
RESMEM_PRE_LEGAL_INFO_HOOKS += RESMEM_MAKE_SITE

# The ABI for programs in C.
define RESMEM_INSTALL_STAGING_CMDS
	$(INSTALL) -D -m 0644 $(@D)/kmod/resmem.h $(STAGING_DIR)/usr/include/linux/resmem.h
	$(INSTALL) -D -m 0644 $(@D)/kmod/resmem.pc $(STAGING_DIR)/usr/lib/pkgconfig/resmem.pc
	$(SED) 's/@VERSION@/$(RESMEM_VERSION)/' $(STAGING_DIR)/usr/lib/pkgconfig/resmem.pc
	$(INSTALL) -D -m 0644 $(@D)/kmod/resmem.4 $(STAGING_DIR)/usr/share/man/man4/resmem.4
	$(INSTALL) -d $(STAGING_DIR)/usr/share/doc/resmem
	$(INSTALL) -m 0644 $(@D)/kmod/examples/*.c $(STAGING_DIR)/usr/share/doc/resmem
endef

$(eval $(kernel-module))
$(eval $(generic-package))
