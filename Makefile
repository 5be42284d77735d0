# Two commands for a newcomer: `make run` and `make test`. Both do their whole set-up.

.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
FUZZ_RUNS ?= 20000
# Where every branch must be tested: what is counted, and what is decoded.
EXACT := rules/*,drivers/planner.py,drivers/payload*.py,drivers/mqtt_frames.py,drivers/sparkplug*.py,drivers/registers.py

# A checkout that was moved leaves a venv that no longer starts: make it anew.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): FORCE
endif

.PHONY: help run test check check-code check-types check-floors check-tests scenarios example lock format bench soak \
	oracle crash clean servers FORCE

help:
	@printf '%s\n' \
	  '' \
	  '  make run       the demo: a simulated building, the daemon and the page (Ctrl-C ends all)' \
	  '  make test      every test, against real servers (installed from Debian when that is allowed)' \
	  '' \
	  '  make check     format, lint, types, import floors, unit and property tests: about a minute' \
	  '  make example   Taipei City Hall: build the store from its ledgers, print the summary' \
	  '  make scenarios the twenty-five troubles of docs/durability.md, number and result' \
	  '  make bench     measurements beside peers, part after part (QUICK=1 only runs them through)' \
	  '  make oracle    what other programs of the field find, as expected files of the tests' \
	  '  make fuzz      every decoder against bytes that nobody meant (FUZZ_RUNS=20000 each)' \
	  '  make crash     200 random schedules of faults against the store and real servers; ARGS="--seed 7" again' \
	  '  make soak      ten minutes, a thousand meters at 1 Hz, a tenth of them misbehaving' \
	  '  make format    put the code in order' \
	  '  make lock      requirements.lock from pyproject.toml' \
	  '  make clean     remove what these commands made (never a store of yours)' \
	  '' \
	  '  ARGS="..." is handed on, as in  make run ARGS="--port 9000"  or  make test ARGS="-k modbus"' \
	  ''

$(STAMP): pyproject.toml requirements.lock tools/venv.sh
	@sh tools/venv.sh $(VENV) requirements.lock
	@printf '%s\n' '$(CURDIR)' > $@

run: $(STAMP)
	@$(BIN)/energy-monitor demo $(ARGS)

servers:
	@sh tools/servers.sh

test: $(STAMP) servers
	@$(BIN)/coverage erase
	$(BIN)/pytest -n auto --maxprocesses=4 --dist worksteal --cov --cov-report=term $(ARGS)
	@test -n "$(ARGS)" || $(BIN)/coverage report --fail-under=100 --include='$(EXACT)' > /dev/null || \
	  { $(BIN)/coverage report -m --include='$(EXACT)'; printf '%s\n' 'The arithmetic and the decoder want every branch tested.'; exit 1; }

scenarios: $(STAMP) servers
	$(BIN)/pytest -q -n auto --maxprocesses=4 -m scenario $(ARGS)

# The types are checked beside the tests: two cores, half the time.
check: $(STAMP)
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target \
	  check-code check-types check-floors check-tests

check-code:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

check-types:
	$(BIN)/mypy

check-floors:
	$(BIN)/lint-imports

check-tests:
	QUICK=1 $(BIN)/pytest -q -n auto --dist worksteal tests/unit tests/property $(ARGS)

example: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/taipei-city-hall/build.sh $(ARGS)

format: $(STAMP)
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format .

# For every supported Python and system; a package index is never named in it.
lock: $(STAMP)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(ARGS) \
	  pyproject.toml --output-file requirements.lock
	@printf '%s\n' 'requirements.lock is made; the next command installs it.'

bench: $(STAMP) servers
	@$(BIN)/python benchmarks/chain.py $(ARGS)

soak: $(STAMP) servers
	@$(BIN)/python benchmarks/soak.py $(ARGS)

# Kills, torn logs, full disks, clocks that are set, networks and servers that fail: nothing lost, nothing twice.
crash: $(STAMP) servers
	@$(BIN)/python -m tests.crash $(ARGS)

# eemeter and camber-toolkit, each in an environment of its own; the tests read the small files that this makes.
oracle: $(STAMP)
	@sh benchmarks/oracle/make.sh

# A bounded run of each: what crashes, hangs or eats memory is kept in .fuzz/ and ends the run.
fuzz: $(STAMP)
	@$(BIN)/python -c 'import atheris' 2> /dev/null || $(BIN)/uv pip install --quiet --python $(BIN)/python \
	  --group fuzz || { printf '%s\n' 'atheris could not be installed: it needs Linux and Python 3.11 to 3.13, or clang.'; exit 1; }
	@mkdir -p .fuzz
	@for target in tests/fuzz/fuzz_*.py; do \
	  printf '%s: ' "$$target"; \
	  PYTHONPATH=. $(BIN)/python "$$target" -atheris_runs=$(FUZZ_RUNS) -max_len=1024 -len_control=0 -timeout=20 \
	    -rss_limit_mb=1024 -artifact_prefix=.fuzz/ $(ARGS) > .fuzz/log 2>&1 || { tail -n 60 .fuzz/log; exit 1; }; \
	  tail -n 1 .fuzz/log; \
	done

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	  .import_linter_cache .fuzz .venv-peers .venv-oracle-* facility_energy_monitor.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
