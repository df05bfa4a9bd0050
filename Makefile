# Everything a person or a CI machine runs. Each target does its own set-up; a second run costs no time.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

BIN := .venv/bin
STAMPS := .stamps
CONSOLE := src/pilothouse/console/index.html
CONSOLE_SOURCES := $(shell find console -name node_modules -prune -o -name dist -prune -o -type f -print 2>/dev/null)

# What compiling the request path needs besides a compiler: the headers of the Python that .venv is made of.
HEADERS = python3-dev=$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('include'))")/Python.h

# Debian's package, unless some version of the server is there.
POSTGRES = postgresql=$$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null | head -n 1 | grep . || echo postgres)

# Start-up is quick only when Python may keep what it has compiled.
unexport PYTHONDONTWRITEBYTECODE

##   serve    set up what is missing, then run `pilothouse up` (PILOTHOUSE_* variables pass through; more flags in ARGS)
.PHONY: serve
serve: $(STAMPS)/base
	@$(MAKE) --silent --no-print-directory console || echo "Serving without the console page; the next make serve tries again." >&2
	@sh scripts/system_packages.sh "the engine" libgomp1=libgomp.so.1
	@exec $(BIN)/pilothouse up $(ARGS)

##   test     set up what is missing, system packages included, then run all tests (pytest flags in ARGS)
.PHONY: test
test: $(STAMPS)/dev console
	@sh scripts/system_packages.sh "the tests" libgomp1=libgomp.so.1 chromium wrk redis-server prometheus gcc $(HEADERS) $(POSTGRES)
	@exec $(BIN)/python -m pytest $(ARGS)

##   check    lint, types, imports, dependencies, the page's types: under a minute
.PHONY: check
check: $(STAMPS)/dev
	@exec $(BIN)/python scripts/check.py $(ARGS)

##   bench    load against a mock upstream, beside nginx and other gateways (flags in ARGS)
.PHONY: bench
bench: $(STAMPS)/dev console
	@sh scripts/system_packages.sh "the benchmarks" wrk nginx redis-server gcc $(HEADERS)
	@exec $(BIN)/python -m bench $(ARGS)

##   bench-telemetry  spans accepted and queryable a second, beside Phoenix and MLflow (flags in ARGS)
.PHONY: bench-telemetry
bench-telemetry: $(STAMPS)/dev console
	@exec $(BIN)/python -m bench.telemetry $(ARGS)

##   bench-faults  the fault table: what clients see while one of two upstreams misbehaves (flags in ARGS)
.PHONY: bench-faults
bench-faults: $(STAMPS)/dev console
	@exec $(BIN)/python -m bench.faults $(ARGS)

##   bench-store  ten million calls on record: what questions take while a thousand a second stream in (flags in ARGS)
.PHONY: bench-store
bench-store: $(STAMPS)/dev
	@exec $(BIN)/python -m bench.store_scale $(ARGS)

##   console  build the page's files into src/pilothouse/console (no Node needed beforehand)
.PHONY: console
console: $(CONSOLE)

##   screenshots  take the pictures of docs/explanation/the-console.md, in Chromium over real traffic (five minutes)
.PHONY: screenshots
screenshots: $(STAMPS)/dev console
	@sh scripts/system_packages.sh "the pictures" chromium
	@PILOTHOUSE_SCREENSHOTS=$(CURDIR)/docs/images $(BIN)/python -m pytest -q tests/journeys/test_a_look.py

##   docs     regenerate the generated pages: the code map and docs/reference
.PHONY: docs
docs: $(STAMPS)/dev
	@$(BIN)/python scripts/code_map.py
	@$(BIN)/python scripts/reference.py
	@$(BIN)/python scripts/dashboards.py

##   clean    remove what the targets above have made here (never a home folder)
.PHONY: clean
clean:
	@rm -rf .venv .envs $(STAMPS) dist build src/pilothouse/console console/node_modules \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find src tests scripts bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

.PHONY: help
help:
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^## //p' Makefile

$(BIN)/python:
	@sh scripts/make_venv.sh

# What `pilothouse` needs to run, and the package itself, editable.
$(STAMPS)/base: pyproject.toml scripts/make_venv.sh | $(BIN)/python
	@echo "Installing Pilothouse into .venv (minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --editable .
	@mkdir -p $(STAMPS) && touch $@

# What tests, checks and benchmarks need besides.
$(STAMPS)/dev: $(STAMPS)/base
	@echo "Installing the development tools into .venv ..."
	@$(BIN)/python -m pip install --quiet --group dev
	@mkdir -p $(STAMPS) && touch $@

# Node, as a wheel, for the page's build alone.
$(STAMPS)/node: pyproject.toml | $(STAMPS)/base
	@$(BIN)/python -m pip install --quiet --group console
	@mkdir -p $(STAMPS) && touch $@

$(CONSOLE): $(CONSOLE_SOURCES) $(wildcard scripts/build_console.py) | $(STAMPS)/node
	@if [ -f scripts/build_console.py ]; then \
	  echo "Building the console page ..." && $(BIN)/python scripts/build_console.py && touch $@; \
	else echo "There is no console page yet: scripts/build_console.py is missing."; fi
