# Lambda Exchange. `make help` lists the targets; `make run` and `make test` do all their set-up themselves.
#
# Set-up is cached by stamps: environments are made again when their requirements change, the core when its sources do.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

DATA ?= .local
FRESH ?=
DEMO ?= 1
EMAIL ?= you@example.com
PASSWORD ?=
ARGS ?=
SECONDS ?= 60
SEED ?= 1
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

VENV := .venv
PY := $(VENV)/bin/python
PIP_FLAGS := -qq --disable-pip-version-check
# jsii warns about Node 20, on which it runs; the value names the version that may stay silent.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
export NPM_CONFIG_UPDATE_NOTIFIER := false
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## ?/  make \1|/' | column -t -s '|'

.PHONY: run
run: linux setup screen ## start the exchange on this machine (DATA=folder, FRESH=1 to begin anew, DEMO=0 without bots, ARGS="--ports free")
	@$(PY) -m local run --data "$(DATA)" $(if $(FRESH),--fresh) $(if $(filter 0,$(DEMO)),,--demo) $(ARGS)

.PHONY: user
user: setup ## make a user with an API key and play money on the running exchange (EMAIL=you@example.com; again: PASSWORD=...)
	@$(PY) -m local user --data "$(DATA)" --email "$(EMAIL)" $(if $(PASSWORD),--password "$(PASSWORD)") --faucet

.PHONY: operator
operator: setup ## make a user of the running exchange an operator (EMAIL=you@example.com)
	@$(PY) -m local operator --data "$(DATA)" --email "$(EMAIL)"

.PHONY: proof
proof: setup ## take a proof of liabilities of the running exchange now, and publish it
	@$(PY) -m local proof --data "$(DATA)"

.PHONY: rebuild-views
rebuild-views: setup ## make all views (books, trades, tickers, candles) of the running exchange anew from its journal
	@$(PY) -m local rebuild-views --data "$(DATA)" $(ARGS)

.PHONY: status
status: setup ## what runs, and where
	@$(PY) -m local status --data "$(DATA)"

# The set-up's steps run side by side, because each of them waits for the network; the end-to-end tests too, because they wait
# for what they start (tests/e2e/conftest.py), and after them the one that measures by the clock.
.PHONY: test
test: linux ## everything that CI runs
	@$(MAKE) --no-print-directory -j 4 test-setup
	@$(PY) -m ruff check .
	@cd web && npm run --silent lint && npm test --silent
	@$(PY) -m pytest tests --ignore tests/e2e -n 2 --dist loadfile $(ARGS)
	@$(PY) -m pytest tests/e2e -m "not alone" -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)
	@$(PY) -m pytest tests/e2e -m alone $(ARGS)

.PHONY: check
check: setup web/node_modules/.ready ## the quick loop, under a minute: lint, the screen's calculators, all quick tests that need no server
	@$(PY) -m ruff check .
	@said=$$(mktemp); (cd web && npm run --silent lint && npm test --silent) >$$said 2>&1 & screen=$$!; failed=0; \
	$(PY) -m pytest tests/unit tests/rules tests/simulation tests/core -q -m "not slow and not database" -n 2 --dist loadfile \
		$(ARGS) || failed=$$?; \
	wait $$screen || { failed=$$?; cat $$said; echo "the screen's lint or tests failed"; }; rm -f $$said; exit $$failed

.PHONY: bench
bench: setup ## load on POST /orders at 100, 200, 400 requests/s, and the CPU each part used
	@$(PY) -m bench.orders $(ARGS)

.PHONY: bench-fanout
bench-fanout: setup ## the feed to 10 and 100 listeners: messages/s, latency from order to message, CPU per 1,000 messages
	@$(PY) -m bench.fanout $(ARGS)

.PHONY: bench-mixed
bench-mixed: setup ## a day's mixed requests, three of four reads, at 100, 250 and 500 requests/s
	@$(PY) -m bench.mixed $(ARGS)

.PHONY: bench-core
bench-core: setup peers ## the matching core beside its peers
	@$(PY) -m bench.core $(ARGS)

.PHONY: bench-ledger
bench-ledger: setup ## every hot query on a ledger of 10 million orders (ARGS="--orders 1000000 --folder DIR")
	@$(PY) -m bench.ledger $(ARGS)

.PHONY: coverage-core
coverage-core: setup core-tools ## the tests must run every line, branch and condition of the C core
	@$(PY) -m pytest tests/core/test_coverage.py -q $(ARGS)

