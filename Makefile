# The two commands a newcomer needs: `make demo` and `make test`. Both set up .venv by themselves.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test soak lint bench clean

setup: $(VENV)/.ready

# Installing compiles what is compiled, where there is a C compiler.
$(VENV)/.ready: pyproject.toml hatch_build.py $(shell find app -name '*.pyx' -o -name '*.pxd')
	@test -n "$(PYTHON)" || { echo "Reengage needs Python 3.11, 3.12 or 3.13 on the PATH."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/reengage demo

# Three processes, each with a broker of its own: most of the time a test waits for workers to start and to be given their work.
test: setup
	$(BIN)/python -m pytest -n 3 --dist loadfile

# Long rounds of faults; `make test` has the short ones.
soak: setup
	$(BIN)/python -m pytest -m soak

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every contender at every measure, about 35 minutes; `python -m bench --help` has less of it.
bench: setup
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
