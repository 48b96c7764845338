# Every target builds the virtual environment it needs. Needs: Python 3.11 or newer, git, make.
SHELL := /bin/bash
PY := .venv/bin/python
STAMP := .venv/.ready
# One process of tests for each of two cores; a file's tests share their servers, so they stay together.
PYTEST_ARGS ?= -n 2 --dist loadfile

.PHONY: setup demo test lint types fmt check clean bench

setup: $(STAMP)

$(STAMP): pyproject.toml scripts/setup.sh
	@bash scripts/setup.sh
	@touch $@

demo: $(STAMP)
	@.venv/bin/freightway demo $(DEMO_ARGS)

lint: $(STAMP)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports --no-cache

types: $(STAMP)
	.venv/bin/mypy

fmt: $(STAMP)
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

test: lint types
	$(PY) -m pytest $(PYTEST_ARGS)

check: test

bench: $(STAMP)
	$(PY) -m benchmarks

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
