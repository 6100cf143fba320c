# make mnist      train the main job      make lint       style, types
# make test       prove everything        make benchmark  speed, as ratios
# make notebooks  run them                make docs       the site, in site/
# make wheel      test what is installed  make licences   list those of all dependencies
# make advisories FOLDER=…  known vulnerabilities of them, from a checkout of pypa/advisory-database
# Options:        make mnist ARGS="--help"

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOG    := $(VENV)/setup.log

.PHONY: mnist test lint format notebooks docs benchmark wheel licences advisories clean

mnist: $(VENV)/.experiments
	@$(BIN)/python -m experiments.mnist $(ARGS)

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/basedpyright

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix && $(BIN)/ruff format

notebooks: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/test_notebooks.py $(ARGS)

docs: $(VENV)/.docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build && echo "Built site/index.html"

benchmark: $(VENV)/.benchmark
	@$(BIN)/python -m experiments.benchmark $(ARGS)

wheel:
	@PYTHON=$(PYTHON) .ci/wheel lowest && PYTHON=$(PYTHON) .ci/wheel pinned

licences: $(VENV)/.dev
	@$(BIN)/python .ci/licences.py

advisories: $(VENV)/.dev
	@$(BIN)/python .ci/advisories.py $(FOLDER)

clean:
	rm -rf $(VENV) runs dist site .pytest_cache .ruff_cache .hypothesis

# dev holds all that experiments does
SUPERSET_dev := $(VENV)/.experiments

# One environment; each stamp says that the extra of its name is installed as constraints.txt has it.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "jaxreg needs Python 3.11 or newer; found $$($(PYTHON) --version 2>&1)." \
	       "Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "$(PYTHON) cannot make an environment; on Debian and Ubuntu: apt install python3-venv"; \
	  rm -rf $(VENV); exit 1; }

$(VENV)/.%: $(VENV)/bin/python pyproject.toml constraints.txt
	@printf 'Setting up %s for jaxreg[%s] (once) … ' $(VENV) $*; start=$$(date +%s); \
	if $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt \
	    -e '.[$*]' >$(LOG) 2>&1; \
	then touch $@ $(SUPERSET_$*); echo "done in $$(($$(date +%s) - start)) s"; \
	else echo failed; tail -n 15 $(LOG); echo "The whole output is in $(LOG)"; exit 1; fi
