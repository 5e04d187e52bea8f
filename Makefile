# SPDX-License-Identifier: MIT
# Front door. Everything is done by the harness in qemu/; `make help` tells what there is.

BOARD ?= qemu-ppce500
BOARDS ?= $(notdir $(patsubst %/,%,$(dir $(shell grep -L '^INSTRUMENT=yes' board/qemu-*/board.conf))))
FLAVOUR ?= appliance
IMAGE ?= quick
SOAK_MINUTES ?= 60
CUTS ?= 200
FUZZ_OPS ?= 1000000
FUZZ_SECONDS ?= 300

TWIN := qemu-arm64-virt

# One toolchain for everything: the distribution's where it is installed, else what is on the PATH.
export PATH := /usr/bin:$(PATH)
CACHE := $(or $(RESDUMP_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/resdump)
CARGO = CARGO_TARGET_DIR=$(CURDIR)/out/target/$(1) cargo
# The readers of dumps under libFuzzer, with its options. What it finds is kept below out/fuzz.
READERS := saved manifest frame receive stream convert verify
FUZZ_READERS = cd userland/fuzz && for reader in $(READERS); do mkdir -p $(CURDIR)/out/fuzz/$$reader && \
	$(call CARGO,userland/fuzz) run --quiet --release --locked --bin $$reader -- $(1) \
	-artifact_prefix=$(CURDIR)/out/fuzz/$$reader- $(CURDIR)/out/fuzz/$$reader corpus/$$reader || exit 1; done
HARNESS = $(call CARGO,qemu) run --quiet --release --locked --manifest-path qemu/Cargo.toml -- --board $(BOARD)

BUILDROOT = $(HARNESS) buildroot --flavour $(FLAVOUR)
ifeq ($(IMAGE),buildroot)
export RESDUMP_IMAGES := $(CURDIR)/out/buildroot/$(BOARD)
endif

.DEFAULT_GOAL := help
.PHONY: help setup run test test-boards test-debug test-twin soak fuzz fuzz-readers readers bench cuts console image sbom \
	quick-image reproducible check-board flash lint clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Every other target goes to Buildroot: menuconfig, linux-menuconfig, savedefconfig, …"
	@echo
	@echo "  BOARD=$(BOARD)   a folder below board/"
	@echo "  BOARDS=         for test-boards: only these"
	@echo "  IMAGE=$(IMAGE)   for run, test, bench, console: quick, or buildroot (after make image)"
	@echo "  BUILDROOT_DIR=  a Buildroot tree instead of the pinned release (docs/buildroot.md)"
	@echo "  TEST=           only suite tests whose names contain this"
	@echo "  SANITIZER=      for test-twin: kasan or kcsan alone; for fuzz: on the twin"
	@echo "  CUTS=$(CUTS) CUTS_SEED=  for cuts: how many; the seed that repeats their plan"
	@echo "  FUZZ_OPS=$(FUZZ_OPS) FUZZ_SEED=  for fuzz: how many; the seed that repeats the draws"
	@echo "  FUZZ_SECONDS=$(FUZZ_SECONDS)  for fuzz-readers: how long each"
	@echo "  SOAK_MINUTES=$(SOAK_MINUTES)  for soak"
	@echo "  LINUX_SRC=      an unpacked Linux 7.3 tree instead of the distribution's package"
	@echo "  DEV= FORCE=1 YES=1  for flash: the disk; one that is not removable; no question"
	@echo "  RESDUMP_CACHE=  downloads and builds that are kept, now $(CACHE)"

setup: ## install what is missing (Debian 12; done by the others when needed)
	@qemu/setup.sh

run: setup ## the main job: memory to disk by each engine, compared on the host
	@$(HARNESS) run

ifneq ($(FUZZ_SEED),)
export RESDUMP_FUZZ_SEED := $(FUZZ_SEED)
endif

test: export RESDUMP_BOARD := $(BOARD)
test: setup ## unit tests on the host, then the suite in QEMU
	@$(call CARGO,userland) test --quiet --locked --manifest-path userland/Cargo.toml --workspace
	@$(call FUZZ_READERS,-runs=10000 -max_total_time=10 -verbosity=0)
	@$(call CARGO,qemu) test --quiet --release --locked --manifest-path qemu/Cargo.toml --lib
	@$(call CARGO,qemu) test --quiet --release --locked --manifest-path qemu/Cargo.toml --test suite -- $(TEST)

test-boards: setup ## the suite on every board that QEMU plays
	@failed=; for board in $(BOARDS); do \
		$(MAKE) --no-print-directory test BOARD=$$board TEST=$(TEST) || failed="$$failed $$board"; done; \
		test -z "$$failed" || { echo "FAIL:$$failed"; exit 1; }

test-debug: export RESDUMP_BOARD := $(BOARD)
test-debug: export RESDUMP_FLAVOUR := debug
test-debug: setup ## the suite on a kernel that watches locks, memory, DMA and leaks
	@$(call CARGO,qemu) test --quiet --release --locked --manifest-path qemu/Cargo.toml --test suite -- $(TEST)

soak: setup ## the long run: SOAK_MINUTES of dumps under pressure, on the debug kernel
	@$(HARNESS) soak --minutes $(SOAK_MINUTES)

test-twin: export RESDUMP_BOARD := $(TWIN)
test-twin: ## the suite on an arm64 machine, watched by KASAN and then by KCSAN
	@qemu/setup.sh twin
	@for sanitizer in $(or $(SANITIZER),kasan kcsan); do \
		echo "sanitizer $$sanitizer"; RESDUMP_FLAVOUR=$$sanitizer \
		$(call CARGO,qemu) test --quiet --release --locked --manifest-path qemu/Cargo.toml --test suite -- $(TEST) || exit 1; done

fuzz: export RESDUMP_BOARD := $(if $(SANITIZER),$(TWIN),$(BOARD))
fuzz: export RESDUMP_FLAVOUR := $(or $(SANITIZER),debug)
fuzz: export RESDUMP_FUZZ_OPERATIONS := $(FUZZ_OPS)
fuzz: setup ## FUZZ_OPS calls at random on the nodes, on the debug kernel
	@$(if $(SANITIZER),qemu/setup.sh twin)
	@$(call CARGO,qemu) test --quiet --release --locked --manifest-path qemu/Cargo.toml --test suite -- fuzz::

readers: setup ## dumps read by readelf, gdb, pyelftools, drgn, volatility3, zstd and lz4
	@qemu/setup.sh readers
	@python3 -m venv $(CACHE)/readers && $(CACHE)/readers/bin/pip install --quiet --disable-pip-version-check \
		--only-binary :all: --require-hashes -r userland/resdump/tests/readers/requirements.txt
	@RESDUMP_PYTHON=$(CACHE)/readers/bin/python RESDUMP_READERS=all $(call CARGO,userland) test --quiet --locked \
		--manifest-path userland/Cargo.toml -p resdump --test readers

fuzz-readers: setup ## the readers of dumps on random input, FUZZ_SECONDS each
	@$(call FUZZ_READERS,-max_total_time=$(FUZZ_SECONDS) -print_final_stats=1)

bench: setup ## what a dump costs in instructions, and how fast it is beside the other ways
	@$(HARNESS) bench

cuts: setup ## QEMU killed CUTS times during dumps, and what the next start finds on the disks
	@$(HARNESS) cuts --cuts $(CUTS)

console: setup ## an interactive guest on this terminal
	@$(HARNESS) console

image: setup ## the product's image, by Buildroot (FLAVOUR=lab: the one for debugging)
	@$(BUILDROOT) image

sbom: setup ## what the image is made of (CycloneDX), and the licences (IMAGE=quick or buildroot)
	@$(if $(filter buildroot,$(IMAGE)),$(BUILDROOT),$(HARNESS)) sbom

quick-image: setup ## the image of the product's kernel, from distribution packages
	@$(HARNESS) image appliance

check-board: setup ## what can be judged about BOARD without compiling a kernel
	@$(HARNESS) check-board

flash: setup ## the disk image onto a medium: make flash DEV=/dev/sdX
	@test -n "$(DEV)" || { echo "make flash DEV=/dev/sdX: which disk?" >&2; exit 2; }
	@$(HARNESS) flash $(if $(filter 1,$(FORCE)),--force) $(if $(filter 1,$(YES)),--yes) $(DEV)

reproducible: setup ## the image built twice, in different folders, is the same (IMAGE=quick or buildroot)
	@$(HARNESS) reproducible $(if $(filter buildroot,$(IMAGE)),--buildroot)

lint: setup ## formatters, linters, device-tree binding, kernel configuration
	@$(HARNESS) lint

clean: ## remove what was made in this checkout (the cache stays)
	rm -rf out

# Everything else is a target of Buildroot's.
.DEFAULT:
	@$(BUILDROOT) make $@
