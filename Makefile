# Makefile - the commands of this repository. `make` alone lists them.
# Set-up (tools/setup.sh) installs only what is missing; a second run does nothing.

CC ?= cc
# Warnings are errors for those who change the code, not for those who try it.
build test test-c test-js test-browser c-programs valgrind soak coverage fuzz: export SSE_WERROR = 1
soak: export SOAK_MINUTES ?= $(or $(T),60)

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 16

demo: setup ## set up, build and run the demo
	@node tools/build.js
	@node examples/demo/server.js

test: setup-test ## set up, build and run every test
	@node tools/build.js --werror
	@node tools/run-tests.js

build: setup ## set up and build the addon
	@node tools/build.js --werror

test-c: setup-test ## the C tests under the sanitizers
	@node tools/run-tests.js c

test-js: setup-test ## the JavaScript tests
	@node tools/build.js --werror
	@node tools/run-tests.js js

test-browser: setup-test ## the tests in a real browser
	@node tools/build.js --werror
	@node tools/run-tests.js browser

lint: setup ## eslint
	@node_modules/.bin/eslint .

layers: ## check which layer may use which (docs/architecture.md)
	@node tools/check-layers.js

mutants: setup-test ## put faults into the verifier, and see that the C tests notice each
	@node tools/mutants.js

valgrind: setup-soak ## the C tests under Valgrind, built without sanitizers
	@$(MAKE) -s $(PROGRAMS_plain)
	@failed=0; for program in $(PROGRAMS_plain); do \
		echo "== $$program"; $(VALGRIND) $$program || failed=$$((failed + 1)); \
	done; echo "valgrind: $(words $(PROGRAMS_plain)) programs, $$failed failed"; [ $$failed -eq 0 ]

soak: setup-test valgrind ## Valgrind, storms of faults, odd tokens, then chaos and churn for T minutes each (T=60)
	@$(MAKE) -s build/c-asan/test/c/io/test_faults
	@SSE_STORMS=20000 build/c-asan/test/c/io/test_faults
	@node tools/build.js --werror
	@node test/soak/tokens.js
	@node test/soak/chaos.js
	@node test/soak/backplane.js
	@node test/soak/churn.js

coverage: setup-test ## which lines of csrc the C and the JavaScript tests reach
	@node tools/coverage.js

fuzz: setup-fuzz ## the fuzz targets under libFuzzer, each for T seconds (T=60)
	@node tools/build.js
	@node tools/fuzz.js --seconds=$(or $(T),60)

bench: setup-bench ## the benchmarks, about 25 minutes (QUICK=1: a short run of 4)
	@node tools/build.js
	@node bench/run.js $(if $(QUICK),--quick) --pictures
	@node bench/tenants.js
	@node bench/history.js
	@if command -v redis-server >/dev/null; then node bench/backplane.js $(if $(QUICK),--quick); \
		else echo 'bench: without redis-server nothing is said of backplanes'; fi

bench-check: setup-bench ## a short benchmark against bench/thresholds.json: fails on a regression
	@node tools/build.js
	@node bench/check.js

format: ## clang-format over the C sources
	clang-format -i $(shell find csrc test/c test/fuzz -name '*.[ch]')

clean: ## remove what was built
	rm -rf build

setup:
	@tools/setup.sh build

setup-test:
	@tools/setup.sh test

setup-soak:
	@tools/setup.sh soak

setup-bench:
	@tools/setup.sh bench

setup-fuzz:
	@tools/setup.sh fuzz

# ---- C test programs -------------------------------------------------------
# One program for each test/c/<layer>/test_*.c, linked with the layers that this
# layer may use and with the helpers (any other .c) in test/c and beside the test.
# Variants: build/c-asan (all), build/c-tsan (those with threads), build/c-uv (io as it is
# where there is no epoll) and, for `make valgrind` alone, build/c-plain (all), for
# `make coverage` build/c-cov (all).

