# SPDX-License-Identifier: BSD-3-Clause
# Included by every folder's Makefile: where things are, which tools and flags to use.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

TOP := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)
BUILD := $(TOP)/build
FOLDER := $(patsubst $(TOP)/%,%,$(CURDIR))
B := $(BUILD)/$(FOLDER)

XDG_CACHE_HOME ?= $(HOME)/.cache
X100_CACHE ?= $(XDG_CACHE_HOME)/x100
export X100_CACHE

# Processors used for one build; recipes that call ninja or another build system pass it on.
JOBS ?= $(shell nproc)
export JOBS

# A clone in another folder hits the same ccache entries.
CCACHE := $(shell command -v ccache)
export CCACHE_DIR ?= $(X100_CACHE)/ccache
export CCACHE_BASEDIR ?= $(TOP)
export CCACHE_NOHASHDIR ?= 1
# Dependencies from the compiler instead of the preprocessor: a quarter less of a cold build.
export CCACHE_DEPEND ?= 1
export CCACHE_MAXSIZE ?= 3G

# Debian's own tools, whatever else comes first in PATH.
HOSTCC := /usr/bin/gcc
CC := $(CCACHE) $(HOSTCC)
CLANG := /usr/bin/clang
PYTHON := /usr/bin/python3
# A worker per processor; a file stays with one, so that its tests can share a card.
PYTEST := $(PYTHON) -m pytest -n $(JOBS) --dist loadfile
OBJCOPY := objcopy
AR := ar

K1OM_CC := $(TOP)/toolchain/k1om-cc
K1OM_CHECK := $(TOP)/toolchain/k1om-check

# Helpers, described in their own first comments.
PKGSRC := $(TOP)/scripts/pkgsrc
CACHED := $(TOP)/scripts/cached
UNIT := $(TOP)/scripts/unit

# What all our own C is compiled with; user-space code adds HOST_CFLAGS, unit tests TEST_CFLAGS.
WARN_CFLAGS := -Wall -Wextra -Werror -Wshadow -Wvla -Wpointer-arith -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wwrite-strings -Wundef
INC_CFLAGS := -I$(TOP)/include
HOST_CFLAGS := -std=gnu11 -O2 -g -D_GNU_SOURCE -fstack-protector-strong -D_FORTIFY_SOURCE=2 \
	$(WARN_CFLAGS) $(INC_CFLAGS)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TEST_CFLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE $(SANITIZE) $(WARN_CFLAGS) $(INC_CFLAGS)
TEST_LDLIBS := $(SANITIZE) -lcmocka
FUZZ_CFLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all $(INC_CFLAGS)
# The target by the name make knows it by: ccache writes a relative one.
DEP_CFLAGS = -MMD -MP -MT $@

.PHONY: all test lint clean
all:

ifneq ($(CURDIR),$(TOP))
clean:
	rm -rf $(B)
endif