.PHONY: fuzz
fuzz: setup core-tools ## fuzz the C core under sanitizers, each entry point for SECONDS=60 (ARGS=--keep: into the corpus)
	@$(PY) -m tests.core.fuzzing --seconds $(SECONDS) $(ARGS)

.PHONY: soak
soak: setup ## the C core against the naive core on ever new streams, for SECONDS=60
	@$(PY) -m tests.core.soak --seconds $(SECONDS) $(ARGS)

.PHONY: keep-core
keep-core: setup ## keep the core as it is, before its rules change (docs/OPERATIONS.md)
	@$(PY) -m matching_core.keep

.PHONY: soak-exchange
soak-exchange: setup ## all that clients and operators can do, while parts are killed or hang at random, for SECONDS=60 (SEED=1); then the audits
	@HOSTILE_S=$(SECONDS) HOSTILE_SEED=$(SEED) $(PY) -m pytest tests/e2e/test_hostile.py -q $(ARGS)

.PHONY: soak-ledger
soak-ledger: setup ## random sequences of all that can happen to the ledger, for SECONDS=60
	@LEDGER_SOAK_S=$(SECONDS) $(PY) -m pytest tests/unit/test_ledger_machine.py -q $(ARGS)

.PHONY: openapi
openapi: setup ## write the OpenAPI document that /openapi.json serves
	@$(PY) -m openapi

.PHONY: synth
synth: setup screen ## build the layers and synthesise the templates into cdk.out
	@$(PY) -m cdk.synth

.PHONY: bill
bill: setup ## what a month on AWS costs, estimated (ARGS="--commands 5 --reads 15 --listeners 50"); see docs/COST.md
	@$(PY) -m bill $(ARGS)

.PHONY: deploy
deploy: setup node-packages screen ## deploy to the AWS account of the environment's credentials
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" npx cdk deploy --all $(ARGS)

.PHONY: clean
clean: ## remove what was built and downloaded; data in $(DATA) stays
	@rm -rf $(VENV) .venv-ministack .venv-clients node_modules web/node_modules $(NODE_CLIENTS)/node_modules build cdk.out \
		.ruff_cache .hypothesis
	@find matching_core -name '_core*.so*' -delete
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "clean: the next make sets everything up again"

# --- set-up

.PHONY: setup
setup: $(VENV)/.ready .venv-ministack/.ready
	@$(PY) -m matching_core.build >/dev/null

# Processes that end with their parent, and are watched without a race, need Linux.
.PHONY: linux
linux:
	@test "$$(uname -s)" = Linux || { echo "the local exchange needs Linux: use a virtual machine, or WSL on Windows" >&2; exit 1; }

