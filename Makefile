# SPDX-License-Identifier: Apache-2.0
#
# The front door: `make` builds, `make demo` shows, `make check` proves. The work is done by CMake and Ninja (see
# CMakePresets.json for the other builds); missing packages are installed by tools/install_deps.sh.
PREFIX  ?= /usr/local
SECONDS ?= 60
WERROR  ?= OFF
THREADED = base_system|cpu_backend|engine|api|train # tests that run threads: the ones TSan is for
DEPS     = @tools/install_deps.sh

.DEFAULT_GOAL := all
.PHONY: all demo check check-aarch64 bench headline fuzz mutants sanitize format tidy install clean help

# Configure (cheap when nothing changed) and build one preset.
define build
	@cmake --preset $(1) -DMIXDOWN_WERROR=$(2) $(3) >build/configure-$(1).log 2>&1 || { cat build/configure-$(1).log; exit 1; }
	@cmake --build --preset $(1)
endef

all: ## release build: build/mixdown, build/libmixdown.so, build/libmixdown.a
	$(DEPS) build test
	@mkdir -p build
	$(call build,release,$(WERROR))

demo: all ## the whole loop on a small trained network
	$(DEPS) data
	@tools/demo.sh

check: ## build, and every test
	$(DEPS) build test python data
	@mkdir -p build
	$(call build,release,$(WERROR))
	@ctest --test-dir build --output-on-failure -j2

check-aarch64: ## cross-compile for AArch64, and test under qemu-user
	$(DEPS) build test data aarch64
	@mkdir -p build
	$(call build,aarch64,$(WERROR))
	@tools/check_aarch64.sh build/aarch64

bench: all ## whole models and kernels beside other engines: bench/results/peers.csv
	$(DEPS) peers
	@bench/run.sh

headline: all ## NNI's published experiments; MNIST=DIR CIFAR10=DIR point to the official files, EPOCHS= ROUNDS= SAMPLES= shorten it
	$(DEPS) python $(if $(MNIST),,data)
	@bench/headline.sh

fuzz: ## every fuzz target for SECONDS each
	$(DEPS) build test fuzz
	@mkdir -p build
	$(call build,fuzz,ON)
	@tools/fuzz.sh build/fuzz $(SECONDS)

mutants: ## plant each bug of tests/mutants: every one must be noticed
	$(DEPS) build test python mutants
	@tools/mutants.sh

sanitize: ## the tests under ASan with UBSan, then under TSan
	$(DEPS) build test python data
	@mkdir -p build
	$(call build,asan,ON)
	@ctest --test-dir build/asan --output-on-failure -j2
	$(call build,tsan,ON)
	@ctest --test-dir build/tsan --output-on-failure -j2 -R '$(strip $(THREADED))'

format: ## clang-format in place
	$(DEPS) format
	@git ls-files '*.c' '*.h' | xargs clang-format -i

tidy: all ## clang-tidy on the library and the program
	$(DEPS) tidy
	@git ls-files 'src/*.c' 'cli/*.c' | xargs clang-tidy --quiet -p build

install: all ## into PREFIX, DESTDIR honoured
	@cmake --install build --prefix $(PREFIX)

clean: ## remove build/
	@rm -rf build

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24
