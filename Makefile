# SPDX-License-Identifier: GPL-2.0-only
# synfin: `make help` lists the targets.

O	 ?= build
ARCH	 ?= $(shell uname -m)
CLANG	 ?= clang
BPFTOOL	 ?= $(or $(shell command -v bpftool),$(wildcard /usr/sbin/bpftool),bpftool)
PKGCONF	 ?= pkg-config
PYTHON	 ?= /usr/bin/python3
PREFIX	 ?= /usr/local
CFLAGS	 ?= -O2 -g
VERSION	 := 0.1.0

BPF_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(ARCH)))
WARN	 := -Wall -Wextra -Werror
CPPFLAGS += -D_GNU_SOURCE -DSYNFIN_VERSION='"$(VERSION)"' -Isrc -Ibpf -isystem $(O)
BPF_CFLAGS := -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -Ivmlinux -Ibpf $(WARN) -Wno-unused-parameter

LIBS	 := -lbpf -lelf -lz -lmicrohttpd -lprotobuf-c -ljson-c -lseccomp -lcap-ng -lpthread -lm
ifeq ($(STATIC),1)
LDFLAGS	 += -static
CPPFLAGS += -DSYNFIN_STATIC
LIBS	 := $(shell $(PKGCONF) --static --libs libbpf libelf zlib 2>/dev/null) -llzma -lbz2 -lzstd -lmicrohttpd -lprotobuf-c -ljson-c -lseccomp -lcap-ng -lpthread -lm
# Debian's libmicrohttpd.a names functions of GnuTLS, of which there is no complete static library: see no_tls.c.
TLS	 := $(shell nm $$($(CC) -print-file-name=libmicrohttpd.a) 2>/dev/null | sed -n 's/^ *U \(gnutls_.*\)/\1/p' | sort -u)
LIBS	 += $(TLS:%=-Wl,--defsym=%=no_tls)
# What libcap-ng would call for a user's groups, of which we keep none; in a static program these would load parts of libc.
LIBS	 += $(foreach f,initgroups getpwuid,-Wl,--wrap=$(f) -Wl,--defsym=__wrap_$(f)=abort)
endif
ifneq ($(SANITIZE),)
# `override`, since CFLAGS may be given on the command line.
override CFLAGS += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS	 += -fsanitize=$(SANITIZE)
endif
ifneq ($(V),1)
Q := @
endif

