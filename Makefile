# SPDX-License-Identifier: BSD-3-Clause
# The whole project: `make help` lists what can be asked for. Each folder has a Makefile of its own.

include scripts/common.mk

# In the order of a boot; what waits for what stands below.
PARTS := toolchain model bootstrap card-kernel-patches card-rootfs host-loader
TESTED := include scripts $(PARTS) virtio-front tests

STEP := $(TOP)/scripts/step
DEPS := $(TOP)/scripts/deps

# What `make run` and `make bench` are given on the command line goes on to the scripts.
RUNFLAGS ?=
FUZZ_SECONDS ?= 300
export FUZZ_SECONDS

.PHONY: all deps run test system-test lint format bench soak fuzz help parts unit-tests \
	$(PARTS) $(TESTED:%=test-%)

all:
	@$(DEPS)
	+@$(MAKE) -j$(JOBS) parts

help:
	@echo 'make run      build everything, boot the model of the card, log in (leave with Ctrl-])'
	@echo 'make test     all tests; the last line is the sum'
	@echo 'make lint     formatting and static checks'
	@echo 'make bench    the figures, as a table and as build/bench.json'
	@echo 'make all      build only'
	@echo 'make deps     install the Debian packages and fetch the sources, nothing else'
	@echo 'make soak     long-running tests'
	@echo 'make fuzz     every fuzzer for FUZZ_SECONDS ($(FUZZ_SECONDS))'
	@echo 'make format   rewrite our C files in the form lint asks for'
	@echo 'make clean    remove build/ (sources and third-party builds stay in $(X100_CACHE))'
	@echo 'V=1 shows what is run; JOBS=n limits the processors used.'

deps:
	@$(DEPS)
	@echo 'deps: everything is there'

parts: $(PARTS)

$(PARTS):
	+@$(STEP) $@ $(MAKE) -C $@ all

bootstrap card-kernel-patches card-rootfs: toolchain

run: all
	@$(TOP)/scripts/run $(RUNFLAGS)

# Every folder's tests run, whatever failed before them; scripts/results has the last word.
test: all
	@rm -rf $(BUILD)/results
	+@$(MAKE) -k -j$(JOBS) unit-tests || :
	@$(MAKE) system-test || :
	@$(TOP)/scripts/results

unit-tests: $(TESTED:%=test-%)

$(TESTED:%=test-%): test-%:
	+@$(STEP) "$* tests" $(MAKE) -k -C $* test || { \
		grep -lqs ' [1-9][0-9]* [0-9]* $*/' $(BUILD)/results/*.count || \
			{ mkdir -p $(BUILD)/results; echo "0 1 0 $*/make-test" >$(BUILD)/results/$*-make-test.count; }; \
		exit 1; }

system-test:
	@$(UNIT) --show --deadline 1500 system/pytest $(PYTEST) -v tests/system

lint:
	@$(DEPS)
	+@$(TOP)/scripts/lint

format:
	@git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i

bench: all
	+@$(STEP) "kernel with PCI" $(MAKE) -C card-kernel-patches pci-kernel
	+@$(MAKE) -C bench bench

soak: all
	+@$(MAKE) -C tests soak

fuzz: all
	+@set -e; for part in $(TESTED); do \
		if grep -q '^fuzz:' $$part/Makefile; then $(MAKE) -j$(JOBS) -Otarget -C $$part fuzz; fi; done

clean:
	rm -rf $(BUILD)
