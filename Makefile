# make demo   a cluster on a local Ray that serves a Deployment; `kactl down` ends it
# make test   everything that tests need, and all tests
# make check  lint, types and layers

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
STAMP_TEST := $(VENV)/.installed-test

.PHONY: demo test check lint types layers clean

demo: $(STAMP)
	@$(BIN)/kactl demo

# PYTEST_ARGS chooses some: make test PYTEST_ARGS=tests/unit
test: $(STAMP_TEST)
ifdef PYTEST_ARGS
	$(BIN)/python -m pytest $(PYTEST_ARGS)
else
	$(BIN)/python -m pytest -n 2 tests/unit
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/integration
	$(BIN)/python -m pytest tests/e2e
endif

check: lint types layers

lint: $(STAMP_TEST)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP_TEST)
	$(BIN)/mypy

layers: $(STAMP_TEST)
	$(BIN)/lint-imports

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { echo "no virtual environment: install Python 3.11 or newer with its venv (apt install python3-venv)"; exit 1; }
	$(BIN)/pip install -qq --upgrade pip

$(STAMP): $(VENV)/bin/python pyproject.toml $(wildcard protos/*/*.proto protos/*/*/*.proto) protos/build_backend.py
	@echo "Installing into $(VENV); the first time takes a minute or two"
	@$(BIN)/pip install -qq --editable ".[ray]"
	@touch $@

$(STAMP_TEST): $(STAMP)
	@$(BIN)/pip install -qq --editable ".[test]"
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info kube_actors/rpc/pb
