# Interview Tutor. `make run` starts it, `make test` tests all of it, `make check` is the quick part of that.

VENV   := .venv
BIN    := $(VENV)/bin
# any Python from 3.11 on; PYTHON=... chooses another
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14 python; do \
	$$p -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
READY  := $(VENV)/.ready

.PHONY: run test check setup venv chromium clean
.DEFAULT_GOAL := run

run: setup
	$(BIN)/tutor index
	$(BIN)/tutor serve

test: setup chromium
	$(BIN)/python -m pytest

check: venv
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -m "not model and not browser"

setup: venv
	$(BIN)/tutor weights

venv: $(READY)

# rebuilt when the locked packages or the project's own description change
$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or later is missing: install it, or run make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { echo "$(PYTHON) cannot make a virtual environment: install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	@touch $@

# the browser tests drive Debian's Chromium; Chinese needs a font
chromium:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-noto-cjk; \
	else echo "Chromium is missing, the browser tests are skipped: install the packages chromium and fonts-noto-cjk" >&2; [ -z "$$CI" ]; fi

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
