# `make run` and `make test` are all one needs; `make help` lists the rest.
PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help run dev kernel test check lint pure live sim fuzz bench doc clean

help:  ## list what can be made
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST)

.venv/installed-run: setup.py pyproject.toml scripts/venv
	scripts/venv run

.venv/installed-test: setup.py pyproject.toml scripts/venv
	scripts/venv test

run: .venv/installed-run  ## install into .venv, start, print where the dashboard is
	scripts/run

dev: .venv/installed-test kernel  ## install for development, build the native kernel

kernel: .venv/installed-test  ## build the native kernel where there is a compiler
	$(PY) setup.py --quiet build_ext --inplace

test: .venv/installed-test  ## install all that tests need, then check everything
	scripts/packages
	$(MAKE) kernel check

check: lint  ## lint, types and tests, with what is installed
	$(PY) -m pytest

lint: .venv/installed-test  ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m mypy

pure: .venv/installed-test  ## the tests on the pure twin of the kernel
	METRONOME_PURE=1 $(PY) -m pytest -m "not live"

live: .venv/installed-test  ## only the tests against real servers, clients and browsers
	scripts/packages
	$(PY) -m pytest -m live

sim: .venv/installed-test  ## the seeded simulation: make sim SEEDS=1000
	$(PY) -m tests.sim --seeds $(or $(SEEDS),200)

fuzz: .venv/installed-test kernel  ## the kernel's twins under the sanitizers: make fuzz INPUTS=10000000
	$(PY) -m tests.fuzz --sanitized --inputs $(or $(INPUTS),200000) --jobs $(or $(JOBS),1)

bench: .venv/installed-test kernel  ## the benchmarks, with their figures
	$(PY) -m tests.bench

doc: .venv/installed-test  ## write what the code knows better: tables of the documentation, dashboards
	$(PY) -m tests.doc_tables
	$(PY) -m tests.kibana_files

clean:  ## everything that was built; data under var/ stays
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f metronome/kernel/_fast.c metronome/kernel/*.so twisted/plugins/dropin.cache
	rm -rf .venv
