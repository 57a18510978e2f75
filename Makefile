# make run     set everything up and digest the sample archive: feeds in public/, a mail in var/outbox/
# make test    set everything up and run the tests (make test-slow: the long ones; make test-all: both)
#              DIGEST_TEST_SCALE=5 make test-all: five times as many random kills and made-up inputs
# make check   lint and types        make bench   measure        make lock   renew the pinned versions
# make messages      bring new texts into all languages
# make screenshots   take the pictures in docs/images again (needs Chromium)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check --no-input

.PHONY: run test test-slow test-all check lint types bench docs messages screenshots lock clean

run: $(VENV)/run
	$(BIN)/digest run

# Neighbours stay together, so that they share servers and browsers; who has nothing left takes from others.
test: $(VENV)/dev
	$(BIN)/pytest -n auto --dist worksteal -m "not slow" $(PYTEST_ARGS)

# One after the other, the longest first; they wait more than they work. Properties are tried with more examples.
test-slow: $(VENV)/dev
	$(BIN)/pytest -n 6 --dist loadgroup -m "slow or hypothesis" --hypothesis-profile thorough $(PYTEST_ARGS)

test-all: test test-slow

check: lint types

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/mypy

bench: $(VENV)/dev
	$(BIN)/python benchmarks/bench.py --sizes 17000 100000 --wide --write docs/performance.md
	-$(BIN)/python benchmarks/delivery.py --rounds 3 --memory /dev/shm --write docs/performance.md

docs: $(VENV)/dev
	$(BIN)/python -m digest.config > docs/config.schema.json

messages: $(VENV)/dev
	$(BIN)/python -m tests.messages

screenshots: $(VENV)/dev
	$(BIN)/python docs/screenshots.py

$(VENV)/run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "digest needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --no-deps -r requirements.lock
	$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/run
	$(PIP) install --no-deps -r requirements-dev.lock
	@touch $@

# The lock files are whole, so nothing is looked for besides: with hashes, pip would take coverage[toml], which pytest-cov
# asks for, for another package than the coverage that is pinned.
#
# Versions, and hashes of all their files, whichever platform they are for. No addresses, so that it works with whichever
# package index pip is set up for. requirements-s3.lock is what buckets need beside requirements.lock.
lock:
	rm -rf build/lock && for name in all run tool; do $(PYTHON) -m venv build/lock/$$name || exit 1; done
	build/lock/all/bin/pip --quiet install --upgrade pip
	build/lock/all/bin/pip --quiet install hatchling editables ".[dkim,postgres,s3]" --group dev
	build/lock/all/bin/pip freeze --exclude digest-publisher > build/lock/requirements-dev.txt
	build/lock/run/bin/pip --quiet install --constraint build/lock/requirements-dev.txt hatchling editables ".[dkim,postgres]"
	build/lock/run/bin/pip freeze --exclude digest-publisher > build/lock/requirements.txt
	build/lock/run/bin/pip --quiet install --constraint build/lock/requirements-dev.txt boto3
	build/lock/run/bin/pip freeze --exclude digest-publisher | grep -vxFf build/lock/requirements.txt > build/lock/requirements-s3.txt
	build/lock/tool/bin/pip --quiet install uv
	for name in requirements requirements-dev requirements-s3; do \
	  build/lock/tool/bin/uv pip compile --quiet --generate-hashes --no-deps --no-header --no-annotate \
	    --output-file $$name.lock build/lock/$$name.txt > build/lock/said || exit 1; done
	rm -rf build/lock

clean:
	rm -rf $(VENV) build dist public var .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
