# Everything that is done with this project. `make` lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

# The first interpreter that is new enough; `make PYTHON=python3.12 ...` chooses another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
# Given to what a target runs: `make run ARGS="--seconds 20"`, `make test ARGS="-k pointer"`.
ARGS ?=
PORT ?= 8000
WORKERS ?= 2

# The parts in processes of their own need a broker and a cache that they share.
APART := CELERY_BROKER_URL="$${CELERY_BROKER_URL:-redis://127.0.0.1:6379/0}" \
	MEMCACHED_SERVERS="$${MEMCACHED_SERVERS:-127.0.0.1:11211}"

## Using it

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^## / {printf "\n%s\n", substr($$0, 4)} \
		/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo 'Give options on with ARGS, like `make run ARGS="--seconds 20 --json"`.'

.PHONY: run
run: $(VENV)/.development ## Run the whole system in one process, with simulated shoppers (PORT=8000)
	@exec $(MANAGE) embedded --port $(PORT) $(ARGS)

.PHONY: serve
serve: $(VENV)/.development ## Serve the API alone (PORT=8000 WORKERS=2)
	@$(APART) $(MANAGE) migrate --verbosity 0
	@rm -rf var/metrics/web
	@$(APART) PROMETHEUS_MULTIPROC_DIR=var/metrics/web \
		exec $(BIN)/granian --interface wsgi --host 127.0.0.1 --port $(PORT) \
		--workers $(WORKERS) --blocking-threads 16 $(ARGS) coordinator.wsgi:application

.PHONY: worker
worker: $(VENV)/.development ## Run a Celery worker for every queue
	@$(APART) exec $(BIN)/celery -A workers worker --queues settle,warm,default \
		--loglevel INFO $(ARGS)

.PHONY: manage
manage: $(VENV)/.development ## Run a command beside them (ARGS="coordinator_inspect payment.EDX-1001")
	@$(APART) exec $(MANAGE) $(ARGS)

.PHONY: beat
beat: $(VENV)/.development ## Run Celery's beat, once in a deployment
	@mkdir -p var
	@$(APART) exec $(BIN)/celery -A workers beat --schedule var/beat --loglevel INFO $(ARGS)

.PHONY: stack
stack: $(VENV)/.development ## Run all of it as production's processes, without Docker
	@exec $(BIN)/python -m tools.stack $(ARGS)

## Running it in containers

# Compose as a plugin of docker, or the program of before.
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
COORDINATOR_IMAGE ?= coordinator:local
FLOWER_IMAGE ?= coordinator-flower:local
SIMULATOR_IMAGE ?= coordinator-simulator:local
export COORDINATOR_IMAGE FLOWER_IMAGE SIMULATOR_IMAGE

.PHONY: up
up: image ## Start the whole system in containers (ARGS="--scale worker=3"; COMPOSE_PROFILES=monitoring)
	@containers/make-secrets
	@$(COMPOSE) up --detach $(ARGS)
	@containers/await-healthy 180 $(COMPOSE)
	@echo 'All healthy. `make smoke` sends a payment through it, `make logs` shows what happens.'

.PHONY: roll
roll: image ## Replace web, workers and beat one by one by what is built now
	@containers/roll "$(COMPOSE)" web worker beat

.PHONY: down
down: ## Stop it; what the ledger holds stays (ARGS=--volumes: that goes too)
	@COMPOSE_PROFILES=smoke,traffic,monitoring $(COMPOSE) down --remove-orphans $(ARGS)

.PHONY: logs
logs: ## Follow what the containers log (ARGS=worker: only those)
	@exec $(COMPOSE) logs --follow --tail 100 $(ARGS)

.PHONY: smoke
smoke: ## Send a payment through the containers and show the hit
	@exec $(COMPOSE) run --rm --no-deps -T smoke

.PHONY: traffic
traffic: ## Let simulated shoppers use the containers for a minute (ARGS="--seconds 20 --rate 50")
	@exec $(COMPOSE) run --rm --no-deps -T traffic $(ARGS)

.PHONY: image
image: ## Build the images (Flower's too, with COMPOSE_PROFILES=flower)
	@docker build --tag $(COORDINATOR_IMAGE) --target coordinator .
	@docker build --tag $(SIMULATOR_IMAGE) --target simulator .
	@case ",$${COMPOSE_PROFILES:-}," in \
		*,flower,* | *,monitoring,*) docker build --tag $(FLOWER_IMAGE) --target flower . ;; \
	esac

