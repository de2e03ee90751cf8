# `make demo` trains, evaluates and reports on an embedded data set; `make test` passes the tests, and `make test-all` also
# those marked slow.  Each sets up everything it needs in .venv, from a clean clone with nothing but Python 3.11 or newer.
# `make docs` builds the site in build/docs, with warnings as errors.
# `make bench` measures speed against code by hand, on a machine that nothing else uses.
# `make wheel` builds dist/*.whl and tries it in an environment of its own, without the sources.
# `make test PYTEST="--durations=20"` hands more words to pytest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
WHEEL := .venv/wheel

.PHONY: bench demo docs test test-all lint wheel install clean

demo: install
	rm -rf $(DEMO)
	$(BIN)/hvae train digits --out $(DEMO)

# One thread a worker: two workers on two cores would otherwise wait for each other's threads.
test: install lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal $(MARKS) $(PYTEST)

test-all: MARKS := -m ''
test-all: test

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: install
	rm -rf dist $(WHEEL)
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip install --quiet -c constraints.txt torch
	$(WHEEL)/bin/python -m pip install --quiet -c constraints.txt dist/*.whl
	cd $(WHEEL) && bin/hvae -V && bin/hvae train digits --train.steps 20 --out run && bin/hvae sample run -n 4

bench: install
	$(BIN)/python benchmarks/bench.py --curves $(BENCH)

docs: install
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python site/build.py

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
