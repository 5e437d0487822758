# Everything one does with a checkout. Needs Python >= 3.11, make and npm; installs only below this folder.
# Each step leaves a file that make compares by date, so a second run costs nothing.

.DELETE_ON_ERROR:
.PHONY: help setup openedx demo test lint bench soak wheel lock clean
MAKEFLAGS += --jobs=2

ARGS ?=
LEARNERS ?= 10000
bin := .venv/bin
htmx := app/web/static/vendor/htmx.min.js
catalogues := $(patsubst %.po,%.mo,$(shell find app -path 'app/translations/*' -name '*.po'))

help: ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile

setup: $(bin)/.project $(htmx) node_modules/.package-lock.json $(catalogues) ## install into .venv, with the command tassel

openedx: .make/openedx/.ready ## install the Open edX LTI platform, a counter-party of the tests, apart from everything else

demo: setup ## start a whole campus on this machine: an LMS, a SIS and Tassel
	$(bin)/tassel demo $(ARGS)

test: setup ## run all tests that can run here; ARGS="-k name" chooses among them
	$(bin)/pytest -ra -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup ## style, format, types and import contracts
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

bench: setup ## measure speed against peers, as ratios in one run
	@set -e; for file in tests/bench/bench_*.py; do \
	  echo "$$file"; $(bin)/python -m tests.bench."$$(basename "$$file" .py)" $(ARGS); \
	done

soak: setup ## the whole trip at a big size, with times and memory: LEARNERS=10000
	$(bin)/python -m tests.bench.soak_story --learners $(LEARNERS) $(ARGS)
	$(bin)/python -m tests.bench.soak_signing --learners $(LEARNERS)
	$(bin)/python -m tests.bench.soak_grades
	$(bin)/python -m tests.bench.soak_moodle_grades

wheel: setup ## build dist/tassel-*.whl, with the browser libraries and translations inside
	$(bin)/hatchling build -t wheel

# The Python is PYTHON if given, else the first of these that is new enough.
$(bin)/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Using $$("$$python" --version)"; exec "$$python" -m venv .venv; \
	  fi; \
	done; \
	echo 'Tassel needs Python 3.11 or newer and found none. Install one, or say where it is:' >&2; \
	echo '  make setup PYTHON=/path/to/python3' >&2; exit 1

$(bin)/.requirements: requirements-dev.lock | $(bin)/python
	$(bin)/pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

$(bin)/.project: pyproject.toml $(bin)/.requirements
	$(bin)/pip install -qq --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

$(htmx): node_modules/.package-lock.json
	mkdir -p $(@D)
	cp node_modules/htmx.org/dist/$(@F) $@

%.mo: %.po $(bin)/.requirements
	$(bin)/pybabel --quiet compile -i $< -o $@

# Made anew from pyproject.toml and package.json, with hashes and without a registry's address, so that any mirror serves.
compile = .make/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-header
lock: .make/uv/bin/uv ## make the lock files again; ARGS=--upgrade takes new releases
	$(compile) $(ARGS) --group dev pyproject.toml -o requirements-dev.lock
	$(compile) -c requirements-dev.lock pyproject.toml -o requirements.lock
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(compile) --no-annotate -c requirements-dev.lock - -o requirements-build.lock
	$(compile) $(ARGS) tests/interop/openedx/requirements.in -o tests/interop/openedx/requirements.lock
	npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

.make/openedx/.ready: tests/interop/openedx/requirements.lock | $(bin)/python
	rm -rf $(@D)
	$(bin)/python -m venv $(@D)
	$(@D)/bin/pip install -qq --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

.make/uv/bin/uv: | $(bin)/python
	$(bin)/python -m venv .make/uv
	.make/uv/bin/pip install -qq --disable-pip-version-check uv

clean: ## remove what was installed and built; never data/
	rm -rf .venv node_modules .make build dist app/web/static/vendor
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find app -name '*.mo' -delete