.PHONY: test-docker
test-docker: $(VENV)/.test image ## Run the cluster's tests with its nodes in containers
	@COORDINATOR_CLUSTER=containers exec $(BIN)/python -m pytest tests/acceptance/cluster $(ARGS)

## Working on it

.PHONY: test
test: $(VENV)/.test ## Run the tests, with the real servers (installed where that is allowed)
	@tests/install-servers
	@exec $(BIN)/python -m pytest --numprocesses $(or $(PROCESSES),2) $(ARGS)

.PHONY: schedules
schedules: $(VENV)/.test ## Explore schedules of the protocol (ARGS="--broken" breaks each rule)
	@exec $(BIN)/python -m tests.schedules $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.test ## Try 100,000 hostile inputs (FUZZ_INPUTS=N)
	@tests/install-servers
	@FUZZ_INPUTS=$(or $(FUZZ_INPUTS),100000) exec $(BIN)/python -m pytest -q tests/fuzz $(ARGS)

.PHONY: wheel
wheel: $(VENV)/.tools ## Build the wheel that other services install, in dist/
	@$(BIN)/python -m hatchling build --target wheel --directory dist $(ARGS)

.PHONY: matrix
matrix: $(VENV)/.matrix ## Test every Python that is here with every Django (ARGS="--session ...")
	@tests/install-servers
	@exec $(BIN)/nox $(ARGS)

.PHONY: audit
audit: $(VENV)/.quality ## Ask the advisory database about what is installed (needs the network)
	@exec $(BIN)/pip-audit --require-hashes --disable-pip -r requirements/base.txt $(ARGS)

.PHONY: bench
bench: $(VENV)/.bench ## Measure it beside its peers (ARGS="--quick", ARGS="--group reads")
	@exec $(BIN)/python -m bench $(ARGS)

.PHONY: chaos
chaos: $(VENV)/.development ## Break the running system on purpose, under traffic, and judge it
	@exec $(BIN)/python -m tools.chaos $(ARGS)

.PHONY: quality
quality: $(VENV)/.quality $(VENV)/.docs ## Look for mistakes: ruff, mypy, import contracts, bandit, workflows
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/zizmor --offline --quiet .github
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml coordinator workers

.PHONY: docs
docs: $(VENV)/.docs ## Build the documentation site in var/docs; every warning is an error
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs var/docs $(ARGS)
	@echo 'Built: var/docs/index.html'

.PHONY: format
format: $(VENV)/.quality ## Put every file into ruff's format
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# The order matters: each file keeps to what the ones before it have pinned.
LOCKED := tools matrix base development image simulator flower test quality bench docs
# `make lock UPGRADE=1` looks for newer versions; without it, what still fits stays.
.PHONY: lock
lock: $(VENV)/.tools ## Compile requirements/*.in to pinned, hashed files (UPGRADE=1 for newer)
	@for name in $(LOCKED); do \
		$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
			--generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-package coordinator \
			--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) \
			requirements/$$name.in --output-file requirements/$$name.txt || exit; \
	done

.PHONY: install
install: $(VENV)/.development ## Make the virtual environment without running anything

.PHONY: clean
clean: ## Remove what make, the tools and a run have made
	@rm -rf $(VENV) .hypothesis .import_linter_cache .mypy_cache .nox .pytest_cache .ruff_cache dist var static
	@rm -f *.sqlite3 *.sqlite3-journal *.sqlite3-shm *.sqlite3-wal
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What is installed: each stamp is newer than the file that it was installed from, so a second
# `make run` starts at once.

# A link to an interpreter that is gone counts as missing, and the environment is made anew.
$(BIN)/python:
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo 'Python 3.11 or newer is needed, and $(or $(PYTHON),python3) is none.' >&2; \
		echo 'Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)' >&2; \
		exit 1; \
	fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "$(PYTHON) can't make virtual environments: its ensurepip is missing." >&2; \
		echo "On Debian and Ubuntu: sudo apt-get install python$$version-venv" >&2; \
		exit 1; \
	fi
	@echo 'Making a virtual environment in $(VENV) ...'
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.tools: requirements/tools.txt | $(BIN)/python
	@$(PIP) -r $<
	@touch $@

# uv takes seconds where pip takes a minute. Where it finds no way out (pip's settings, not uv's, may
# name the mirror and its certificate), pip does the same.
$(VENV)/.development $(VENV)/.test $(VENV)/.quality $(VENV)/.bench $(VENV)/.docs $(VENV)/.matrix: $(VENV)/.%: requirements/%.txt $(VENV)/.tools
	@echo 'Installing $< ...'
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $< || $(PIP) -r $<
	@touch $@
