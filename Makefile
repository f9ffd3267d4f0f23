# Everything that people and CI run. `make` alone prints what there is.
# Paths are relative, so that the folder's own name may hold spaces.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
RUN := $(BIN)/python -m
# Processes of the suite, each with servers of its own: one more than two cores, because tests of kills and leases
# wait much of their time. The longest folders stand first, so that all end together.
PROCESSES ?= 3
SIDE_BY_SIDE := --numprocesses $(PROCESSES) --dist loadscope --no-loadscope-reorder
SERVICES := ingest profile recommend churn campaign
# An environment does not survive a move or a copy of its folder: the stamp carries the place it was made at.
PLACE := $(shell pwd -P | cksum | cut -d ' ' -f 1)
LOCAL := .venv/local-$(PLACE).stamp
DEV := .venv/dev-$(PLACE).stamp
INSTALL = @$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| { echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not here)." \
		"Name another one: make venv PYTHON=python3.12" >&2; exit 1; }; \
	$(PYTHON) tools/environment.py

.PHONY: help
help: ## print this list
	@echo 'Targets (arguments go in ARGS="..."):'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(LOCAL) ## the main job on real shopping history, end to end; ARGS="--exit" stops it at the end
	@exec $(BIN)/regulars demo $(ARGS)

.PHONY: test
test: $(DEV) ## the whole test suite, on a real PostgreSQL and a real broker that it starts itself
	@$(RUN) pytest -m "not long" $(SIDE_BY_SIDE) $(ARGS)

.PHONY: venv
venv: $(DEV) ## only make .venv, with everything for work on the project
	@echo '.venv is ready'

$(LOCAL): requirements/bootstrap.txt requirements/local.txt pyproject.toml tools/environment.py
	$(INSTALL) local $@

# The dev lock holds the local one.
$(DEV): requirements/bootstrap.txt requirements/dev.txt pyproject.toml tools/environment.py
	$(INSTALL) dev $@ && touch $(LOCAL)

.PHONY: check
check: format-check lint types contracts rules schemas agreement ## everything below, up to `agreement`; changes nothing

.PHONY: format
format: $(DEV) ## rewrite the code in the one format
	@$(BIN)/ruff format .

.PHONY: format-check
format-check: $(DEV) ## tell which files are not in the one format
	@$(BIN)/ruff format --check .

.PHONY: lint
lint: $(DEV) ## ruff, every rule but the ones pyproject.toml gives a reason against
	@$(BIN)/ruff check .

.PHONY: types
types: $(DEV) ## mypy, strict, tests included
	@$(RUN) mypy

.PHONY: contracts
contracts: $(DEV) ## who may import whom (.importlinter)
	@$(BIN)/lint-imports

.PHONY: rules
rules: $(DEV) ## the house rules that no linter knows
	@$(RUN) tools.house_rules

.PHONY: schemas
schemas: $(DEV) ## event schemas and docs/events.md agree with the event classes
	@$(RUN) tools.schema_snapshots --check

.PHONY: agreement
agreement: $(DEV) ## settings, compose file, docs and targets agree with the code
	@$(RUN) tools.agreement

.PHONY: settings
settings: $(DEV) ## write .env.example anew from the settings classes
	@$(RUN) tools.agreement --write

.PHONY: secrets
secrets: $(DEV) ## make the passwords and keys that docker-compose.yml needs, in deploy/secrets/
	@$(RUN) tools.compose_secrets

.PHONY: bench
bench: $(LOCAL) ## the benchmarks, bounded and on loopback; ARGS="--json"
	@$(BIN)/regulars bench up $(SERVICES) lookup demo $(ARGS)

.PHONY: faults
faults: $(DEV) ## the long fault matrix: processes killed, frozen and forked while a ledger is kept
	@REGULARS_FAULTS_FULL=1 $(RUN) pytest -m "faults or long" $(ARGS)

.PHONY: kafka
kafka: ## Apache Kafka from its own jars (needs Java and Maven), in the foreground on KAFKA_PORT
	@deploy/kafka/start.sh fetch
	@exec deploy/kafka/start.sh

.PHONY: lock
lock: $(DEV) ## compile requirements/*.in anew; ARGS="--upgrade" takes newer versions
	@set -e; for group in bootstrap runtime ml dask local dev; do \
		$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-header --no-annotate $(ARGS) -o requirements/$$group.txt requirements/$$group.in; done

.PHONY: clean
clean: ## remove what can be made again: .venv and caches, but no data
	@rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
