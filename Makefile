# Every target sets itself up: a virtual environment in .venv with the locked dependencies and the project.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test test-all soak lint format bench lock manifests setup
setup: $(READY)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(READY): requirements-dev.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

run: $(READY)  ## serve the shipped policies on 127.0.0.1:8443 (TLS, development certificate) and :8080
	$(BIN)/gatewright serve --policies policies

test: $(READY)
	$(BIN)/python -m pytest

test-all: $(READY)  ## the tests on every other Python from 3.11 that pyenv or the PATH has
	bash tests/every_python.sh

soak: $(READY)  ## the long runs of the server's tests, with their figures: five minutes
	GATEWRIGHT_TEST_CASES=100000 GATEWRIGHT_TEST_REQUESTS=10000 GATEWRIGHT_TEST_TIMES=20 GATEWRIGHT_TEST_SLOW=500 \
	  $(BIN)/python -m pytest -s tests/server/test_hostile.py tests/server/test_certificates_under_load.py \
	  tests/server/test_sigterm_under_load.py tests/server/test_slow_clients.py tests/server/test_workers.py

manifests: $(READY)  ## write the registration of the shipped policies anew
	$(BIN)/gatewright manifests policies --no-ca --write manifests/base/webhookconfigurations.yaml

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python -m bench

lock: $(READY)  ## write both lock files anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml -o requirements-dev.lock
