# make demo: train on procedural birds and show edits.   make test: run every test.
# make app: build the page of mim_tf.app (needs Node 20.19, or 22.12 or newer).
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: demo test test-import lint app test-app

$(VENV)/installed: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Python 3.11 to 3.13 is needed"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/pip install --quiet --no-deps -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@

demo: $(VENV)/installed
	$(BIN)/python -m mim_tf.demo --output demo

# A file's tests stay together in one of two processes: they share what its fixtures train. Their
# order is that of tests/conftest.py.
test: $(VENV)/installed
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# The tests that need PyTorch, which belongs into no environment that serves or trains.
test-import: $(VENV)/installed requirements-import.txt
	$(BIN)/pip install --quiet -r requirements-import.txt
	$(BIN)/python -m pytest tests/evaluators/test_import_evaluators.py tests/test_metrics.py

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy mim_tf export benchmarks

# What the build makes is in mim_tf/app_files/, as package data.
app:
	cd web && npm ci --no-audit --no-fund && npm run build

# The page's own checks; tests/app/ drives it in a browser.
test-app: app
	cd web && npm run check && npm test
