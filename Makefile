# make demo   set up, dock the example and say where the report lies
# make test   set up with the developer tools and run every check
# make smoke  the benchmark workflow on the shipped examples
# make lint   style and types only;  make clean  remove what make made

VENV := .venv
BIN := $(VENV)/bin
SETUP := pyproject.toml constraints.txt
RUNTIME := $(VENV)/.runtime-installed
TOOLS := $(VENV)/.tools-installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
PYTEST_ARGS ?= -n auto --maxprocesses 4
DEMO := runs/demo

# The first Python that is new enough; `make PYTHON=/path/to/python demo` overrides.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$p; break; fi; done)

.PHONY: help demo test smoke lint clean

help:
	@sed -n 's/^# //p' Makefile | sed -n 1,4p

demo: $(RUNTIME)
	$(BIN)/molgen generate --pdb data/examples/6xg5.cif --out $(DEMO) --force
	@echo
	@echo "Report: $(CURDIR)/$(DEMO)/report.html"

# Tests run side by side already.
test: export OMP_NUM_THREADS ?= 1
test: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

smoke: $(TOOLS)
	rm -rf runs/test
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --snakefile workflows/test/Snakefile \
		--cores 2 --quiet rules

clean:
	rm -rf $(VENV) build dist molgen.egg-info .pytest_cache .mypy_cache .ruff_cache .snakemake \
		$(DEMO) runs/test

$(BIN)/python:
	@if [ -z "$(PYTHON)" ] || \
	! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		echo "molgen needs Python 3.11 or newer; $(or $(PYTHON),python3) is" \
			"$$($(or $(PYTHON),python3) --version 2>/dev/null || echo not there)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; \
		exit 1; fi
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot create environments (on Debian: install python3-venv)." >&2; exit 1; }

$(RUNTIME): $(SETUP) | $(BIN)/python
	@echo "Installing molgen into $(VENV); the first time takes some minutes"
	$(PIP) -e .
	@touch $@

$(TOOLS): $(SETUP) | $(BIN)/python
	@echo "Installing molgen and its developer tools into $(VENV); the first time takes some minutes"
	$(PIP) -e '.[dev,vina,workflows,train]'
	@touch $(RUNTIME) $@