.PHONY: tools
tools:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python's ensurepip is needed: Debian's python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null || \
		{ echo "Python's C headers are needed: Debian's python3-dev" >&2; exit 1; }
	@node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null || \
		{ echo "Node.js 20 or newer is needed (the CDK runs on it, the screen is built by it)" >&2; exit 1; }
	@command -v npm >/dev/null || { echo "npm is needed, which comes with Node.js: Debian's npm" >&2; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { echo "a C compiler is needed, for example Debian's gcc" >&2; exit 1; }

# What the proofs of the C core need besides: a compiler that counts coverage and fuzzes, an emulator of the other machine.
export CLANG ?= 19
CORE_PACKAGES := clang-$(CLANG) llvm-$(CLANG) libclang-rt-$(CLANG)-dev qemu-user
HAS_CORE_TOOLS := command -v clang-$(CLANG) llvm-cov-$(CLANG) llvm-profdata-$(CLANG) qemu-aarch64 >/dev/null && \
	ls $$(clang-$(CLANG) -print-resource-dir)/lib/*/libclang_rt.fuzzer*.a >/dev/null 2>&1

.PHONY: core-tools
core-tools:
	@if $(HAS_CORE_TOOLS); then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing $(CORE_PACKAGES) (once)"; \
		install="apt-get install -y -qq --no-install-recommends $(CORE_PACKAGES)"; \
		export DEBIAN_FRONTEND=noninteractive; \
		{ $$install || { apt-get update -qq && $$install; } || true; } >/dev/null 2>&1; \
	fi; \
	$(HAS_CORE_TOOLS) || echo "the proofs of the C core need the Debian packages $(CORE_PACKAGES)" \
		"(CLANG=21 takes another version, CORE_TOOLS=skip leaves those tests out)" >&2

.PHONY: test-setup
test-setup: setup peers debian-packages node-packages clients screen
	@:

# One after the other also under `make -j`: the package manager runs once at a time.
.PHONY: debian-packages
debian-packages:
	@$(MAKE) --no-print-directory core-tools
	@$(MAKE) --no-print-directory browser

# A fresh environment each time: what is no longer required must not linger. The stamp comes last, so that an
# interrupted set-up starts over.
$(VENV)/.ready: requirements.txt requirements-dev.txt | tools
	@echo "setting up $(VENV) (once, about a minute)"
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install $(PIP_FLAGS) -r requirements-dev.txt
	@touch $@

.PHONY: peers
peers: $(VENV)/.peers

# What cannot be installed here is named, and its rows are missing.
$(VENV)/.peers: requirements-peers.txt $(VENV)/.ready
	@echo "installing the engines that the core is measured beside (once)"
	@$(PY) -m pip install $(PIP_FLAGS) -r requirements-peers.txt 2>/dev/null || grep -v '^#' requirements-peers.txt | while read -r peer; do \
		$(PY) -m pip install $(PIP_FLAGS) "$$peer" >/dev/null 2>&1 || echo "not installed, and left out of bench-core: $$peer" >&2; done
	@touch $@

.venv-ministack/.ready: requirements-ministack.txt | tools
	@echo "setting up .venv-ministack (once)"
	@rm -rf .venv-ministack && $(PYTHON) -m venv .venv-ministack
	@.venv-ministack/bin/python -m pip install $(PIP_FLAGS) -r requirements-ministack.txt
	@touch $@

.PHONY: node-packages
node-packages: node_modules/.ready

node_modules/.ready: package.json package-lock.json | tools
	@echo "installing node packages (once)"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# --- the screen: built when its sources change, served from build/screen by the gateway and, in the cloud, from a bucket

SCREEN_SOURCES := $(shell find web/src web/public -type f 2>/dev/null) web/index.html web/vite.config.ts web/postcss.config.cjs

.PHONY: screen
screen: build/screen/.ready ## build the trading screen into build/screen

URL ?= http://127.0.0.1:8080
.PHONY: screenshots
screenshots: web/node_modules/.ready browser ## pictures of the running exchange's screen into docs/screens (URL=http://127.0.0.1:8080)
	@cd web && node tests/e2e/shots.mjs "$(URL)" ../docs/screens

build/screen/.ready: web/node_modules/.ready $(SCREEN_SOURCES)
	@echo "building the screen (when its sources change)"
	@cd web && npx vite build --logLevel warn
	@touch $@

web/node_modules/.ready: web/package.json web/package-lock.json | tools
	@echo "installing the screen's node packages (once, about half a minute)"
	@cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# What the browser tests drive. From Debian, because a download of Playwright's own is not from a package registry.
.PHONY: browser
browser:
	@command -v chromium >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing chromium (once)"; \
		install="apt-get install -y -qq --no-install-recommends chromium"; \
		export DEBIAN_FRONTEND=noninteractive; \
		{ $$install || { apt-get update -qq && $$install; } || true; } >/dev/null 2>&1; \
	fi; \
	command -v chromium >/dev/null || echo "the browser tests need Debian's package chromium" \
		"(or CHROMIUM=/path/to/one; CHROMIUM=skip leaves those tests out)" >&2

# Real clients of the API, unmodified, for tests/e2e/clients.
NODE_CLIENTS := tests/e2e/clients/node

.PHONY: clients
clients: .venv-clients/.ready $(NODE_CLIENTS)/node_modules/.ready

.venv-clients/.ready: requirements-clients.txt requirements-cbpro.txt | tools
	@echo "setting up .venv-clients (once)"
	@rm -rf .venv-clients && $(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/python -m pip install $(PIP_FLAGS) -r requirements-clients.txt
	@.venv-clients/bin/python -m pip install $(PIP_FLAGS) --no-deps -r requirements-cbpro.txt
	@touch $@

$(NODE_CLIENTS)/node_modules/.ready: $(NODE_CLIENTS)/package.json $(NODE_CLIENTS)/package-lock.json | tools
	@echo "installing the npm clients (once)"
	@cd $(NODE_CLIENTS) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
