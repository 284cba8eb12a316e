# Every target sets itself up: a virtual environment in .venv with the locked dependencies and the project.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test coverage test-all e2e e2e-assets soak mutants peers lint format docs site bench lock manifests sbom dist tables setup
setup: $(READY)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# editable_mode=compat is a path in a .pth file. The import hook of the other modes costs each process 13 ms.
$(READY): requirements-dev.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --config-settings editable_mode=compat --editable .
	touch $@

run: $(READY)  ## serve the shipped policies on 127.0.0.1:8443 (TLS, development certificate) and :8080
	$(BIN)/gatewright serve --policies policies

ALL_CORES := --numprocesses=auto --dist=worksteal
PYTEST := $(BIN)/python -m pytest $(ALL_CORES)

test: $(READY)  ## all tests but tests/e2e, in one process more than there are cores
	$(PYTEST)

coverage: $(READY)  ## make test, and what it ran of the code; fails below the floors in tests/floor.py
	$(BIN)/python -m tests.again $(ALL_CORES) --cov --cov-report=
	$(BIN)/python -m tests.floor

test-all: $(READY)  ## the tests on every other Python from 3.11 that pyenv or the PATH has
	bash tests/every_python.sh

e2e: e2e-assets  ## the tests against a real etcd and kube-apiserver, on loopback, four modules at a time
	$(BIN)/python -m tests.again --numprocesses=4 --dist=loadfile -o faulthandler_timeout=1800 tests/e2e

e2e-assets: $(READY)  ## build etcd, kube-apiserver and kubectl with Go, unless KUBEBUILDER_ASSETS has them: five minutes
	$(BIN)/python -m tests.e2e.assets

soak: $(READY)  ## the long runs of the server's tests, tests that assert seconds, and all generated cases: an hour
	GATEWRIGHT_TEST_CASES=100000 GATEWRIGHT_TEST_REQUESTS=10000 GATEWRIGHT_TEST_TIMES=20 GATEWRIGHT_TEST_SLOW=500 \
	  GATEWRIGHT_TEST_MINUTES=30 GATEWRIGHT_TEST_SECONDS=1 $(BIN)/python -m pytest -s -o faulthandler_timeout=3600 \
	  tests/server/test_hostile.py tests/server/life/test_process.py tests/server/test_certificates_under_load.py \
	  tests/server/test_sigterm_under_load.py tests/server/test_memory_under_attack.py \
	  tests/server/test_endurance.py tests/server/test_slow_clients.py tests/server/python/test_isolation.py \
	  tests/server/life/test_workers.py tests/server/port/test_protocol.py tests/server/cluster/test_events.py \
	  tests/bundle/test_pulling.py tests/convert/test_hostile.py tests/server/port/test_certificates.py \
	  tests/server/test_reload_under_load.py tests/cluster tests/cel/test_hostile.py \
	  tests/cel/library/test_hostile.py tests/cel/test_bounds.py tests/cel/library/test_patterns.py \
	  tests/cel/why/test_explainer.py tests/cel/check tests/cli/test_explain.py tests/documents/test_ignoring.py \
	  tests/apiserver/customresources/test_judging.py
	GATEWRIGHT_TEST_ALL=1 $(PYTEST) $$(grep --recursive --files-with-matches --include='test_*.py' tests.amounts tests)

tables: $(READY)  ## write the tables of kinds, types and defaults of all Kubernetes versions anew, with Go
	$(BIN)/python -m tests.apiserver.tables

manifests: $(READY)  ## write everything that ships the policies anew: registration, RBAC, the lists of policies and params
	$(BIN)/gatewright manifests policies --no-ca --all --write manifests/base
	$(BIN)/gatewright audit --policies policies --rbac > manifests/components/audit/rbac.yaml

mutants: $(READY)  ## is every condition, bound and rule of the library's policies shown by a case of their tests? Minutes
	$(BIN)/gatewright --no-settings test --policies policies --mutate

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## write anew what is generated: docs/cel-functions.md, docs/library.md and its components, the digests of its files, the table in docs/operations/helm.md
	$(BIN)/python -m webhook.cel.reference > docs/cel-functions.md
	$(BIN)/python -m webhook.library.generated
	$(BIN)/python -m webhook.library.faults
	$(BIN)/python -m tests.manifests.chartreference

site: $(READY)  ## build the documentation as a site in build/site; a broken link or anchor fails it
	$(BIN)/sphinx-build --quiet --fresh-env --write-all --fail-on-warning --keep-going -c docs/site -d build/doctrees . build/site

sbom: $(READY)  ## dist/gatewright.cdx.json: the runtime dependencies, with their hashes, as CycloneDX
	mkdir -p dist
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --spec-version 1.6 --output-file dist/gatewright.cdx.json requirements.lock

dist: $(READY)  ## dist/: the wheel, and the plugin for kubectl with its manifest for krew
	rm -rf build/lib dist/*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --wheel-dir dist .
	$(BIN)/python release/pack.py dist $${GITHUB_REPOSITORY:-gatewright/gatewright}

peers: $(READY)  ## gator and Kyverno's command of their published modules, and Checkov: for tests and `python -m bench peers`
	$(BIN)/python -m bench.peers

BENCH_JSON ?=
bench: $(READY)  ## measure evaluation and server beside others; BENCH_JSON=FILE: the figures as JSON too
	env -u PYTHONDONTWRITEBYTECODE BENCH_JSON=$(BENCH_JSON) $(BIN)/python -m bench

lock: $(READY)  ## write the lock files anew from pyproject.toml: of check, test and lint; of the server, and with otel; of development
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --extra server --extra cluster pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --constraint requirements.lock pyproject.toml -o requirements-check.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --extra server --extra cluster --extra otel pyproject.toml -o requirements-otel.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --all-extras --group dev pyproject.toml -o requirements-dev.lock
