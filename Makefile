# `make demo` and `make test` set up everything they need on a fresh Debian or Ubuntu with Python 3.11 or newer.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := all
# tests and benchmarks load onnxruntime by themselves, which would report to its maker
export ORT_DISABLE_TELEMETRY := 1

.PHONY: setup system demo test lint bench ratios docs fuzz clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   set up, then read, verify and match an emulated citizen card"
	@echo "make test   set up, then lint, types, import contracts and all tests"
	@echo "make lint   ruff, mypy --strict, import-linter"
	@echo "make bench  benchmarks, JSON kept in out/bench"
	@echo "make ratios is this tree slower than BASE=main? ratios of interleaved runs, in out/bench/ratios.json"
	@echo "make docs   the documentation site, in site/"
	@echo "make fuzz   hostile input for every parser, SECONDS=120 in all; findings kept in out/fuzz"

system:
	@scripts/setup-system "$(or $(PYTHON),python3)"

$(STAMP): pyproject.toml scripts/setup-python | system
	@scripts/setup-python "$(or $(PYTHON),python3)" "$(VENV)"
	@touch $@

setup: $(STAMP)

demo: setup
	@mkdir -p out/demo
	$(BIN)/idverify demo --out out/demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint
	$(BIN)/python -m pytest

bench: setup
	@mkdir -p out/bench
	$(BIN)/python -m pytest benchmarks --benchmark-enable --benchmark-only --benchmark-json=out/bench/latest.json
	$(BIN)/idverify bench --counters 1,4,16,64 --kbit 106,424,848 --transactions 2 --out out/bench/counters.json

ratios: setup
	@mkdir -p out/bench
	@$(BIN)/python -m benchmarks.compare $(or $(BASE),main) . --json out/bench/ratios.json

# SECONDS=3600 for an hour; TARGET=sod for one parser; a fresh SEED for other inputs
fuzz: setup
	nice -n 10 $(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),120) --seed $(or $(SEED),0) $(if $(TARGET),--target $(TARGET))

# An environment of its own: the site needs neither the library installed nor anything of the tests.
DOCS := .venv-docs
$(DOCS)/.installed: pyproject.toml
	@[ -x $(DOCS)/bin/python ] || $(or $(PYTHON),python3) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --upgrade pip
	$(DOCS)/bin/python -m pip install --quiet --group docs
	@touch $@

docs: $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 PATH="$(CURDIR)/$(DOCS)/bin:$$PATH" $(DOCS)/bin/mkdocs build --strict
	@echo "the site is in site/index.html"

clean:
	rm -rf $(VENV) $(DOCS) out dist build site
