# Every target works from a fresh clone with Python 3.11 and make.
PY := .venv/bin/python
STAMP := .venv/.installed

.PHONY: demo up test bench lint types format test-deps lock clean

$(STAMP): requirements.lock pyproject.toml $(wildcard */*/pyproject.toml libs/core/pyproject.toml)
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  -e libs/core -e services/meter -e services/balancer -e services/charger-agent -e services/api \
	  -e services/simulator -e deploy/embedded
	touch $(STAMP)

demo: $(STAMP)    ## the whole system on simulated hardware
	.venv/bin/ampherd demo

up: $(STAMP)      ## the real system without Docker, from ./site.yaml
	.venv/bin/ampherd up site.yaml

test: $(STAMP)    ## ruff, mypy, import-linter, pytest
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) -m pytest

bench: $(STAMP)   ## what the README claims, measured
	$(PY) -m benchmarks

lock:             ## names and versions only; needs uv
	uv export --quiet --no-hashes --no-emit-workspace --no-header --no-annotate --all-groups > requirements.lock

clean:
	rm -rf .venv var
