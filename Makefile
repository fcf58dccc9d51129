# make demo [PICTURES=folder]   look at it, on painted postcards or on your own pictures
# make test                     every check there is; what CI runs
# make check [COMMITS=3]        while working: the checks, and the tests that what is not committed touches, or the last commits
# make suite, make touched      the tests of the one and of the other alone
# make types, make floors       the types, and who imports whom, alone
# make soak [MINUTES=30]        what takes longer than a suite should: a server under load, many operations, requests, kills, flips and thieves
# make mutants PACKAGE=src/diptych/metrics [N=100] [SEED=7]     would its tests notice random faults? Prints which they miss
# make audit                    what it is built on: build/sbom.json (CycloneDX), and whether a hole is known in any of it
# make bench                    speed against peers, which it installs; docs/reference/speed.md tells the figures
# make reproduce                run every row of reproductions/ and render docs/reproductions.md
# make reproduce CHECK=3 [MOST=20]     run three of its rows, drawn by the date, that took at most so many seconds
# make mini                     train the bundled encoder anew; recipes/mini/README.md tells how
# make docs                     render the generated parts of the documentation
# make clean                    remove .venv and caches

PYTHON ?= python3
PICTURES ?=
COMMITS ?= 0
MINUTES ?= 30
N ?= 100
SEED ?= 0
CHECK ?=
MOST ?= inf
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test check floors types suite touched soak mutants audit bench reproduce mini docs clean

demo: .venv/.demo
	$(BIN)/python -m diptych.app.demo $(if $(PICTURES),"$(PICTURES)")

test: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) -k -j 3 floors types suite

check: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) -k -j 3 floors types touched

floors: .venv/.test
	$(BIN)/lint-imports

types: .venv/.test
	$(BIN)/mypy

suite: .venv/.test
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup

touched: .venv/.test
	OMP_NUM_THREADS=1 $(BIN)/python tests/tools/check.py $(COMMITS)

soak: .venv/.test
	DIPTYCH_SOAK=$(MINUTES) DIPTYCH_OPERATIONS=20000 DIPTYCH_STEPS=2000 DIPTYCH_CASES=2000 DIPTYCH_KILLS=50 DIPTYCH_FLIPS=1000 \
		DIPTYCH_SEEDS=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --timeout=7200 \
		tests/app/server/test_soak.py tests/app/server/test_tenants.py tests/app/server/test_description.py \
		tests/app/server/access/test_detector.py \
		tests/collection/test_model.py tests/collection/test_words_follow.py tests/collection/test_crash.py \
		tests/collection/test_damage.py tests/parts/test_fitted.py

mutants: .venv/.test
	$(BIN)/python tests/tools/mutants.py $(PACKAGE) -n $(N) --seed $(SEED)

audit: .venv/.test
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip --disable-pip-version-check -q install 'pip-audit>=2.7' 'cyclonedx-bom>=5'
	build/audit/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --mc-type library \
		-o build/sbom.json $(BIN)/python
	build/audit/bin/pip-audit -r constraints.txt --no-deps --disable-pip

bench: .venv/.bench
	for file in bench/*.py; do $(BIN)/python $$file || exit 1; done

reproduce: .venv/.test
	$(BIN)/python docs/reproduce.py $(if $(CHECK),--check $(CHECK) --most $(MOST))

mini: .venv/.test
	$(BIN)/python recipes/mini/pack.py
	$(BIN)/python recipes/mini/train.py

docs: .venv/.test
	$(BIN)/python docs/generate.py

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# What is installed is remembered by a stamp, and installed anew when pyproject.toml or constraints.txt changes.
.venv/.demo: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) install -c constraints.txt -e '.[sift,serve]'
	touch $@

.venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) install -c constraints.txt -e '.[test]'
	touch $@ .venv/.demo

.venv/.bench: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) install -c constraints.txt -e '.[sift,bench]'
	touch $@ .venv/.demo

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "diptych needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
