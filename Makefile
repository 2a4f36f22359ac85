# One command for each thing a contributor does; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# The released daemon carries the Swift runtime in itself: one file to copy to another machine.
# Each function gets a section of its own, for the linker to leave out or to merge.
RELEASE := swift build -c release -Xswiftc -Xfrontend -Xswiftc -function-sections
STATIC := .build/static
BENCH := .build/bench/bench

.PHONY: help
help: ## this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## /  make \1\t/' | expand -t 18

.PHONY: demo
demo: ## watch a backend wake and fall asleep again; needs the Swift toolchain and nothing else
	@scripts/demo

.PHONY: demo-cable
demo-cable: ## two browser windows that update each other through a cable; needs the Swift toolchain and nothing else
	@$(MAKE) --no-print-directory build
	@exec .build/release/ondemandd demo --listen 127.0.0.1:$(or $(PORT),3000) --status 127.0.0.1:$(or $(STATUS_PORT),9292)

.PHONY: example
example: build ## a real Rails Action Cable server (Debian packages) that sleeps while its clients stay connected
	@scripts/install-rails-example
	@scripts/run-rails-example

.PHONY: build
build: ## the daemon and the test double, optimised, with the Swift runtime inside
	$(RELEASE)

.PHONY: test
test: ## everything: tools, format, unit tests, simulation, end to end
	scripts/install-test-tools
	$(MAKE) --no-print-directory lint unit docs
	@# Each of these compiles its module as a whole, with one processor.
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target build static fuzzers
	$(MAKE) --no-print-directory release e2e
	$(MAKE) --no-print-directory fuzz RUNS=20000

.PHONY: lint
lint: ## formatting, strictly
	swift format lint --strict --recursive Package.swift Sources Tests Fuzz

.PHONY: unit
unit: ## machines, parsers, simulation: everything without a real backend
	swift build --build-tests
	swift test --skip-build

.PHONY: docs
docs: ## the symbol documentation of the library's public face (DocC), without a warning
	@scripts/documentation

.PHONY: simulate
simulate: ## ten thousand simulated lives of the whole daemon (SEEDS=...), or one again (SEED=...)
	$(if $(SEED),SIMULATION_SEED=$(SEED),SIMULATION_SEEDS=$(or $(SEEDS),10000)) swift test -c release \
		-Xswiftc -enable-testing --scratch-path .build/simulation --filter SimulationSwarm

.PHONY: fuzz
fuzz: ## random inputs for every parser (FUZZER=name, RUNS=n or SECONDS=60 each)
	@scripts/fuzz $(FUZZER) $(if $(RUNS),-runs=$(RUNS),-max_total_time=$(or $(SECONDS),60))

.PHONY: fuzzers
fuzzers:
	@scripts/fuzz --build

.PHONY: e2e
e2e: $(BENCH) ## real processes, real clients, the real Rails application
	cd Tests/EndToEnd && ../../.build/venv/bin/python -m pytest -n 3

.PHONY: picture
picture: build ## redraw the picture in README.md: a day of a Rails server in fast motion
	cd Tests/EndToEnd && ../../.build/venv/bin/python -m pytest test_day.py
	cp artefacts/status-page-day.png docs/images/status-page.png

.PHONY: bench
bench: release $(BENCH) ## the daemon beside its peers, into docs/PERFORMANCE.md; QUICK=1 for a look, CABLES=1 for the cables only
	Bench/install-peers
	Bench/run $(if $(QUICK),--quick) $(if $(CABLES),--cables)

# The load, the floor and the backend of the benchmark, with the compiler that Swift brings.
$(BENCH): $(wildcard Bench/Load/*)
	@mkdir -p $(@D)
	@PATH="$$(dirname "$$(readlink -f "$$(command -v swift)")"):$$PATH" clang -D_GNU_SOURCE -std=c17 -O2 \
		-Wall -Wextra -Werror -o $@ $(filter %.c,$^)

.PHONY: cycles
cycles: ## ten thousand real starts and stops (CYCLES=...): no descriptor, process or memory may be left
	cd Tests/EndToEnd && CYCLES=$(or $(CYCLES),10000) ../../.build/venv/bin/python -m pytest test_endurance.py

.PHONY: sanitize
sanitize: ## the Swift tests with the address sanitizer, then with the thread sanitizer
	@# Without the search for leaks: Swift keeps marks in pointers, and what they point at looks lost to it.
	ASAN_OPTIONS=detect_leaks=0 swift test --disable-xctest --sanitize=address --scratch-path .build/address
	swift test --disable-xctest --sanitize=thread --scratch-path .build/thread

.PHONY: release
release: build static ## a stripped executable, and one that needs no library at all
	mkdir -p .build/dist
	strip -o .build/dist/ondemandd .build/release/ondemandd
	strip --remove-section=.eh_frame -o .build/dist/ondemandd-static $(STATIC)/release/ondemandd
	@scripts/measure-asleep .build/dist/ondemandd .build/dist/ondemandd-static

.PHONY: static
static:
	@# Without the tables for unwinding: nothing is unwound, and they take 1.1 MB.
	$(RELEASE) -Xswiftc -static-executable -Xlinker --no-eh-frame-hdr --product ondemandd --scratch-path $(STATIC)

.PHONY: install
install: ## what `make release` built, with man page and completions, below PREFIX=/usr/local
	packaging/install-files .build/dist/ondemandd-static "$(DESTDIR)" "$(or $(PREFIX),/usr/local)"

.PHONY: deb
deb: release ## a Debian package in .build/dist
	packaging/build-deb .build/dist/ondemandd-static .build/dist

.PHONY: clean
clean: ## forget everything that was built
	rm -rf .build artefacts
