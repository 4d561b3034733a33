# `make run` and `make test` are all one needs; `make help` lists the rest.
PY := .venv/bin/python
CLUSTERS := $(wildcard tests/live/test_cluster_*.py tests/live/test_elastic*.py)
# An older client of Elasticsearch, put before the one that is installed.
CLIENT8 := .venv/elasticsearch8
.DEFAULT_GOAL := help
.PHONY: help run dev kernel test test-all check lint pure live older sim fuzz bench doc clean

help:  ## list what can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST)

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

test-all: test older  ## and older clusters, a longer load, many more random histories and lines
	METRONOME_CLUSTER_SECONDS=300 $(PY) -m pytest tests/live/test_cluster_kills.py
	HYPOTHESIS_PROFILE=nightly $(PY) -m pytest tests/live/test_elastic_answers.py
	$(MAKE) sim SEEDS=2000
	$(MAKE) fuzz INPUTS=10000000 JOBS=2

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

older: export PYTHONPATH = $(CURDIR)/$(CLIENT8)
older: export METRONOME_REQUIRE_LIVE = 1
older: .venv/installed-test $(CLIENT8)/installed  ## Elasticsearch 8.19, OpenSearch 2.19, and clients that fit
	METRONOME_CLUSTERS=older $(PY) -m pytest $(CLUSTERS)
	$(PY) -m pytest tests/live/test_elastic.py -k Elasticsearch

$(CLIENT8)/installed: .venv/installed-test
	$(PY) -m pip install --quiet --upgrade --target $(CLIENT8) 'elasticsearch>=8.19,<9'
	touch $@

sim: .venv/installed-test  ## the seeded simulation: make sim SEEDS=1000
	$(PY) -m tests.sim --seeds 0 $(or $(SEEDS),200)

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