CORE_SRC := $(wildcard src/base/*.c src/model/*.c src/out/*.c src/in/*.c src/http/*.c src/sandbox/*.c)
ifneq ($(STATIC),1)
CORE_SRC := $(filter-out src/http/no_tls.c,$(CORE_SRC))
endif
SRC	 := $(CORE_SRC) $(wildcard src/kernel/*.c src/cmd/*.c) src/main.c
UNIT_SRC := $(wildcard tests/unit/test_*.c)
CORE_OBJ := $(CORE_SRC:%.c=$(O)/%.o) $(O)/metrics.pb-c.o
OBJ	 := $(SRC:%.c=$(O)/%.o) $(O)/metrics.pb-c.o
UNIT	 := $(UNIT_SRC:tests/unit/%.c=$(O)/tests/%)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help clean
all: $(O)/synfin ## build synfin

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 20
	@echo; echo 'Variables: O=DIR  V=1  STATIC=1  SANITIZE=address,undefined  CLANG=  PREFIX=  DESTDIR='

# --- the BPF object and its skeleton ---
$(O)/synfin.bpf.o: bpf/synfin.bpf.c | tools
	@mkdir -p $(@D)
	@echo '  BPF    $@'
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(O)/synfin.skel.h: $(O)/synfin.bpf.o
	@echo '  SKEL   $@'
	$(Q)$(BPFTOOL) gen object $(O)/synfin.linked.o $< && \
		{ echo '/* NOLINTBEGIN: generated */'; $(BPFTOOL) gen skeleton $(O)/synfin.linked.o name synfin_bpf && \
		  echo '/* NOLINTEND */'; } > $@

$(filter $(O)/src/kernel/%,$(OBJ)): $(O)/synfin.skel.h

# --- the program ---
$(O)/metrics.pb-c.c: src/out/metrics.proto | tools
	@mkdir -p $(@D)
	@echo '  PROTO  $@'
	$(Q)protoc-c --proto_path=src/out --c_out=$(O) $<

$(O)/metrics.pb-c.h: $(O)/metrics.pb-c.c ;

$(O)/metrics.pb-c.o: $(O)/metrics.pb-c.c
	@echo '  CC     $@'
	$(Q)$(CC) -std=gnu11 $(CFLAGS) -c $< -o $@

$(O)/src/out/protobuf.o: $(O)/metrics.pb-c.h

$(O)/%.o: %.c | tools
	@mkdir -p $(@D)
	@echo '  CC     $@'
	$(Q)$(CC) -std=gnu11 $(CPPFLAGS) $(CFLAGS) $(WARN) -MMD -MP -c $< -o $@

$(O)/synfin: $(OBJ)
	@echo '  LD     $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

clean: ## remove what was built
	rm -rf $(O)

-include $(OBJ:.o=.d) $(O)/synfin.bpf.d

# --- one file for hosts that have nothing but a kernel with BTF ---
.PHONY: static
static: ## build a static, stripped $(O)/static/synfin
	$(Q)$(MAKE) --no-print-directory O=$(O)/static STATIC=1 CFLAGS='-O2' $(O)/static/synfin
	$(Q)strip $(O)/static/synfin
	@! ldd $(O)/static/synfin >/dev/null 2>&1 || { echo "synfin: the static build is not static" >&2; exit 1; }

# --- tests ---
$(O)/libcore.a: $(CORE_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/tests/test_%: tests/unit/test_%.c $(O)/libcore.a $(O)/metrics.pb-c.h
	@mkdir -p $(@D)
	@echo '  TEST   $@'
	$(Q)$(CC) -std=gnu11 $(CPPFLAGS) $(CFLAGS) $(WARN) -MMD -MP $< -o $@ $(LDFLAGS) $(O)/libcore.a -lcmocka -lmicrohttpd -lprotobuf-c -ljson-c -lseccomp -lcap-ng -lz -lm

$(O)/tests/peer: tests/net/peer.c
	@mkdir -p $(@D)
	@echo '  CC     $@'
	$(Q)$(CC) $(CFLAGS) $(WARN) $< -o $@

# Unpacked, not installed: that would set up a service. Only the two programs are used.
$(O)/prometheus/usr/bin/prometheus:
	$(Q)scripts/unpack-package prometheus $(O)/prometheus
	$(Q)touch $@

$(O)/tests/load: tests/bench/load.c
	@mkdir -p $(@D)
	@echo '  CC     $@'
	$(Q)$(CC) $(CFLAGS) $(WARN) $< -o $@ -pthread

$(O)/tests/race: tests/exact/race.c
	@mkdir -p $(@D)
	@echo '  CC     $@'
	$(Q)$(CC) $(CFLAGS) $(WARN) $< -o $@ -pthread

$(O)/tests/witness.bpf.o: tests/exact/witness.bpf.c | tools
	@mkdir -p $(@D)
	@echo '  BPF    $@'
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(O)/tests/witness.skel.h: $(O)/tests/witness.bpf.o
	@echo '  SKEL   $@'
	$(Q)$(BPFTOOL) gen skeleton $< name witness_bpf >$@

$(O)/tests/witness: tests/exact/witness.c $(O)/tests/witness.skel.h
	@echo '  CC     $@'
	$(Q)$(CC) $(CFLAGS) -isystem $(O)/tests $(WARN) $< -o $@ $(LDFLAGS) -lbpf -lelf -lz

-include $(wildcard $(O)/tests/*.d)

.PHONY: fuzz fuzzers all-fuzzers unit sanitized test test-unit test-net test-exact test-vm check-budget test-all accuracy bench bench-scale bench-insn budget run
unit: $(UNIT)
sanitized:
	$(Q)$(MAKE) --no-print-directory O=$(O)/sanitized SANITIZE=address,undefined CFLAGS='-O1 -g' unit

# What installs comes first and alone: with -j, too, and before make looks for what it installed.
SUB := +$(Q)$(MAKE) --no-print-directory
BUILT_FOR_NET := all $(O)/tests/peer $(O)/tests/load $(O)/tests/race $(O)/tests/witness $(O)/prometheus/usr/bin/prometheus

test: ## install what the tests need, build, run unit, connection and exact tests
	$(SUB) deps-test
	$(SUB) $(BUILT_FOR_NET) unit sanitized
	$(Q)$(PYTHON) tests/run.py --build $(O) unit net exact
test-unit: unit sanitized ## only the unit tests, plain and with ASan and UBSan
	$(Q)$(PYTHON) tests/run.py --build $(O) unit
test-exact: $(BUILT_FOR_NET) ## only the exact tests, on the running kernel
	$(Q)$(PYTHON) tests/run.py --build $(O) exact
test-net: $(BUILT_FOR_NET) ## only the connection tests, on the running kernel
	$(Q)$(PYTHON) tests/run.py --build $(O) net
test-vm: ## the connection tests on other kernels, in QEMU, once per tier
	$(SUB) deps-vm
	$(SUB) $(BUILT_FOR_NET) static
	$(Q)$(PYTHON) tests/run.py --build $(O) vm
check-budget: ## what synfin takes in instructions against tests/bench/budget, in QEMU (3 minutes)
	$(SUB) deps-vm
	$(SUB) static $(O)/tests/load
	$(Q)$(PYTHON) tests/run.py --build $(O) budget
fuzz: ## each parser of foreign bytes for SECONDS= (30), with libFuzzer; what is found is kept in build/fuzz
	$(SUB) deps-fuzz
	$(SUB) fuzzers
	$(Q)$(PYTHON) tests/fuzz/run.py --build $(O)/fuzz --seconds $(or $(SECONDS),30)
fuzzers:
	$(SUB) O=$(O)/fuzz CC=$(CLANG) SANITIZE=fuzzer-no-link,address,undefined CFLAGS='-O1 -g' WARN= all-fuzzers
all-fuzzers: $(patsubst tests/fuzz/%.c,$(O)/%,$(wildcard tests/fuzz/fuzz_*.c))
$(O)/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/oracle.h $(O)/libcore.a $(O)/src/cmd/config.o $(O)/metrics.pb-c.h
	@echo '  FUZZ   $@'
	$(Q)$(CC) -std=gnu11 $(CPPFLAGS) $(CFLAGS) $(WARN) $< -o $@ $(O)/src/cmd/config.o $(O)/libcore.a \
		-fsanitize=fuzzer -lmicrohttpd -lprotobuf-c -ljson-c -lseccomp -lcap-ng -lz -lm
test-all: ## all of these
	$(SUB) deps-test
	$(SUB) deps-vm
	$(SUB) deps-fuzz
	$(SUB) $(BUILT_FOR_NET) static unit sanitized fuzzers
	$(Q)$(PYTHON) tests/run.py --build $(O) unit net exact vm budget fuzz

# The whole path of a file, as one word of the shell's, whatever the directory is called.
path = '$(subst ','\'',$(abspath $(1)))'

run: ## install what is needed, build, and show a small demonstration
	$(SUB) deps
	$(SUB) all $(O)/tests/peer
	$(Q)SYNFIN=$(call path,$(O)/synfin) PEER=$(call path,$(O)/tests/peer) tests/demo/demo.sh

accuracy: all $(O)/tests/peer ## measure the times against a packet capture, into docs/COST.md
	$(Q)SYNFIN=$(call path,$(O)/synfin) PEER=$(call path,$(O)/tests/peer) $(PYTHON) tests/bench/accuracy.py

BENCH = $(Q)SYNFIN=$(call path,$(O)/synfin) LOAD=$(call path,$(O)/tests/load) $(PYTHON)
bench: ## measure what it costs, beside its peers, into docs/COST.md (10 minutes of a quiet machine)
	$(SUB) deps-bench
	$(SUB) all $(O)/tests/load
	$(BENCH) tests/bench/bench.py --json $(O)/bench.json $(ARGS)
bench-scale: ## measure what does not grow: many connections, long runs, floods (10 minutes more)
	$(SUB) deps-bench
	$(SUB) all $(O)/tests/load static
	$(BENCH) tests/bench/scale.py --json $(O)/scale.json --static $(O)/static/synfin $(ARGS)

BENCH_INSN = $(Q)SYNFIN=$(call path,$(O)/static/synfin) LOAD=$(call path,$(O)/tests/load) $(PYTHON) tests/bench/insn.py
bench-insn: ## count the instructions it takes, in QEMU, beside its peers, into docs/COST.md (an hour, busy machine or not)
	$(SUB) deps-bench
	$(SUB) deps-vm
	$(SUB) static $(O)/tests/load
	$(BENCH_INSN) --json $(O)/insn.json --publish $(ARGS)
budget: ## lower tests/bench/budget to what synfin takes now
	$(SUB) deps-vm
	$(SUB) static $(O)/tests/load
	$(BENCH_INSN) --json $(O)/insn.json --update

# --- house-keeping ---
C_FILES := $(wildcard src/*.c src/*/*.c src/*/*.h bpf/*.c bpf/*.h tests/unit/*.[ch] tests/net/*.c tests/bench/*.c tests/exact/*.c tests/fuzz/*.[ch])
.PHONY: lint format check-headers check-layers check-words install
lint: check-headers check-layers check-words $(O)/synfin.skel.h $(O)/metrics.pb-c.h ## clang-format, clang-tidy, cppcheck, headers alone, layers, words
	clang-format --dry-run -Werror $(C_FILES)
	@echo '  TIDY   src'
	@printf '%s\n' $(SRC) | xargs -P "$$(nproc)" -I {} clang-tidy --quiet {} -- -std=gnu11 $(CPPFLAGS) 2>/dev/null
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
		-Isrc -Ibpf '-DLIBBPF_OPTS(type,name,...)=struct type name = {0}' --suppress=missingInclude \
		--suppress=ctuuninitvar src # "ctu": takes an output parameter for a use

format: ## lay the code out by .clang-format
	clang-format -i $(C_FILES)

# Each compiles alone: then it includes what it uses, and no two need each other. bpf/derive.h cannot, for its includer defines a part.
check-headers:
	@for h in $(filter-out bpf/derive.h,$(wildcard bpf/*.h)); do \
		printf '#include "vmlinux.h"\n#include "%s"\n' "$$h" | \
			$(CLANG) $(BPF_CFLAGS) -I. -Wno-unused-function -fsyntax-only -x c - || exit 1; done
	@for h in $(wildcard src/*/*.h) bpf/synfin.h bpf/hist.h bpf/service.h bpf/slots.h; do \
		echo "#include \"$$h\"" | $(CC) -std=gnu11 $(CPPFLAGS) -I. $(WARN) -fsyntax-only -x c - || exit 1; done

# base <- model <- {kernel, in, out} <- cmd <- main, base <- {http, sandbox} <- cmd: no arrow the other way; libbpf in
# kernel/ alone, libseccomp and libcap-ng in sandbox/.
check-layers:
	@! grep -nE '#include "(model|kernel|in|out|http|sandbox|cmd)/' src/base/*
	@! grep -nE '#include "(kernel|out|http|sandbox|cmd)/' src/in/*
	@! grep -nE '#include "(model|kernel|in|out|sandbox|cmd)/' src/http/*
	@! grep -nE '#include "(model|kernel|in|out|http|cmd)/' src/sandbox/*
	@! grep -nE '#include "(kernel|in|out|http|sandbox|cmd)/' src/model/*
	@! grep -nE '#include "(kernel|in|http|sandbox|cmd)/' src/out/*
	@! grep -nE '#include "(in|out|http|sandbox|cmd)/' src/kernel/*
	@! grep -nE '#include (<bpf/|"synfin.skel)' $(filter-out src/kernel/%,$(wildcard src/*/*.[ch])) src/main.c
	@! grep -nE '#include <(seccomp|cap-ng)' $(filter-out src/sandbox/%,$(wildcard src/*/*.[ch])) src/main.c

check-words:
	@scripts/check-words README.md NEWS CONTRIBUTING.md $(wildcard docs/*.md) docs/synfin.8

install: all ## into $(DESTDIR)$(PREFIX)
	install -D -m 755 $(O)/synfin $(DESTDIR)$(PREFIX)/sbin/synfin
	install -D -m 644 docs/synfin.8 $(DESTDIR)$(PREFIX)/share/man/man8/synfin.8
	install -D -m 644 contrib/completion/synfin $(DESTDIR)$(PREFIX)/share/bash-completion/completions/synfin
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/synfin README.md NEWS LICENSE docs/RECORDS.md docs/METRICS.md docs/INTERNALS.md docs/COST.md docs/SECURITY.md
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/synfin contrib/systemd/* contrib/prometheus/* contrib/grafana/*

# --- what is needed, from the distribution ---
BUILD_PKGS := gcc make pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libmicrohttpd-dev libprotobuf-c-dev protobuf-c-compiler libjson-c-dev libseccomp-dev libcap-ng-dev libzstd-dev liblzma-dev libbz2-dev iproute2
TEST_PKGS  := $(BUILD_PKGS) libcmocka-dev libasan8 libubsan1 python3 python3-pytest tcpdump tshark procps util-linux strace
VM_PKGS	   := $(BUILD_PKGS) liblzma-dev libbz2-dev libzstd-dev $(shell cat tests/vm/packages.txt)
BENCH_PKGS := $(BUILD_PKGS) python3 python3-pytest libbpf-tools util-linux
LINT_PKGS  := $(BUILD_PKGS) clang-format clang-tidy cppcheck
FUZZ_PKGS  := $(BUILD_PKGS) libclang-rt-dev python3

.PHONY: tools deps deps-test deps-vm deps-bench deps-lint deps-fuzz
tools:
	@for t in $(CLANG) $(BPFTOOL) $(CC); do command -v $$t >/dev/null || \
		{ echo "synfin: $$t is missing: run 'make deps' as root, which installs it" >&2; exit 1; }; done
	@echo '#include <bpf/libbpf.h>' | $(CC) -E - >/dev/null 2>&1 || \
		{ echo "synfin: libbpf's headers are missing: run 'make deps' as root, which installs libbpf-dev" >&2; exit 1; }

deps: ## install what building needs (apt)
	@scripts/install-packages $(BUILD_PKGS)
deps-test:
	@scripts/install-packages $(TEST_PKGS)
deps-vm:
	@scripts/install-packages $(VM_PKGS)
deps-bench:
	@scripts/install-packages $(BENCH_PKGS)
deps-fuzz:
	@scripts/install-packages $(FUZZ_PKGS)
deps-lint:
	@scripts/install-packages $(LINT_PKGS)