SAN_asan := -fsanitize=address,undefined,float-cast-overflow
SAN_tsan := -fsanitize=thread
SAN_uv := $(SAN_asan) -DSSE_WATCH_UV
SAN_plain := -DSSE_UNDER_VALGRIND -DWAIT_SECONDS=120
SAN_cov := --coverage -fprofile-update=atomic -O0
TESTED_asan := hub io jose store
TESTED_tsan := io store
TESTED_uv := io
TESTED_plain := hub io jose store
TESTED_cov := hub io jose store

LINKED_hub := hub
LINKED_io := hub io
LINKED_jose := jose
LINKED_store := hub store

# Helpers from beside another layer's tests.
HELPERS_io := test/c/hub/spec_parser.c

# Calls of csrc that a test takes the place of: of a layer's programs, or of one.
WRAPPED_io := send sendmsg recv fcntl getsockopt setsockopt getsockname ioctl close \
	epoll_create1 epoll_ctl epoll_wait \
	uv_poll_init uv_poll_start uv_loop_init uv_async_init uv_timer_init \
	uv_thread_create uv_mutex_init sse_malloc sse_calloc sse_realloc
WRAPPED_test_hub_oom := sse_malloc sse_calloc sse_realloc
WRAPPED_test_store_oom := sse_malloc sse_calloc sse_realloc

LIBS_hub :=
LIBS_io = $(shell pkg-config --libs libuv)
LIBS_jose = $(shell pkg-config --libs libcjson libcrypto)
LIBS_store = $(shell pkg-config --libs sqlite3)
CFLAGS_DEPS = $(shell pkg-config --cflags libuv libcjson libcrypto sqlite3 cmocka)

C_FLAGS := -std=c11 -D_GNU_SOURCE -Icsrc -Itest/c -g -O1 \
	-fno-sanitize-recover=all -fno-omit-frame-pointer -MMD -MP \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla $(if $(SSE_WERROR),-Werror)

