# `make demo`: set up, then train a machine on real handwritten digits and watch it think.
# `make test`: set up, then all checks.
# `make test-oldest`: the tests once more, with the oldest PyTorch that is supported, in an environment of its own.
# `make page`: what the page in the browser runs on, from its package; with Node.js 20 or newer.
# `make test-page`: all of the page in a real browser: the one that CTM_CHROMIUM names, or chromium, installed if it is not there.
# `make zoo`: the trained models in the package, from their presets.
# `make tutorials`: the tutorials with their outputs, as web pages and as notebooks of Jupyter, into build/tutorials.
# `make wheel`: the wheel, and whether it works when installed alone, in an environment of its own.
# `make docs`: the documentation as a site, into `site`.
# Set-up lives in a virtual environment, .venv, and is redone only when pyproject.toml or constraints.txt change.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLDEST := .venv-oldest
WHEEL := .venv-wheel
OLDEST_READY := $(OLDEST)/.ready
RUN := runs/demo
TUTORIALS := $(wildcard tutorials/*.py)
EXPORTED := build/tutorials

.PHONY: setup demo test test-oldest page test-page zoo tutorials wheel bench docs lint types dependencies clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; say make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/ctm think digits --index 3
	if [ -d $(RUN) ]; then $(BIN)/ctm train --resume $(RUN); else $(BIN)/ctm train digits --run $(RUN); fi
	$(BIN)/ctm evaluate $(RUN)
	$(BIN)/ctm think $(RUN) --index 0

# The page's runtime and the types of its modules need Node.js; without it, tests that need them say so and are skipped.
test: lint types dependencies $(if $(shell command -v npm),page)
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "not slow"

page: $(READY)
	$(BIN)/python tools/make_page.py

test-page: page
	[ -n "$$CTM_CHROMIUM" ] || command -v chromium > /dev/null || { apt-get update --quiet && apt-get install --quiet --yes chromium; }
	$(BIN)/python -m pytest tests/page

$(OLDEST_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade pip
	grep -v '^torch==' constraints.txt > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet -c $(OLDEST)/constraints.txt 'torch==2.8.*' -e '.[dev]'
	touch $@

# Annotations are not checked there: what checks them cannot be compiled by that version.
test-oldest: $(OLDEST_READY)
	$(OLDEST)/bin/python -m pytest -o addopts=--strict-markers -n auto

zoo: $(READY)
	$(BIN)/python tools/make_zoo.py

tutorials: $(READY)
	mkdir -p $(EXPORTED)
	set -e; for tutorial in $(TUTORIALS); do \
		name=$(EXPORTED)/$$(basename $$tutorial .py); \
		$(BIN)/marimo export html --force $$tutorial --output $$name.html; \
		$(BIN)/marimo export ipynb --include-outputs --force $$tutorial --output $$name.ipynb; \
	done

wheel: $(READY) page
	rm -rf dist $(WHEEL)
	$(BIN)/python -m pip wheel --quiet --no-deps -w dist .
	$(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip install --quiet -c constraints.txt "$$(echo dist/*.whl)[all,control,export]"
	$(WHEEL)/bin/python -I tools/check_wheel.py dist/*.whl

bench: $(READY)
	$(BIN)/python benchmarks/speed.py parity/paper-75 mazes/paper cifar10/paper digits --precision fp32 bf16 --repeats 2 \
		--out docs/benchmarks

docs: $(READY)
	$(BIN)/python tools/make_commands.py
	$(BIN)/python -m zensical build --clean --strict
	@echo "$(BIN)/python -m http.server --directory site shows it at http://localhost:8000"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/ty check

dependencies: $(READY)
	$(BIN)/deptry .

clean:
	rm -rf $(VENV) $(OLDEST) $(WHEEL) dist build site node_modules src/ctm/page/runtime .cache .pytest_cache .ruff_cache .hypothesis tutorials/__marimo__
