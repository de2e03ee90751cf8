# `make demo` trains, evaluates and reports on an embedded data set; `make test` passes the tests, and `make test-all` also
# those marked slow.  Each sets up everything it needs in .venv, from a clean clone with nothing but Python 3.11 or newer.
# `make test PYTEST="--durations=20"` hands more words to pytest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.PHONY: demo test test-all lint install clean

demo: install
	rm -rf $(DEMO)
	$(BIN)/hvae train digits --out $(DEMO)

test: install lint
	$(BIN)/python -m pytest -n 2 --dist worksteal $(MARKS) $(PYTEST)

test-all: MARKS := -m ''
test-all: test

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(VENV)/.installed

# torch comes first and by its exact version: a range would let pip choose a build with gigabytes of CUDA.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(DEMO)
