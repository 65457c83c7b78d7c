# `make demo` and `make test` are all a newcomer needs; both make their own .venv with nothing but Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Extra words for pytest: make test T="tests/engine -k pack"
T ?=
# Real services that tests ask for; see ci/services.sh.
# Ceph's S3 gateway, PostgreSQL and Slurm come as Debian packages; they are left out where those cannot be had.
OPTIONAL := postgres rgw slurm
DEBIAN := $(shell [ "$$(id -u)" = 0 ] && command -v apt-get)
SERVICES ?= moto dask $(if $(DEBIAN),postgres rgw slurm)

PIP := $(BIN)/python -m pip --disable-pip-version-check
# Directories too: a file that goes leaves its trace there.
SOURCES := $(shell find src -not -path '*/__pycache__*')
PACKAGE := $(PIP) install --quiet --no-deps --no-build-isolation .

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench bench-slurm storm clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    install, make the images example in demo/, run it, say where the picture is'
	@echo 'make test    install everything needed, then run all tests'
	@echo 'make check   style, types, import rules'
	@echo 'make bench   the benchmarks: one JSON line each (about half an hour)'
	@echo 'make bench-slurm  work longer than its nodes are lent, on a real Slurm (three minutes)'
	@echo 'make storm   the tests again with long random campaigns'
	@echo 'make format  put the code into shape'
	@echo 'make clean   remove what make made'

# Stamps: each says what .venv holds, so that nothing is installed twice.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Penstock needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + "; try make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV) || { echo 'cannot make $(VENV); on Debian: apt install python3-venv' >&2; exit 1; }
	@touch $@

$(VENV)/.examples: $(VENV)/.made requirements/examples.txt
	@echo 'installing what the example needs into $(VENV)'
	@$(PIP) install --quiet --require-hashes -r requirements/examples.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements/dev.txt
	@echo 'installing what the tests need into $(VENV)'
	@$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@ $(VENV)/.examples

$(VENV)/.penstock: $(VENV)/.made pyproject.toml README.md $(SOURCES)
	@$(PACKAGE)
	@touch $@

demo: $(VENV)/.examples
	@$(MAKE) --no-print-directory $(VENV)/.penstock
	@rm -rf demo
	@$(BIN)/penstock new demo --example images
	@cd demo && PATH="$(CURDIR)/$(BIN):$$PATH" penstock run
	@cd demo && PATH="$(CURDIR)/$(BIN):$$PATH" penstock get montage:/montage.png . >/dev/null
	@echo 'the picture: $(CURDIR)/demo/montage.png'

test: $(VENV)/.dev
	@$(MAKE) --no-print-directory $(VENV)/.penstock
	@environment="$$(PENSTOCK_PYTHON=$(CURDIR)/$(BIN)/python ci/services.sh up $(SERVICES))" || true; \
	trap 'ci/services.sh down $(SERVICES)' EXIT; \
	eval "$$environment"; \
	PENSTOCK_TEST_OPTIONAL="$(OPTIONAL)" PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto $(T)

check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo 'make format puts it right' >&2; exit 1; }
	@$(BIN)/mypy
	@PYTHONPATH=src $(BIN)/lint-imports
	@ci/hosts.sh
	@echo 'check: all good'

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev
	@$(MAKE) --no-print-directory $(VENV)/.penstock
	@$(BIN)/python bench/throughput.py
	@$(BIN)/python bench/nochange.py
	@$(BIN)/python bench/nochange.py --n 100000
	@$(BIN)/python bench/ingest.py
	@$(BIN)/python bench/start.py
	@$(BIN)/python bench/memory.py
	@$(BIN)/python bench/trees.py
	@$(BIN)/python bench/algebra.py
	@$(BIN)/python bench/firstrun.py
	@$(BIN)/python bench/packing.py
	@$(BIN)/python bench/commands.py
	@$(BIN)/python bench/jobs.py

bench-slurm: $(VENV)/.dev
	@$(MAKE) --no-print-directory $(VENV)/.penstock
	@environment="$$(ci/services.sh up slurm)" || exit 1; \
	trap 'ci/services.sh down slurm' EXIT; \
	eval "$$environment"; \
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/walltime.py

storm: $(VENV)/.dev
	@$(MAKE) --no-print-directory $(VENV)/.penstock
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto -m '' --timeout 3600 --hypothesis-profile=storm $(T)

clean:
	rm -rf $(VENV) .bench demo build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
