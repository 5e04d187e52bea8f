# SPDX-License-Identifier: MIT
# Front door. `make help` lists what there is; the work is done by the programs in qemu/.

BOARD ?= qemu-ppce500
BOARDS ?= $(notdir $(patsubst %/,%,$(dir $(shell grep -L '^DETECTOR=yes' board/qemu-*/board.conf))))
FLAVOUR ?= appliance
IMAGE ?= quick
COUNT ?=
SEED ?=
MINUTES ?=
LOG ?=
COMMAND ?= resdump --version
SANITIZER ?=
TARGET ?=
TEST ?=
RELEASE ?= bookworm trixie
PARTS ?=

TWIN := qemu-arm64-virt
# A reader of dumps that the crate registry has.
AVML := 0.21.0
# Boards with an image for users.
PRODUCTS = $(notdir $(patsubst %/,%,$(dir $(shell grep -LE '^(DETECTOR=yes|RELEASE=no)' board/*/board.conf))))
# Boards that need compilers which no other does: what qemu/setup.sh calls them.
SETUP_qemu-e5500-native := ppc64

# What may be given on the command line; anything else is a mistake.
VARIABLES := BOARD BOARDS BUILDROOT_DIR BUILDROOT_EXTRA COMMAND COUNT DEV FLAVOUR FORCE IMAGE LINUX_SRC LOG MINUTES PARTS \
	RELEASE RESDUMP_CACHE RESDUMP_TIMEOUT_SCALE SANITIZER SEED TARGET TEST YES \
	BR2_DL_DIR BR2_CCACHE_DIR BR2_PRIMARY_SITE
# Make writes a space in a value as a backslash and a space.
$(foreach given,$(filter-out $(VARIABLES),$(foreach word,$(filter-out -%,$(subst \ ,_,$(MAKEOVERRIDES))),$(firstword $(subst =, ,$(word))))),\
	$(error $(given)= means nothing here: docs/reference/settings.md has the variables))
# FLAVOUR is for Buildroot's targets alone: the suite chooses its kernels by itself.
TAKES_FLAVOUR := image $(if $(filter buildroot,$(IMAGE)),sbom) buildroot-% help
ifneq ($(filter command%,$(origin FLAVOUR)),)
ifneq ($(filter-out $(TAKES_FLAVOUR),$(MAKECMDGOALS)),)
$(error FLAVOUR= is for $(TAKES_FLAVOUR); tests of the debug kernel: make test-debug)
endif
endif
# A board behind a lab file runs what is made for it, and nothing else.
TAKES_TARGET := test test-suite bring-up help
ifneq ($(filter command%,$(origin TARGET)),)
ifneq ($(filter-out $(TAKES_TARGET),$(MAKECMDGOALS)),)
$(error TARGET= is for $(TAKES_TARGET): no other runs on a board behind a lab file)
endif
endif
# These choose their boards by themselves.
HAS_BOARD := test-lab test-twin upstream nightly
ifneq ($(filter command%,$(origin BOARD)),)
ifneq ($(filter $(HAS_BOARD),$(MAKECMDGOALS)),)
$(error BOARD= means nothing to $(filter $(HAS_BOARD),$(MAKECMDGOALS)): it has boards of its own)
endif
endif
ifeq ($(filter $(IMAGE),quick buildroot),)
$(error IMAGE=$(IMAGE): give quick or buildroot)
endif

# One toolchain for everything: the distribution's where it is installed, else what is on the PATH.
export PATH := /usr/bin:$(PATH)
CACHE := $(or $(RESDUMP_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/resdump)
CARGO = CARGO_TARGET_DIR=$(CURDIR)/out/target/$(1) cargo
# The readers of dumps under libFuzzer, with its options. What it finds is kept below out/fuzz.
READERS := saved manifest frame receive stream convert verify
FUZZ_READERS = cd userland/fuzz && for reader in $(READERS); do mkdir -p $(CURDIR)/out/fuzz/$$reader && \
	$(call CARGO,userland/fuzz) run --quiet --release --locked --bin $$reader -- $(1) \
	-artifact_prefix=$(CURDIR)/out/fuzz/$$reader- $(CURDIR)/out/fuzz/$$reader corpus/$$reader || exit 1; done
PROGRAM = $(call CARGO,qemu) run --quiet --release --locked --manifest-path qemu/Cargo.toml --package $(1) --
XTASK = $(call PROGRAM,xtask)
LABS = $(call PROGRAM,labs)
# Judges the arguments of a lab's program before what it needs is built.
JUDGED = $(LABS) --judge $(1) && $(2) && $(LABS) $(1)
SUITE = kernels=$$($(call PROGRAM,suite) --kernels $(TEST)) && $(XTASK) prepare $$kernels && $(call PROGRAM,suite) $(TEST)
BUILDROOT = $(XTASK) buildroot --flavour $(FLAVOUR)

export RESDUMP_BOARD = $(BOARD)
export RESDUMP_SEED = $(SEED)
export RESDUMP_TARGET = $(TARGET)
# Builds the quick image of a flavour, unless Buildroot's is to be taken.
QUICK = $(XTASK) image $(1)
ifeq ($(IMAGE),buildroot)
export RESDUMP_IMAGES = $(CURDIR)/out/buildroot/$(BOARD)
QUICK = true
endif

.DEFAULT_GOAL := help
.PHONY: help setup run test test-host test-suite test-boards test-lab test-debug test-disks test-bring-up test-twin soak fuzz fuzz-readers slow-lines readers bench profile profile-boot order bring-up bring-up-image cuts record-cuts mutations console image sbom \
	quick-image release reproducible check-board boards-table flash update-inputs fresh nightly list-boards list-boards-json list-nightly-json list-variables patches-alone upstream lint lint-docs dumper clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: BOARD=$(BOARD), TEST=, IMAGE=$(IMAGE) and others: docs/reference/settings.md"
	@echo "  Downloads and builds are kept in RESDUMP_CACHE, now $(CACHE)"

setup: ## install what is missing (Debian; done by the others when needed)
	@qemu/setup.sh $(SETUP_$(BOARD))
# Programs and tests have the folder of the checkout in them; cargo does not notice one that was moved, or is mounted
# elsewhere, as in a container.
	@test "$$(cat out/target/.checkout 2>&1)" = "$(CURDIR)" || \
		{ rm -rf out/target && mkdir -p out/target && echo "$(CURDIR)" >out/target/.checkout; }

run: setup ## the main job: memory to disk by three engines and dd, compared on the host
	@$(call JUDGED,run,$(call QUICK,lab))

test: test-host test-suite ## unit tests on the host, then the suite in QEMU

test-host: setup ## unit tests on the host alone
	@$(call CARGO,userland) test --quiet --locked --manifest-path userland/Cargo.toml --workspace
	@$(call FUZZ_READERS,-runs=10000 -max_total_time=10 -verbosity=0)
	@$(call CARGO,qemu) test --quiet --release --locked --manifest-path qemu/Cargo.toml --workspace

test-suite: setup ## the suite in QEMU alone
	@$(SUITE)

test-boards: test-host ## unit tests on the host, then the suite on every board that QEMU plays
	@failed=; for board in $(BOARDS); do \
		$(MAKE) --no-print-directory test-suite BOARD=$$board TEST=$(TEST) || failed="$$failed $$board"; done; \
		test -z "$$failed" || { echo "FAIL:$$failed"; exit 1; }

test-lab: override BOARD := qemu-ppce500
test-lab: setup ## the suite on a board that is none: a noisy serial line, a relay and a card, behind commands
	@$(XTASK) prepare appliance && $(LABS) fakeboard -- make --no-print-directory test-suite TEST=$(TEST)

test-debug: export RESDUMP_FLAVOUR := debug
test-debug: setup ## the suite on a kernel that checks locks, memory, DMA and leaks
	@$(SUITE)

test-disks: export RESDUMP_FLAVOUR := disks
test-disks: override TEST := $(or $(TEST),disks::)
test-disks: setup ## dumps to SATA, NVMe, SD card and USB disks: content, limits, cost
	@$(SUITE)

test-bring-up: export RESDUMP_FLAVOUR := bringup
test-bring-up: override TEST := $(or $(TEST),bring_up::)
test-bring-up: setup ## what is run first on a board, and network boot, on the kernel with a DMA engine and a network
	@$(SUITE)

soak: setup ## the long run: MINUTES of dumps under pressure, on the debug kernel
	@$(call JUDGED,soak --minutes $(or $(MINUTES),60),$(call QUICK,debug))

test-twin: override BOARD := $(TWIN)
test-twin: ## the suite on an arm64 machine, under KASAN and then under KCSAN
	@qemu/setup.sh twin
	@for sanitizer in $(or $(SANITIZER),kasan kcsan); do echo "sanitizer $$sanitizer"; \
		export RESDUMP_FLAVOUR=$$sanitizer; $(SUITE) || exit 1; done

fuzz: override BOARD := $(if $(SANITIZER),$(TWIN),$(BOARD))
fuzz: override TEST := fuzz::
fuzz: export RESDUMP_FLAVOUR := $(or $(SANITIZER),debug)
fuzz: export RESDUMP_COUNT := $(or $(COUNT),1000000)
fuzz: setup ## COUNT calls at random on the nodes, on the debug kernel
	@$(if $(SANITIZER),qemu/setup.sh twin)
	@$(SUITE)

readers: setup ## dumps read by readelf, gdb, pyelftools, drgn, volatility3, numpy, sigmf, avml, zstd and lz4; recipes
	@qemu/setup.sh readers
	@python3 -m venv $(CACHE)/readers && $(CACHE)/readers/bin/pip install --quiet --disable-pip-version-check \
		--only-binary :all: --require-hashes -r userland/resdump/tests/readers/requirements.txt
	@CARGO_TARGET_DIR=$(CACHE)/readers/build cargo install --quiet --locked --root $(CACHE)/readers \
		--no-default-features --features convert avml@$(AVML)
	@PATH=$(CACHE)/readers/bin:$$PATH RESDUMP_PYTHON=$(CACHE)/readers/bin/python RESDUMP_TOOLS=all \
		$(call CARGO,userland) test --quiet --locked \
		--manifest-path userland/Cargo.toml -p resdump --test readers
	@RESDUMP_TOOLS=all $(call CARGO,userland) test --quiet --locked --manifest-path userland/Cargo.toml \
		-p resdump --test cli -- recipes:: --skip recipes::ssh

slow-lines: setup ## send to receive at 1200 to 19200 baud, in real time
	@$(call CARGO,userland) test --quiet --locked --manifest-path userland/Cargo.toml -p resdump --test cli -- \
		--ignored --nocapture slow_lines

fuzz-readers: setup ## the readers of dumps on random input, MINUTES each
	@$(call FUZZ_READERS,-max_total_time=$$(($(or $(MINUTES),5) * 60)) -print_final_stats=1)

bench: setup ## what a dump costs in instructions, and how fast it is next to other methods
	@$(call JUDGED,bench,$(call QUICK,lab))

profile: setup ## where the instructions of COMMAND go, in the guest, by function
	@$(call QUICK,lab) && $(LABS) profile "$(COMMAND)"

profile-boot: setup ## where the instructions from power-on to the prompt go, by function
	@$(call JUDGED,profile-boot,$(call QUICK,appliance))

order: setup ## the order of functions in the dumper, from what ordinary commands execute (writes order.ld)
	@$(call JUDGED,order,$(call QUICK,lab))

bring-up: setup ## what is run first on a board: doctor, DMA, dump, throughput, COUNT power cuts, and a report
	@$(call JUDGED,bring-up --cuts $(or $(COUNT),20) $(if $(filter 1,$(LOG)),--log),$(XTASK) image bringup)

bring-up-image: setup ## the image of the bring-up kernel, whose DMA engine plays the device that writes
	@$(XTASK) image bringup

cuts: setup ## QEMU killed COUNT times during dumps, and what the next start finds on the disks
	@$(call JUDGED,cuts --cuts $(or $(COUNT),200),$(call QUICK,appliance))

mutations: setup ## faults put into a copy of the recorder's sources, each of which its tests must find
	@$(XTASK) mutations

record-cuts: setup ## QEMU killed COUNT times during recordings, and what their indexes prove then
	@$(call JUDGED,record-cuts --cuts $(or $(COUNT),50),$(XTASK) prepare appliance)

console: setup ## an interactive guest on this terminal
	@$(call JUDGED,console,$(call QUICK,appliance))

image: setup ## the product's image, by Buildroot (FLAVOUR=lab: the one for debugging)
	@$(BUILDROOT) image

buildroot-%: setup ## a target of Buildroot's own: buildroot-menuconfig, buildroot-legal-info, …
	@$(BUILDROOT) make $*

sbom: setup ## what the image is made of (CycloneDX), and the licences (IMAGE=quick or buildroot)
	@$(if $(filter buildroot,$(IMAGE)),$(BUILDROOT),$(XTASK)) sbom

quick-image: setup ## the image of the product's kernel, from distribution packages
	@$(XTASK) image appliance

dumper: setup ## the dumper alone, for BOARD's processor: out/dumper/resdump
	@$(XTASK) dumper

check-board: setup ## what can be judged about BOARD without compiling a kernel
	@$(XTASK) check-board

boards-table: setup ## the tables of boards and of runs in the documents; whole runs of the suite are put into the record
	@$(XTASK) boards-table

flash: setup ## the disk image onto a medium: make flash DEV=/dev/sdX
	@test -n "$(DEV)" || { echo "make flash DEV=/dev/sdX: which disk?" >&2; exit 2; }
	@$(XTASK) flash $(if $(filter 1,$(FORCE)),--force) $(if $(filter 1,$(YES)),--yes) $(DEV)

release: setup ## what a user downloads, for each board with an image or those of BOARDS, in out/release
	@qemu/setup.sh release
	@XTASK="$(XTASK)" qemu/release.sh $(if $(filter file,$(origin BOARDS)),$(PRODUCTS),$(BOARDS))

reproducible: setup ## the image built twice, in different folders, is the same (IMAGE=quick or buildroot)
	@$(XTASK) reproducible $(if $(filter buildroot,$(IMAGE)),--buildroot)

fresh: ## the README's commands in an empty root of RELEASE (needs root; an hour)
	@for release in $(RELEASE); do qemu/fresh.sh $$release || exit 1; done

nightly: setup ## what takes too long for each commit: every board, debug kernel, twin, cuts, fuzz, soak
	@qemu/nightly.sh $(PARTS)

list-boards: ## the boards that QEMU plays, a line each
	@printf '%s\n' $(BOARDS)

list-boards-json: ## the same for a matrix of continuous integration
	@printf '"%s",' $(BOARDS) | sed 's/^/[/; s/,$$/]\n/'

list-nightly-json: ## the parts of the nightly tier but the boards, likewise
	@qemu/nightly.sh --list | grep -vx boards | sed 's/.*/"&"/' | paste -sd, | sed 's/.*/[&]/'

update-inputs: setup ## pin what the mirror has now as inputs of the quick image
	@$(XTASK) update-inputs

list-variables: # what may be given on the command line, a line each
	@printf '%s\n' $(VARIABLES)

patches-alone: setup ## each patch to Linux compiles without the others
	@$(XTASK) patches

upstream: override BOARD := qemu-ppce500
upstream: setup ## the series in upstream/ judged, built, and booted with its tests
	@$(call QUICK,lab) && $(XTASK) check-board && qemu/upstream.sh "$(CACHE)"

lint: setup ## formatters, linters, device-tree binding, kernel configuration, documents
	@$(XTASK) lint

lint-docs: setup ## of lint: links, settings, language, version, subjects of commits
	@$(XTASK) lint-docs

clean: ## remove what was made in this checkout (the cache stays)
	rm -rf out
