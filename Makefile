# Everything a person or CI runs. `make` alone lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Bytecode makes the difference between a start in one second and in three, so it is written even where the
# environment says otherwise.
export PYTHONDONTWRITEBYTECODE :=
export UV_PYTHON_DOWNLOADS := never
export UV_COMPILE_BYTECODE := 1
unexport VIRTUAL_ENV

PYTHON ?= python3
UV := .tools/bin/uv
BIN := .venv/bin
WEB := examples/auth-api-demo/web
CLIENTS := tests/javascript
AUTHENTICATOR := $(CLIENTS)/authenticator
RELYING_PARTY := $(CLIENTS)/relying_party
WEB_SOURCES := $(shell find $(WEB)/src $(WEB)/public -type f 2>/dev/null) $(WEB)/index.html $(WEB)/vite.config.ts
PYTEST_ARGS ?=

.PHONY: help demo test check lint types imports setup web javascript-clients browser-tools bench soak changelog wheel clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: .venv/.run $(WEB)/dist/index.html  ## Start the demo: sign in, call, be refused, be let in
	@exec $(BIN)/velvetrope demo

test: setup web javascript-clients browser-tools  ## Install what the tests need and run all of them
	@cd $(WEB) && npm test --silent
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

check: setup lint types imports  ## Lint, types and import contracts

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src tests docs examples/auth-api-demo/app.py *.md changelog.d benchmarks

types: setup
	$(BIN)/mypy src tests benchmarks tools

imports: setup
	$(BIN)/lint-imports --no-logo

setup: .venv/.dev  ## Make the virtual environment with everything for development

web: $(WEB)/dist/index.html  ## Build the demo's single-page app

javascript-clients: $(AUTHENTICATOR)/dist/index.html $(RELYING_PARTY)/dist/index.html  ## Install other people's JavaScript clients for the tests

browser-tools:  ## Make sure there are a Chromium and a curl for the tests
	@PYTHON=$(BIN)/python bash tests/install_tools.sh

bench: .venv/.dev $(WEB)/dist/index.html  ## Measure, and print ratios (see benchmarks/README.md)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.functions

soak: setup  ## Invoke functions twenty thousand times while their processes are killed
	VELVETROPE_SOAK_INVOCATIONS=20000 $(BIN)/python -m pytest -q --timeout 900 tests/functions/test_functions_soak.py

changelog: setup  ## Show what CHANGELOG.md would say of a release now
	@$(BIN)/towncrier build --draft --version "$$($(BIN)/python -c 'from importlib.metadata import version; print(version("velvetrope"))')"

wheel: .venv/.dev $(WEB)/dist/index.html  ## Build a wheel that carries the demo and its built page
	rm -rf src/velvetrope/_demo && mkdir -p src/velvetrope/_demo/web
	cp examples/auth-api-demo/app.py src/velvetrope/_demo/ && cp -r $(WEB)/dist src/velvetrope/_demo/web/
	$(UV) build --wheel && rm -rf src/velvetrope/_demo

clean:  ## Remove what was installed and built
	rm -rf .venv .tools $(WEB)/node_modules $(CLIENTS)/node_modules $(WEB)/dist $(AUTHENTICATOR)/dist $(RELYING_PARTY)/dist dist artifacts

$(UV):
	@echo "velvetrope: installing uv into .tools"
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 15) else "velvetrope needs Python 3.11, 3.12, 3.13 or 3.14; this is " + sys.version.split()[0] + ". Install one of them and name it: make PYTHON=python3.14 demo")'
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

.venv/.run: $(UV) uv.lock pyproject.toml
	@echo "velvetrope: installing the server's packages into .venv"
	@$(UV) sync --quiet --frozen --no-default-groups --inexact --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@$(BIN)/python -m compileall -q src/velvetrope
	@touch $@

.venv/.dev: $(UV) uv.lock pyproject.toml
	@echo "velvetrope: installing the development packages into .venv"
	@$(UV) sync --quiet --frozen --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $@ .venv/.run

%/node_modules/.package-lock.json: %/package-lock.json %/package.json
	@echo "velvetrope: installing the packages of $*"
	@node -e 'process.exit(+process.versions.node.split(".")[0] >= 20 ? 0 : 1)' || { echo "velvetrope needs Node 20 or newer; this is $$(node --version)"; exit 1; }
	@cd $* && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
	@touch $@

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB_SOURCES)
	@echo "velvetrope: building the page"
	@cd $(WEB) && npm run build --silent -- --logLevel error

# Pages of other people's libraries, built by the demo's vite.
$(AUTHENTICATOR)/dist/index.html: $(wildcard $(AUTHENTICATOR)/*.*)
$(RELYING_PARTY)/dist/index.html: $(wildcard $(RELYING_PARTY)/*.*)
$(AUTHENTICATOR)/dist/index.html $(RELYING_PARTY)/dist/index.html: $(CLIENTS)/node_modules/.package-lock.json $(WEB)/node_modules/.package-lock.json
	@$(WEB)/node_modules/.bin/vite build $(@D:/dist=) --logLevel error
	@touch $@