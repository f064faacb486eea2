# Everything runs in .venv, which the first target that needs it creates; `make help` lists them.
# Needs make, bash and Python 3.11 to 3.13; choose one with `make demo PYTHON=python3.12`.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The tested versions (requirements.txt) exist for these: TensorFlow 2.21 has none for newer ones.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,\
	$(shell $(p) -c '$(SUPPORTED)' >/dev/null 2>&1 && echo $(p))) python3)

export KERAS_BACKEND ?= jax
export TF_CPP_MIN_LOG_LEVEL ?= 2
export PYTHONUNBUFFERED := 1

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TORCH_READY := $(VENV)/.torch-ready
BACKEND_READY = $(if $(filter torch,$(KERAS_BACKEND)),$(TORCH_READY),$(READY))
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Two processes: JAX compiles on one core, and most of the tests' time is compilation.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadgroup
# pip without its hundreds of lines, but with a sign of life for each large download
PROGRESS := awk '/Downloading .*\([0-9.]+ [MG]B\)/ && ($$NF ~ /GB/ || substr($$(NF-1), 2) + 0 >= 20) \
	{ print "  " $$1, $$2, $$(NF-1), $$NF; fflush() } \
	/^Installing collected/ { print "  Unpacking ..."; fflush() }'

.PHONY: help
help:  ## list the targets
	@echo 'Targets (KERAS_BACKEND=jax|tensorflow|torch chooses the backend; here: $(KERAS_BACKEND)):'
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
		| awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'

.PHONY: venv
venv: $(READY)  ## create .venv and install the tested versions

$(READY): requirements.txt pyproject.toml
	@if ! command -v $(PYTHON) >/dev/null; then \
		echo "error: '$(PYTHON)' was not found. Install Python 3.11, 3.12 or 3.13, or name" \
			"one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; fi
	@if ! $(PYTHON) -c '$(SUPPORTED)'; then \
		echo "error: md4keras is tested on Python 3.11 to 3.13, but '$(PYTHON)' is" \
			"$$($(PYTHON) --version 2>&1). Name another one:" \
			"make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; fi
	@echo "Creating $(VENV) with $$($(PYTHON) --version 2>&1) ..."
	@if ! $(PYTHON) -m venv $(VENV); then \
		echo "error: $(PYTHON) cannot create virtual environments. On Debian and Ubuntu:" \
			"apt install python3-venv" >&2; exit 1; fi
	@echo "Installing $$(grep -c == requirements.txt) packages (2 to 5 minutes, 4 GB on disk) ..."
	@$(PIP) install -r requirements.txt | $(PROGRESS)
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@
	@echo "Installed."

$(TORCH_READY): $(READY) requirements-torch.txt
	@echo "Installing PyTorch ..."
	@$(PIP) install -r requirements-torch.txt | $(PROGRESS)
	@touch $@

.PHONY: demo
demo: $(BACKEND_READY)  ## train and show a small image and a small text model (about ten minutes)
	@$(BIN)/python -m train.demo

.PHONY: test
test: $(BACKEND_READY)  ## the tests, without the app's and those that take minutes
	$(PYTEST) -m "not slow" --ignore=tests/app

.PHONY: test-app
test-app: $(BACKEND_READY)  ## the tests of the app, some of them in a browser (Chromium or Chrome)
	$(PYTEST) tests/app

.PHONY: test-slow
test-slow: $(BACKEND_READY)  ## the tests that take minutes
	$(PYTEST) -m slow

.PHONY: test-tensorflow
test-tensorflow: $(READY)  ## the tests that every backend must pass, on TensorFlow
	KERAS_BACKEND=tensorflow $(PYTEST) -m "not slow and not one_backend" --ignore=tests/app

.PHONY: test-torch
test-torch: $(TORCH_READY)  ## the same on PyTorch, which is installed first
	KERAS_BACKEND=torch $(PYTEST) -m "not slow and not one_backend" --ignore=tests/app

.PHONY: lint
lint: $(READY)  ## style and likely defects
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: $(READY)  ## rewrite the files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: docs
docs: $(READY)  ## build the site in site/: the pages in docs/, the reference and the notebooks
	$(BIN)/python -m mkdocs build --quiet
	@echo "Open site/index.html"

.PHONY: notebooks
notebooks: $(BACKEND_READY)  ## run the notebooks in docs/notebooks and keep what they print and draw
	$(BIN)/python -m docs.tools.run_notebooks

.PHONY: app
app: $(BACKEND_READY)  ## open the app in the browser (models are looked for in runs/)
	$(BIN)/md4keras app runs

.PHONY: screenshots
screenshots: $(BACKEND_READY)  ## walk through the app on runs/demo in a browser, and write docs/app_*.png
	MD4KERAS_APP_MODELS=runs/demo MD4KERAS_SCREENSHOTS=docs $(BIN)/python -m pytest -q tests/app/test_browser.py

.PHONY: clean
clean:  ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
