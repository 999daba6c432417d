# One place for every command. `make help` lists them; CI calls the same ones.
#
# Settings can be given on the command line (`make demo PORT=9000`) or kept in local.mk, which is never committed.
-include local.mk

PYTHON ?= $(shell scripts/find-python)
VENV ?= .venv
PORT ?= 8080
# auto: compile the core when a C compiler exists; 1: fail without one; 0: run it interpreted.
COMPILE ?= auto
# Parallel test processes; tests marked `serial` run alone after the others.
WORKERS ?= 2
# Further arguments for pytest or the benchmark, for example `make test ARGS="-k amend -x"`.
ARGS ?=
# Repeats a run of the tests that chose their own randomness; a failing test prints the seed.
SEED ?=

BIN := $(VENV)/bin
PY := $(BIN)/python
STAMPS := $(VENV)/.stamps
PIP := $(PY) -m pip --disable-pip-version-check --quiet
PIP_COMPILE := $(PY) -m piptools compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header --no-annotate

ifneq ($(SEED),)
export AUGURY_SEED := $(SEED)
endif

.DEFAULT_GOAL := help
# The steps of setup share one environment and pip is not safe to run twice in it.
.NOTPARALLEL:
.PHONY: help setup setup-dev test-programs compile clean-compiled demo serve check check-format check-lint check-types check-imports format test sim fuzz fuzz-api kills soak guarantees audit-dependencies bench lock clean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Building -----------------------------------------------------------------------------------------------------

setup: $(STAMPS)/run $(STAMPS)/install compile  ## Build everything that the exchange needs into .venv.

setup-dev: $(STAMPS)/dev $(STAMPS)/install compile  ## The same, with the tools for checks and tests.

$(PY):
	@test -n "$(PYTHON)" || { echo "Augury needs Python 3.11 or newer; none was found. Set PYTHON=/path/to/python3." >&2; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(STAMPS)/run: requirements/run.txt requirements/build.txt | $(PY)
	@echo "Installing what the exchange needs to run"
	@$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt
	@mkdir -p $(STAMPS) && touch $@

# The lock of dev is a superset of the other two, so one installation serves both stamps.
$(STAMPS)/dev: requirements/dev.txt | $(PY)
	@echo "Installing the tools for checks and tests"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@mkdir -p $(STAMPS) && touch $(STAMPS)/run $@

$(STAMPS)/install: pyproject.toml setup.py requirements/run.in
	@AUGURY_COMPILE=0 $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Always asked, answered in milliseconds: the script compares a digest of the sources with that of the last build.
compile:  ## Compile the core in place when its sources have changed.
	@$(PY) scripts/compile_core.py --mode $(COMPILE)

clean-compiled:  ## Remove the compiled core; the exchange then runs interpreted.
	@$(or $(wildcard $(PY)),$(PYTHON)) scripts/compile_core.py --mode 0

# --- Running ------------------------------------------------------------------------------------------------------

demo: DATA ?= data/demo
demo: setup  ## Run the exchange with a living demo world at http://127.0.0.1:8080.
	@$(BIN)/augury demo --port $(PORT) --data $(DATA)

serve: DATA ?= data/main
serve: setup  ## Run an exchange without a world; DATA and PORT choose where.
	@$(BIN)/augury serve --port $(PORT) --data $(DATA)

# --- Checking -----------------------------------------------------------------------------------------------------

check: check-format check-lint check-types check-imports  ## Format, lint, strict types and import directions.

check-format: $(STAMPS)/dev
	$(BIN)/ruff format --check .

check-lint: $(STAMPS)/dev
	$(BIN)/ruff check .

check-types: $(STAMPS)/dev
	$(BIN)/mypy src/augury $(wildcard tests bench scripts setup.py)

check-imports: $(STAMPS)/dev
	$(PY) -m pytest -q tests/unit/test_imports.py

format: $(STAMPS)/dev  ## Rewrite the sources in the project's format and repair what ruff can repair.
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

# Node.js packages and a Chromium for the tests of other people's clients; what cannot be had is said and left out.
test-programs:
	@scripts/install-test-programs

# The tests of one file stay in one process, so that what a file sets up is set up once.
test: setup-dev test-programs  ## Run every test.
	$(PY) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

sim: SECONDS ?= 60
sim: WORKERS = 1
sim: setup-dev  ## Simulate the exchange with faults: SECONDS=n of fresh seeds, or SEED=n KEEP=... again.
	$(PY) -m augury.testing.simulation --seconds $(SECONDS) --workers $(WORKERS) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep $(KEEP)) $(if $(RECORD),--record) $(ARGS)
	$(if $(RECORD),@$(PY) -m scripts.guarantees)

fuzz-api: TIMES ?= 20
fuzz-api: setup-dev  ## Send the trading API what its document allows and what not; TIMES as much as the tests do.
	AUGURY_API_FUZZ_TIMES=$(TIMES) $(PY) -m pytest -s tests/properties/test_rest_api_fuzz.py $(ARGS)

fuzz: SECONDS ?= 60
fuzz: setup-dev  ## Fuzz everything that reads bytes; SECONDS=n per target, TARGET=name.
	nice -n 10 $(PY) -m tests.fuzzing $(TARGET) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))
	@$(PY) -m scripts.guarantees

kills: KILLS ?= 1000
kills: setup-dev  ## Kill the server KILLS times under load; nothing acknowledged may be lost.
	AUGURY_KILLS=$(KILLS) AUGURY_RECORD=1 $(PY) -m pytest -n 0 tests/simulation/test_kill_server.py $(ARGS)
	@$(PY) -m scripts.guarantees

soak: MINUTES ?= 60
soak: setup-dev  ## Mixed load for an hour (MINUTES=n); fails when anything grows that is not the log's.
	$(PY) -m scripts.soak --minutes $(MINUTES)
	@$(PY) -m scripts.guarantees

bench: setup-dev  ## Measure, print a table and write bench/results/latest.json.
	$(PY) -m bench $(ARGS)

guarantees:  ## Write docs/operate/guarantees.md with the figures of the latest sim, kills, fuzz and soak.
	$(PY) -m scripts.guarantees

audit-dependencies: setup-dev  ## Ask whether anything that the locks pin has a known hole; a notice when nobody can be asked.
	$(PY) -m scripts.audit_dependencies

# --- Housekeeping -------------------------------------------------------------------------------------------------

# Works before any lock exists, so it cannot ask for the environment that a lock describes.
lock: | $(PY)  ## Pin the newest allowed versions of all requirements, with hashes.
	@$(PY) -c "import piptools" 2>/dev/null || $(PIP) install pip-tools
	$(PIP_COMPILE) --upgrade --output-file requirements/run.txt requirements/run.in
	$(PIP_COMPILE) --upgrade --output-file requirements/build.txt requirements/build.in
	$(PIP_COMPILE) --upgrade --output-file requirements/dev.txt requirements/dev.in

clean: clean-compiled  ## Remove everything that was built, except .venv and data.
	@rm -rf build dist .cache .hypothesis .pytest_cache .ruff_cache .mypy_cache src/*.egg-info