# $(call objects,VARIANT,SOURCES)
objects = $(patsubst %.c,build/c-$(1)/%.o,$(2))
# $(call layer,NAME) and $(call helpers,LAYER): sources
# (none.c stands in for the store of a build without SQLite)
layer = $(filter-out csrc/store/none.c,$(wildcard csrc/$(1)/*.c))
helpers = $(filter-out test/c/$(1)/test_%,$(wildcard test/c/*.c test/c/$(1)/*.c)) $(HELPERS_$(1))
# $(call programs,VARIANT,LAYER)
programs = $(patsubst %.c,build/c-$(1)/%,$(wildcard test/c/$(2)/test_*.c))

# $(call wrap,NAMES): for the linker
wrap = $(foreach n,$(1),$(WRAPPED_$(n):%=-Wl$(comma)--wrap=%))
comma := ,

# $(call variant-rules,VARIANT)
define variant-rules
build/c-$(1)/%.o: %.c Makefile
	@mkdir -p $$(@D)
	$$(CC) $$(C_FLAGS) $$(CFLAGS_DEPS) $$(SAN_$(1)) -c $$< -o $$@
endef

# $(call program-rules,VARIANT,LAYER)
define program-rules
PROGRAMS_$(1) += $(call programs,$(1),$(2))
$(call programs,$(1),$(2)): build/c-$(1)/%: build/c-$(1)/%.o \
		$(call objects,$(1),$(foreach l,$(LINKED_$(2)),$(call layer,$(l))) $(call helpers,$(2)))
	$$(CC) $$(SAN_$(1)) $$(call wrap,$(2) $$(@F)) $$^ -o $$@ $$(LIBS_$(2)) -lcmocka -lpthread
endef

$(foreach v,asan tsan uv plain cov,$(eval $(call variant-rules,$(v))))
$(foreach v,asan tsan uv plain cov,$(foreach l,$(TESTED_$(v)),$(eval $(call program-rules,$(v),$(l)))))

# Blocks that are only pointed into are no error: so SQLite keeps its pages, and the C library
# the stacks of threads, in a child that ends while it has a store.
VALGRIND := valgrind --quiet --leak-check=full --show-leak-kinds=definite \
	--errors-for-leak-kinds=definite --error-exitcode=1

C_PROGRAMS := $(PROGRAMS_asan) $(PROGRAMS_tsan) $(PROGRAMS_uv) \
	$(patsubst test/fuzz/%.c,build/c-asan/test/fuzz/%,$(wildcard test/fuzz/fuzz_*.c))
c-programs: $(C_PROGRAMS)
c-list:
	@printf '%s\n' $(C_PROGRAMS)
coverage-list:
	@printf '%s\n' $(PROGRAMS_cov)

-include $(wildcard build/c-*/*/*/*.d build/c-*/*/*/*/*.d)

# ---- fuzz targets -----------------------------------------------------------
# One program for each test/fuzz/fuzz_*.c. Variants: build/c-asan with replay.c, which
# `make test` runs over the corpus, and build/c-fuzz with clang's libFuzzer, which
# `make fuzz` runs. Helpers are those sources named here.

TARGETS := $(patsubst test/fuzz/fuzz_%.c,%,$(wildcard test/fuzz/fuzz_*.c))
FUZZ_CC ?= clang
SAN_fuzz := -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow

FUZZED_base64url := jose
FUZZED_claims := jose
FUZZED_encoder := hub
FUZZED_hub := hub
FUZZED_json := jose
FUZZED_jwks := jose
FUZZED_jws := jose
FUZZED_store := hub store

FUZZ_HELPERS_encoder := test/c/hub/spec_parser.c
FUZZ_HELPERS_hub := test/fuzz/hub_store.c test/fuzz/failing_mem.c test/c/hub/fake_hub.c test/c/hub/spec_parser.c
FUZZ_HELPERS_json := test/fuzz/reference_json.c
FUZZ_HELPERS_store := test/c/store/store_fixture.c

WRAPPED_fuzz_hub := sse_malloc sse_calloc sse_realloc sse_free

# $(call fuzz-libs,TARGET)
fuzz-libs = $(foreach l,$(FUZZED_$(1)),$(LIBS_$(l))) -lcmocka -lpthread
# $(call fuzz-objects,VARIANT,TARGET)
fuzz-objects = $(call objects,$(1),$(foreach l,$(FUZZED_$(2)),$(call layer,$(l))) $(FUZZ_HELPERS_$(2))) \
	build/c-$(1)/test/fuzz/fuzz_$(2).o

# Coverage is of csrc and of the targets, not of the helpers from test/c.
build/c-fuzz/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(FUZZ_CC) $(C_FLAGS) $(CFLAGS_DEPS) $(SAN_fuzz) -c $< -o $@

build/c-fuzz/test/c/%.o: test/c/%.c Makefile
	@mkdir -p $(@D)
	$(FUZZ_CC) $(C_FLAGS) $(CFLAGS_DEPS) $(subst fuzzer-no-link$(comma),,$(SAN_fuzz)) -O2 -c $< -o $@

# $(call target-rules,TARGET)
define target-rules
build/c-asan/test/fuzz/fuzz_$(1): $(call fuzz-objects,asan,$(1)) build/c-asan/test/fuzz/replay.o
	$$(CC) $$(SAN_asan) $$(call wrap,fuzz_$(1)) $$^ -o $$@ $(call fuzz-libs,$(1))

build/c-fuzz/test/fuzz/fuzz_$(1): $(call fuzz-objects,fuzz,$(1))
	$$(FUZZ_CC) -fsanitize=fuzzer,address,undefined $$(call wrap,fuzz_$(1)) $$^ -o $$@ \
		$(call fuzz-libs,$(1))
endef

$(foreach t,$(TARGETS),$(eval $(call target-rules,$(t))))

-include $(wildcard build/c-*/test/fuzz/*.d)

.PHONY: help demo test build test-c test-js test-browser lint layers mutants valgrind soak coverage fuzz bench \
	bench-check format clean setup setup-test setup-soak setup-bench setup-fuzz c-programs c-list coverage-list
.SECONDARY:
.DEFAULT_GOAL := help
