# The first target that needs .venv makes it; it follows when pyproject.toml changes.
# Options for a command: make power ARGS="--target 0.9"

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml planner/_version.py

, := ,
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help power test lint bench validate results calibrations clean

help:
	@echo "make power         animals needed, from the catalogue's chronic-after analysis"
	@echo "make test          the tests, five to six minutes on two cores"
	@echo "make lint          style and types"
	@echo "make bench         speed of the kernels"
	@echo "make validate      the long claims: hours"
	@echo "make results       everything under results/ again"
	@echo "make calibrations  the shipped calibrations again"
	@echo "make clean         remove .venv and caches"

power: $(VENV)/.installed
	$(BIN)/planner power --analysis chronic-after $(ARGS)

# The kernels as plain Python first, so that the last line counts the whole suite.
test: $(VENV)/.installed-test
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n 2 -m "nojit and not slow"
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.installed-test
	$(BIN)/python -m pytest benchmarks/ $(ARGS)

validate: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "slow or hypothesis" --hypothesis-profile=default $(ARGS)

# Everything under results/ again, from planner/catalogue/scenarios/.
results: $(VENV)/.installed
	$(BIN)/planner reproduce --out results --force $(ARGS)

calibrations: $(VENV)/.installed
	$(BIN)/python -m planner.ship_calibrations

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find planner sims tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +

# One editable installation serves all targets; each stamp adds what its targets need. Without
# a stamp of its own, a .venv left half-made would pass for a whole one.
$(VENV)/.made:
	@echo "Setting up $(VENV), once: a minute or two"
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.installed: $(SOURCES) | $(VENV)/.made
	$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-test: $(SOURCES) | $(VENV)/.made
	$(PIP) install --editable ".[test]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: $(SOURCES) | $(VENV)/.made
	$(PIP) install --editable ".[test,dev]"
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test
