# pygrowd: the only build file. Everything is made below build/; `make help` lists the targets.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION := 0.1.0
B       := build
PREFIX  ?= /usr/local
DESTDIR ?=

# Knobs: V=1 shows commands, DEBUG=1 builds without optimisation, SAN=0 tests without sanitizers,
# DEPS=0 does not look for missing Debian packages.
V       ?= 0
DEBUG   ?= 0
SAN     ?= 1
COVERAGE ?= 0
DEPS    ?= 1
Q       := $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' '$(1)' '$(2)')

CC      := cc
CLANG   := clang
BPFTOOL := bpftool
# Debian's bpftool is in a directory that only root's PATH has.
export PATH := $(PATH):/usr/sbin
PKGS    := libbpf libelf capstone json-c libsystemd
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat-security \
           -Werror=unused-function
OPT     := $(if $(filter 1,$(DEBUG)),-O0 -g3,-O2 -g)
CFLAGS  ?=
ALLC     = -std=gnu11 -fno-strict-aliasing $(OPT) $(WARN) -D_GNU_SOURCE -DPYGROWD_VERSION='"$(VERSION)"' \
           -Iinclude -Iuser -Ibpf -I$(B)/bpf -MMD -MP $(CFLAGS)
LIBS     = $(shell pkg-config --libs $(PKGS)) -lm -lpthread
BPFC    := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Wextra -Wno-unused-parameter \
           -Iinclude -Ibpf -I/usr/include/$(shell uname -m)-linux-gnu -MMD -MP
SANC     = $(if $(filter 1,$(SAN)),-fsanitize=address,-DNO_SANITIZER) \
           $(if $(filter 1,$(SAN)),-fsanitize=undefined -fno-sanitize-recover=undefined) \
           $(if $(filter 1,$(COVERAGE)),--coverage)

MAINS   := user/pygrowd.c user/pygrowctl.c
SRC     := $(filter-out $(MAINS),$(wildcard user/*/*.c))
CLISRC  := $(wildcard user/cli/*.c user/lib/*.c)
OBJ     := $(SRC:%.c=$(B)/obj/%.o)
CLIOBJ  := $(CLISRC:%.c=$(B)/obj/%.o)
TESTS   := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
BPFTESTS := $(patsubst tests/bpf/%.c,$(B)/tests-bpf/%,$(wildcard tests/bpf/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
TESTOBJ := $(SRC:%.c=$(B)/san/%.o)
SKEL    := $(B)/bpf/pygrowd.skel.h

.PHONY: all demo check test test-bpf test-e2e lint format bench fuzz insns install uninstall \
        clean help deps-build deps-unit deps-test deps-demo deps-bench
.SECONDARY:

all: $(B)/pygrowd $(B)/pygrowctl ## build both programs (default)

# ── the kernel side ──────────────────────────────────────────────────────────────────────────
$(B)/bpf/pygrowd.bpf.o: bpf/pygrowd.bpf.c | deps-build
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFC) -c $< -o $@

$(SKEL): $(B)/bpf/pygrowd.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name pygrowd_bpf > $@

# ── the user side ────────────────────────────────────────────────────────────────────────────
$(B)/obj/%.o: %.c | $(SKEL)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLC) -c $< -o $@

$(B)/pygrowd: $(B)/obj/user/pygrowd.o $(OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $^ -o $@ $(LIBS)

$(B)/pygrowctl: $(B)/obj/user/pygrowctl.o $(CLIOBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $^ -o $@ $(shell pkg-config --libs json-c) -lm

# ── tests ────────────────────────────────────────────────────────────────────────────────────
$(B)/san/%.o: %.c | $(SKEL)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLC) $(SANC) -c $< -o $@

$(B)/san/libpygrowd.a: $(TESTOBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/unit/%: tests/unit/%.c $(B)/san/libpygrowd.a | deps-unit
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLC) $(SANC) -I. -Itests/harness $< $(B)/san/libpygrowd.a -o $@ $(LIBS) -lcmocka

$(B)/tests-bpf/%: tests/bpf/%.c $(OBJ) | deps-unit
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLC) -I. -Itests/harness $< $(OBJ) -o $@ $(LIBS) -lcmocka

test: $(TESTS) ## unit tests, no root (ASan and UBSan)
	$(Q)tests/harness/run-cmocka.sh unit $(TESTS)

test-bpf: $(BPFTESTS) ## tests of the kernel side (root)
	$(Q)tests/harness/run-cmocka.sh bpf $(BPFTESTS)

test-e2e: all deps-test ## end-to-end tests on every interpreter present (root); prints the coverage table
	$(Q)tests/e2e/run.sh

FUZZ_SECONDS ?= 60
$(B)/fuzz/%: tests/fuzz/%.c $(wildcard user/target/*.[ch] user/lib/*.[ch]) | deps-test
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu11 -O1 -g -D_GNU_SOURCE -Iinclude -Iuser -fsanitize=fuzzer,address,undefined $< \
		user/target/elf*.c user/target/site*.c user/target/insn.c user/lib/strbuf.c user/lib/fsutil.c user/lib/log.c user/lib/clock.c user/lib/units.c \
		-o $@ -lelf -lcapstone -lm

fuzz: $(FUZZERS) ## libFuzzer on the ELF reader and the site finder, FUZZ_SECONDS each
	$(Q)tests/harness/run-fuzz.sh $(FUZZ_SECONDS) $(FUZZERS)

lint: ## formatting, cppcheck, include rule
	$(Q)tests/harness/lint.sh

format: ## clang-format everything
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i

insns: $(B)/bpf/pygrowd.bpf.o ## instructions per BPF program, and what the verifier processed (root)
	$(Q)tests/harness/insns.sh $<

bench: all deps-bench ## does pygrowd keep its numbers? (root; BENCH="json pairs=3" chooses)
	$(Q)tests/bench/run.sh $(BENCH)

# ── the two commands of the README ───────────────────────────────────────────────────────────
demo: ## install what is missing, build, watch a leaking service, print the report (root)
	$(Q)deploy/install-packages.sh build demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo/demo.sh

check: ## install what is missing, build, run every test (root)
	$(Q)deploy/install-packages.sh build unit test demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/harness/check.sh

# As root, installs what is missing, and says so; else says what is missing. One apt at a time.
deps-build deps-unit deps-test deps-demo deps-bench: deps-%:
	$(Q)$(if $(filter 0,$(DEPS)),:,deploy/install-packages.sh $*)
deps-unit deps-test deps-demo deps-bench: | deps-build
deps-test: | deps-unit

install: all ## install into DESTDIR/PREFIX
	install -D -m 0755 $(B)/pygrowd $(DESTDIR)$(PREFIX)/sbin/pygrowd
	install -D -m 0755 $(B)/pygrowctl $(DESTDIR)$(PREFIX)/bin/pygrowctl

uninstall: ## remove what install installed
	rm -f $(DESTDIR)$(PREFIX)/sbin/pygrowd $(DESTDIR)$(PREFIX)/bin/pygrowctl

clean: ## remove build/
	rm -rf $(B)

help: ## this list
	$(Q)sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

-include $(shell find $(B)/obj $(B)/san $(B)/bpf $(B)/unit $(B)/tests-bpf -name "*.d" -type f 2>/dev/null)
