# A machine needs Python 3.11 or newer and make; everything else is installed into $(VENV).
# Another interpreter: make demo PYTHON=python3.12

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint check neo4j clean

help:
	@echo "make demo    install, then a graph from Cypher to searchable embeddings in about a minute"
	@echo "make test    install what development needs, then run the tests"
	@echo "make check   ruff, mypy, import contracts and the tests"
	@echo "make clean   forget compiled kernels"
	@echo "make neo4j   a real Neo4j server in the foreground (needs java and mvn)"

demo: $(VENV)/.installed
	$(BIN)/graphemb demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

neo4j: $(VENV)/.installed-dev
	$(BIN)/python -m tests.neo4j.server

clean:
	find graphemb benchmarks -name '*.nb[ci]' -delete

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "graphemb needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (minutes the first time: torch is large) ..."
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (minutes the first time: torch is large) ..."
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.installed
