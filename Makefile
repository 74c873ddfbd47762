# Two commands on a fresh machine: `make bench` measures it, `make test` tests lnbench.
# Everything else is pip, lnbench and pytest, spelled out below; `make mutants` tests the tests.

PYTHON ?= python3
VENV ?= .venv
# `make test INSTALL=wheel` tests the built wheel, as CI does; the default is an editable install.
INSTALL ?= editable

BIN := $(VENV)/bin
# It is minutes where torch is fetched: pip says what it does.
PIP := $(BIN)/python -m pip install --constraint .ci/constraints.txt
SOURCES := pyproject.toml .ci/constraints.txt

.PHONY: bench test lint mutants docs clean

bench: $(VENV)/.bench
	$(BIN)/lnbench run

test: $(VENV)/.test-$(INSTALL)
	$(BIN)/pytest --numprocesses 2 --dist worksteal

lint: $(VENV)/.test-$(INSTALL)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One change at a time in the rooms of rules, each against its room's own tests; fails below 90 %.
# `make mutants ROOMS=plan MUTANTS=all SEED=1`: of one room, all it has, or another draw.
MUTANTS ?= 150
SEED ?= 0
ROOMS ?= judge plan record
mutants: $(VENV)/.mutants
	MUTANTS=$(MUTANTS) SEED=$(SEED) $(BIN)/python .ci/mutants.py $(ROOMS)

# The site of docs/, in build/site; fails on a link or an anchor that leads nowhere.
docs: $(VENV)/.docs
	$(BIN)/zensical build --config-file .mkdocs.yml --clean --strict

clean:
	rm -rf $(VENV) .cache build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.bench: $(SOURCES) | $(VENV)/bin/python
	$(PIP) -e .
	touch $@

$(VENV)/.test-editable: $(SOURCES) | $(VENV)/bin/python
	$(PIP) -e ".[test,triton,numba,onnxruntime,paper,plot,profile]"
	rm -f $(VENV)/.test-wheel
	touch $@ $(VENV)/.bench

$(VENV)/.docs: $(SOURCES) | $(VENV)/bin/python
	$(PIP) -e ".[docs]"
	touch $@

$(VENV)/.mutants: $(SOURCES) | $(VENV)/.test-$(INSTALL)
	$(PIP) -e ".[test,mutants]"
	touch $@

$(VENV)/.test-wheel: $(SOURCES) $(shell git ls-files lnbench benchmarks.yaml 2>/dev/null) | $(VENV)/bin/python
	rm -rf build/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(PIP) --force-reinstall --no-deps build/wheel/*.whl
	$(PIP) "lnbench[test,triton,numba,onnxruntime,paper,plot,profile] @ file://$(CURDIR)/$$(ls build/wheel/*.whl)"
	rm -f $(VENV)/.test-editable $(VENV)/.bench
	touch $@
