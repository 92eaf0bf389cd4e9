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
PKGS    := libbpf libelf capstone json-c libsystemd libconfuse sqlite3 libmicrohttpd libcurl
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

.PHONY: all demo check test test-bpf test-e2e check-corpus check-detector lint format bench fuzz \
        insns install uninstall man deb test-systemd clean help deps-build deps-unit deps-test deps-demo deps-bench deps-deb deps-systemd
.SECONDARY:

all: $(B)/pygrowd $(B)/pygrowctl ## build both programs (default)

# Whoever says the version is made anew when it changes: make VERSION=…
$(shell mkdir -p $(B) && echo $(VERSION) | cmp -s - $(B)/version || echo $(VERSION) >$(B)/version)
$(foreach f,$(shell grep -l PYGROWD_VERSION user/*/*.c),$(f:%.c=$(B)/obj/%.o) $(f:%.c=$(B)/san/%.o)): $(B)/version

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

check-corpus: all deps-test ## does each leak of tests/corpus alert, and nothing else? CORPUS="--seeds 5 -k lru" chooses (root)
	$(Q)/usr/bin/python3 -B tests/corpus/check_truth.py -j 4
	$(Q)PYGROWD_BUILD=$(abspath $(B)) /usr/bin/python3 -B tests/corpus/run_corpus.py $(CORPUS)

$(B)/sim/check_detector: $(wildcard tests/sim/*.[ch]) $(OBJ)
	$(call say,SIM,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLC) -Itests/sim $(filter %.c %.o,$^) -o $@ $(LIBS)

check-detector: $(B)/sim/check_detector ## false alarms and recall of the detector; writes docs/DETECTOR.md
	$(Q)tests/sim/write_doc.sh $< docs/DETECTOR.md

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

bench: all $(B)/tests-bpf/gcprobes deps-bench ## does pygrowd keep its numbers? (root; BENCH="json pairs=3" chooses)
	$(Q)tests/bench/run.sh $(BENCH)

# ── the two commands of the README ───────────────────────────────────────────────────────────
demo: ## install what is missing, build, watch a leaking service, print the report (root)
	$(Q)deploy/install-packages.sh build demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo/demo.sh

check: ## install what is missing, build, run every test (root)
	$(Q)deploy/install-packages.sh build unit test demo deb systemd
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/harness/check.sh

# As root, installs what is missing, and says so; else says what is missing. One apt at a time.
deps-build deps-unit deps-test deps-demo deps-bench deps-deb deps-systemd: deps-%:
	$(Q)$(if $(filter 0,$(DEPS)),:,deploy/install-packages.sh $*)
deps-unit deps-test deps-demo deps-bench deps-deb: | deps-build
deps-test: | deps-unit
deps-systemd: | deps-deb

# What is installed: mode:file:place below PREFIX.
FILES = 0755:$(B)/pygrowd:sbin/pygrowd 0755:$(B)/pygrowctl:bin/pygrowctl \
        0644:deploy/pygrowd.service:lib/systemd/system/pygrowd.service \
        0644:deploy/pygrowd.sysusers:lib/sysusers.d/pygrowd.conf \
        0644:deploy/pygrowd.tmpfiles:lib/tmpfiles.d/pygrowd.conf \
        0644:deploy/pygrowd.catalog:lib/systemd/catalog/pygrowd.catalog \
        $(foreach f,$(wildcard docs/man/*.[158]),0644:$f:share/man/man$(subst .,,$(suffix $f))/$(notdir $f)) \
        $(foreach f,$(wildcard deploy/completion/*),0644:$f:share/bash-completion/completions/$(notdir $f))

install: all ## programs, unit, man pages into DESTDIR/PREFIX, pygrowd.conf into /etc if there is none
	$(Q)deploy/install.sh install "$(DESTDIR)" "$(PREFIX)" $(FILES)

uninstall: ## remove what install installed; a pygrowd.conf that was changed stays
	$(Q)deploy/install.sh uninstall "$(DESTDIR)" "$(PREFIX)" $(FILES)

man: ## the man pages as text, in build/man; fails if one has a mistake
	$(Q)docs/man/check.sh $(B)/man

DEB = $(B)/pygrowd_$(VERSION)_$(shell dpkg --print-architecture 2>/dev/null).deb
deb: all deps-deb ## a Debian package, in build/; of no use on another release of Debian than this one
	$(Q)rm -rf $(B)/deb
	$(Q)$(MAKE) --no-print-directory install DESTDIR=$(abspath $(B))/deb PREFIX=/usr
	$(Q)deploy/debian/build.sh $(VERSION) $(B)/deb $(DEB)

test-systemd: deb deps-systemd ## the .deb in a Debian of its own, under its systemd (root)
	$(Q)tests/systemd/run.sh $(DEB) $(B)/deb

clean: ## remove build/
	rm -rf $(B)

help: ## this list
	$(Q)sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

-include $(shell find $(B)/obj $(B)/san $(B)/bpf $(B)/unit $(B)/tests-bpf -name "*.d" -type f 2>/dev/null)
