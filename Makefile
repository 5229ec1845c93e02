PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE = 1
TEST_PROGRAMS = imagemagick libimage-exiftool-perl libvips-tools libavif-bin libtiff-tools chromium

.PHONY: test test-programs emulators lint types imports pytest conformance chaos demo docs clean

test: lint types imports pytest

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/pyright

imports: $(VENV)/.installed
	$(BIN)/lint-imports

pytest: $(VENV)/.installed
	$(BIN)/python -m pytest

# Debian's programs that tests judge photos and pages with; without them those tests are skipped
test-programs:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $(TEST_PROGRAMS) > /dev/null

# Azurite, which stands in for Azure's store in tests; without it those tests are skipped
emulators:
	npm install --silent --no-fund --no-audit --prefix .emulators azurite@3

# The published numerics, on another folder: make conformance PASD_CONFORMANCE=DIR
conformance: $(VENV)/.installed
	$(BIN)/python -m pytest tests/conformance

# Hundreds of killed processes instead of the handful that the tests kill
chaos: $(VENV)/.installed
	PASD_CHAOS_KILLS=100 $(BIN)/python -m pytest tests/batch/driver/test_chaos.py -s --timeout 14400

# What the demonstration needs, and none of what tests and development do
$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[demo]"
	touch $@

# Restores and scores a few sample photos: see README.md
demo: $(VENV)/.demo
	$(BIN)/pasd-batch demo

# The tables in docs/results.md, docs/audit.md and docs/metrics.md, from their definitions
docs: $(VENV)/.installed
	$(BIN)/python tests/support/result_table.py
	$(BIN)/python tests/support/audit_tables.py
	$(BIN)/python tests/support/metric_table.py

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache
