# Needs Python 3.11 or newer and GNU make. Everything else is fetched into .venv.
#
#   make demo     real prompts through a real daemon, in under two minutes
#   make serve    run the daemon               CONFIG=routerd.yaml
#   make test     the whole test suite         ARGS="-k sticky"
#   make check    format, lint, types, generated code, wire contract
#   make bench    measure                      ARGS="replay tasks.parquet --out results.json"
#   make soak     the tests that take long
#   make proto    regenerate routerd/v1 from proto/
#   make clean    remove all that the above made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip --disable-pip-version-check --quiet install
CONFIG ?= $(firstword $(wildcard routerd.yaml) routerd.example.yaml)

.PHONY: demo serve test check bench soak proto clean \
	check-format check-lint check-types check-stubs check-buf
.DELETE_ON_ERROR:

demo: $(VENV)/demo.stamp
	$(BIN)/routerd demo $(ARGS)

serve: $(VENV)/base.stamp
	$(BIN)/routerd serve --config $(CONFIG) $(ARGS)

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest $(ARGS)

soak: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m soak $(ARGS)

bench: ARGS ?= decide --out decide.json
bench: $(VENV)/bench.stamp
	$(BIN)/routerd bench $(ARGS)

check: check-format check-lint check-types check-stubs check-buf

check-format: $(VENV)/dev.stamp
	$(BIN)/ruff format --check

check-lint: $(VENV)/dev.stamp
	$(BIN)/ruff check

check-types: $(VENV)/dev.stamp
	$(BIN)/mypy

check-stubs: $(VENV)/base.stamp
	$(BIN)/python tools/stubs.py --check

check-buf:
	sh tools/buf.sh $(VENV)/node

proto: $(VENV)/base.stamp
	$(BIN)/python tools/stubs.py

clean:
	rm -rf $(VENV) learners/_kernel.*.so build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is younger than pyproject.toml and the C sources when what it names is installed.
$(VENV)/base.stamp: pyproject.toml hatch_build.py $(wildcard learners/c/*)
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"routerd needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...")'
	@echo "installing routerd into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp
	@echo "installing what tests and checks need into $(VENV)"
	@$(INSTALL) --editable '.[dev]'
	@touch $@

# Without its dependencies: the demo reads data files only.
$(VENV)/demo.stamp: $(VENV)/base.stamp
	@echo "installing the demo's prompts into $(VENV)"
	@$(INSTALL) --no-deps 'paretobandit>=0.1.1'
	@touch $@

$(VENV)/bench.stamp: $(VENV)/base.stamp
	@echo "installing the peers to measure against into $(VENV)"
	@$(INSTALL) --editable '.[bench]'
	@touch $@
