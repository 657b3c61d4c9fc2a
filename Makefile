# Every target sets up what it needs: Python 3.11 or newer, make and a network are enough.
PYTHON ?= python3
VENV := .venv
LOWEST := .venv-lowest
BIN := $(VENV)/bin
PIP := python -m pip --disable-pip-version-check

.PHONY: demo test check coverage soak bench web recordings lint types rooms schema docs lowest wheel clean

demo: $(VENV)/.ready
	$(BIN)/langwire demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest

# What CI runs, in this order. Nothing that a test needs may be missing then.
check: export LANGWIRE_WHOLE = 1
check: lint types rooms schema coverage lowest wheel

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready
	$(BIN)/pyright

rooms: $(VENV)/.ready
	$(BIN)/lint-imports

schema: $(VENV)/.ready
	$(BIN)/python -m langwire.core.schema --check
	$(BIN)/python -m langwire.adapters.fastapi.schema --check

# Writes what is generated: the schema, the reference, the README's table of events.
docs: $(VENV)/.ready
	$(BIN)/python -m langwire.core.schema --write
	$(BIN)/python -m langwire.adapters.fastapi.schema --write
	$(BIN)/python tests/docs/reference_page.py

# Builds what browsers load; `tests/faces/test_bundle.py` says when that is due. Needs Node 20.19 or newer.
web:
	cd web && npm ci --ignore-scripts --no-audit --no-fund && npm run build

# `make test`, measured: every branch of the core must be taken.
coverage: $(VENV)/.ready
	$(BIN)/coverage erase
	$(MAKE) test PYTEST_ADDOPTS="--cov=langwire --cov-branch --cov-report="
	$(BIN)/coverage report --include='src/langwire/core/*,src/langwire/events.py' --fail-under=100
	$(BIN)/coverage report --fail-under=95

# The lowest LangGraph that is supported.
lowest: $(LOWEST)/.ready
	$(LOWEST)/bin/python -m pytest

# The tests that use the package from outside, against the wheel as a user installs it.
wheel: $(VENV)/.ready
	rm -rf dist build/wheel
	$(BIN)/python -m build --outdir dist . >/dev/null
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/$(PIP) install -q -r constraints/newest.txt
	build/wheel/bin/$(PIP) install -q --no-deps dist/*.whl
	cd build && wheel/bin/python -m pytest -c ../pyproject.toml --rootdir .. ../tests/commands ../tests/sessions ../tests/packaging

# Long counts, and every extra in a fresh venv: run by hand before a change to the core is called done.
soak: $(VENV)/.ready
	LANGWIRE_SOAK=1 LANGWIRE_WHOLE=1 $(BIN)/python -m pytest tests/core/test_laws.py tests/core/test_redaction.py tests/sessions tests/agui tests/tasks tests/server tests/faces tests/core/test_planted_faults.py --timeout 6000
	for extra in cli web agui jupyter sqlite postgres otel all; do \
		rm -rf build/extra && $(PYTHON) -m venv build/extra && \
		build/extra/bin/$(PIP) install -q ".[$$extra]" && \
		build/extra/bin/langwire demo --fast >/dev/null && echo "$$extra: installs and runs" || exit 1; \
	done

# The comparison with langgraph-stream-parser is made where that is installed.
bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks

# Records the streams of tests/recordings again, with both versions of LangGraph.
recordings: $(VENV)/.ready $(LOWEST)/.ready
	$(BIN)/python -m langwire.testing.recordings record --out tests/recordings
	$(LOWEST)/bin/python -m langwire.testing.recordings record --out tests/recordings

$(VENV)/.ready: constraints/newest.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "langwire needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(PIP) install -q -r constraints/newest.txt
	$(BIN)/$(PIP) install -q --no-deps -e .
	touch $@

$(LOWEST)/.ready: constraints/lowest.txt pyproject.toml
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/$(PIP) install -q -r constraints/lowest.txt
	$(LOWEST)/bin/$(PIP) install -q --no-deps -e .
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) build dist .coverage .pytest_cache .ruff_cache .hypothesis
