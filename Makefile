# make demo: install and run the main job.   make test: everything the project checks about itself.
PYTHON ?= python3
BIN := .venv/bin
export PHYSIOGEN_DATA ?= .data
# Bytecode is kept: without it every process that the tests start compiles the code anew.
unexport PYTHONDONTWRITEBYTECODE
# Further words for pip, such as --no-compile: what is imported is then compiled when it is.
PIP_INSTALL ?=

.PHONY: demo test test-all lint docs notebooks bench wheels weights clean

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(PIP_INSTALL) torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet $(PIP_INSTALL) -c constraints.txt -e '.[dev]'
	touch $@

demo: .venv/.installed
	$(BIN)/physiogen demo --out demo --overwrite

# One worker a core, a test file at a time each, so that a file's shared fixtures are made once.
test: .venv/.installed
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

test-all: .venv/.installed
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: .venv/.installed
	$(BIN)/mkdocs build --strict

# Their outputs, as the code makes them today.
notebooks: .venv/.installed
	$(BIN)/python tests/support/store_outputs.py notebooks/*.ipynb

# Code and weights, a wheel each; what is left of an earlier build would be packed again.
wheels: .venv/.installed
	rm -rf build weights-package/build weights-package/*.egg-info
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist . ./weights-package
	ls -l dist

# The table of weights, after they have changed.
weights: .venv/.installed
	$(BIN)/python weights-package/table.py

bench: .venv/.installed
	$(BIN)/physiogen evaluate speed

clean:
	rm -rf .venv demo build dist weights-package/build *.egg-info weights-package/*.egg-info
