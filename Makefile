# Each target sets up what it needs; `make help` lists them.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
INSTALLED := $(VENV)/.installed
KERAS := .venv-keras
AIRFLOW := .venv-airflow
OLDEST := .venv-oldest
AUDIT := .venv-audit
PACKAGE := dist/tonality.pex

# spark-submit takes python3 from PATH for the driver, and its workers take PYSPARK_PYTHON.
export PATH := $(BIN):$(PATH)
export PYSPARK_PYTHON := $(BIN)/python
export PYSPARK_DRIVER_PYTHON := $(BIN)/python

.PHONY: help setup java chromium data run package test test-fast test-oldest kill-test fuzz test-browser picture \
	test-cluster test-airflow audit lint format bench bench-scoring bench-keras clean always

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(INSTALLED) java ## create .venv and check Java; repeated only when the pins change

$(INSTALLED): pyproject.toml conf/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tonality needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=/path/to/python3.11." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "$(PYTHON) cannot make a virtual environment. Debian and Ubuntu: install python3-venv." >&2; exit 1; }
	PIP_CONSTRAINT=$(CURDIR)/conf/constraints.txt $(BIN)/python -m pip install --quiet --editable '.[test]'
	@# Without dependencies: its metadata requires setuptools<70, which it never imports and which torch refuses.
	PIP_CONSTRAINT=$(CURDIR)/conf/constraints.txt $(BIN)/python -m pip install --quiet --no-deps petastorm
	@touch $@

java:
	@java="$${JAVA_HOME:+$$JAVA_HOME/bin/}java"; \
	major() { "$$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p'; }; \
	if ! command -v "$$java" >/dev/null && [ -z "$$JAVA_HOME" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing Java (default-jre-headless)"; \
		apt-get -qq update && apt-get -qq install -y default-jre-headless >/dev/null; \
	fi; \
	if ! command -v "$$java" >/dev/null; then \
		echo "Spark needs Java 17 or 21, and $$java does not exist. Install one (Debian and Ubuntu: apt-get install default-jre-headless) or set JAVA_HOME." >&2; exit 1; \
	fi; \
	if [ "$$(major)" != 17 ] && [ "$$(major)" != 21 ]; then \
		echo "Spark needs Java 17 or 21; $$java is version $$(major). Set JAVA_HOME to another." >&2; exit 1; \
	fi

$(VENV)/.browser: $(INSTALLED)
	PIP_CONSTRAINT=$(CURDIR)/conf/constraints.txt $(BIN)/python -m pip install --quiet --editable '.[browser]'
	@touch $@

chromium:
	@if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then \
		if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
			echo "The browser tests need Chromium or Google Chrome on PATH. Debian: apt-get install chromium." >&2; exit 1; \
		fi; \
		echo "installing Chromium"; \
		apt-get -qq update && apt-get -qq install -y chromium >/dev/null; \
	fi

run: setup ## make a sample, run the whole pipeline on it and print the report's path
	$(BIN)/tonality sample --config conf/sample.toml
	$(BIN)/tonality pipeline --config conf/sample.toml

$(VENV)/.package: $(INSTALLED)
	PIP_CONSTRAINT=$(CURDIR)/conf/constraints.txt $(BIN)/python -m pip install --quiet --editable '.[package]'
	@touch $@

build/with: always
	@mkdir -p $(@D) && echo '$(WITH)' | cmp --silent - $@ || echo '$(WITH)' >$@

# The tested environment without what comes with the nodes' Spark. Spark passes its own Python code by PYTHONPATH, which
# a hermetic environment would not read. Any setuptools will do: petastorm's metadata requires one that torch refuses.
$(PACKAGE): $(VENV)/.package build/with $(shell find lib conf -type f ! -name '*.pyc')
	@rm -rf build/wheel
	@$(if $(WITH),PIP_CONSTRAINT=$(CURDIR)/conf/constraints.txt $(BIN)/python -m pip install --quiet $(WITH))
	PIP_CONSTRAINT=$(CURDIR)/conf/constraints.txt $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(BIN)/pex --venv-repository $(VENV) --project build/wheel/*.whl petastorm $(WITH) --override setuptools \
		--exclude pyspark --exclude py4j --venv --non-hermetic-venv-scripts --output-file $@

package: setup $(PACKAGE) ## build what a cluster's nodes need in dist/; WITH="s3fs" adds packages
	@rm -rf dist/jobs dist/conf
	@cp -R jobs conf dist && rm -rf dist/jobs/__pycache__ dist/jobs/dags/__pycache__ dist/conf/*.txt
	@du -sh dist

# Whole files are spread over up to four processes, each with a Spark session of its own.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# The classes that Spark loads, which the tests' many Java processes take from here in half the time.
build/spark.jsa: $(INSTALLED) tests/archive_java_classes.py
	@mkdir -p $(@D) && rm -f $@
	@echo "archiving Spark's classes"
	@SPARK_SUBMIT_OPTS="-XX:ArchiveClassesAtExit=$@ -Xlog:disable" \
		$(BIN)/spark-submit tests/archive_java_classes.py 2>build/spark.jsa.log || { cat build/spark.jsa.log >&2; exit 1; }

test: setup lint build/spark.jsa ## lint, then run all tests except browser, cluster and Airflow
	$(BIN)/python -m pytest $(PARALLEL)

test-fast: $(INSTALLED) ## run the tests that need neither Java nor more than a few seconds each
	JAVA_HOME=/nonexistent $(BIN)/python -m pytest $(PARALLEL) -m 'not spark and not slow and not airflow and not browser and not cluster'

$(OLDEST)/.installed: pyproject.toml conf/oldest.txt
	@$(PYTHON) -m venv $(OLDEST)
	PIP_CONSTRAINT=$(CURDIR)/conf/oldest.txt $(OLDEST)/bin/python -m pip install --quiet --editable . pytest hypothesis
	PIP_CONSTRAINT=$(CURDIR)/conf/oldest.txt $(OLDEST)/bin/python -m pip install --quiet --no-deps petastorm
	@touch $@

# Tests of version-dependent code: Spark, Arrow, Petastorm, settings, containers, pages. All stages run first.
# Old libraries may warn of changes that have come since; in the pinned ones any warning is an error.
OLDEST_TESTS := $(addprefix tests/,runtime/storage/test_tables.py runtime/storage/test_transaction.py runtime/settings/test_load.py \
	model/inference/test_spark_udf.py model/loading/test_petastorm_compat.py model/loading/test_data_loader.py \
	ingest/formats/test_parquet_rows.py survey/test_page.py text)
OLDEST_RUN := --config conf/sample.toml --set sample.tweets=3000 --set sample.labelled=4000 --set spark.memory=1g \
	$(foreach key,archive corpus,--set paths.$(key)=build/oldest/sample/$(key)) --set paths.root=build/oldest

test-oldest: export PATH := $(CURDIR)/$(OLDEST)/bin:$(PATH)
test-oldest: export PYSPARK_PYTHON := $(CURDIR)/$(OLDEST)/bin/python
test-oldest: export PYSPARK_DRIVER_PYTHON := $(PYSPARK_PYTHON)
test-oldest: java $(OLDEST)/.installed ## run all stages and some tests with the oldest supported versions
	@rm -rf build/oldest
	$(OLDEST)/bin/tonality sample $(OLDEST_RUN)
	$(OLDEST)/bin/tonality pipeline $(OLDEST_RUN)
	$(OLDEST)/bin/python -m pytest -W default -W ignore::ResourceWarning $(OLDEST_TESTS)

kill-test: setup build/spark.jsa ## kill twenty runs at random moments and recover from each
	TONALITY_KILLS=20 $(BIN)/python -m pytest -s tests/jobs/test_kill.py

fuzz: setup ## read thousands of damaged archives; TONALITY_FUZZ_START=n starts at another seed
	TONALITY_FUZZ=5000 $(BIN)/python -m pytest -s tests/ingest/reading/test_fuzz.py

test-browser: setup $(VENV)/.browser chromium ## open the report, hostile tweets included, in a real Chromium
	TONALITY_BROWSER=1 $(BIN)/python -m pytest -m browser tests/browser

picture: setup $(VENV)/.browser chromium ## draw the README's picture of the report that `make run` has left in out/
	$(BIN)/python tests/browser/picture.py

test-cluster: package build/spark.jsa ## run the scoring job on a local Spark cluster: packaged, with kills, with GPU resources
	$(BIN)/python -m pytest -m cluster tests/cluster

$(AIRFLOW)/.installed: conf/airflow.txt
	@$(PYTHON) -m venv $(AIRFLOW)
	$(AIRFLOW)/bin/python -m pip install --quiet --no-deps --requirement conf/airflow.txt
	@touch $@

test-airflow: setup build/spark.jsa $(AIRFLOW)/.installed ## run the DAGs in a live Airflow 3: train, backfill a week, kill a day
	$(BIN)/python -m pytest -m airflow tests/airflow

$(AUDIT)/.installed:
	@$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet pip-audit==2.10.1
	@touch $@

# CVE-2025-69872: diskcache unpickles the files of its cache. Petastorm imports it for a cache that Tonality never uses.
audit: $(AUDIT)/.installed ## look up every pinned version among known vulnerabilities; needs a network
	$(AUDIT)/bin/pip-audit --requirement conf/constraints.txt --no-deps --disable-pip --strict \
		--ignore-vuln CVE-2025-69872

lint: $(INSTALLED) ## check style, spelling, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## measure rows per second of each step, and of clean against a textbook job and a bare loop
	$(BIN)/python tests/benchmarks/steps.py
	$(BIN)/python tests/benchmarks/clean.py

$(VENV)/.bench: $(INSTALLED)
	PIP_CONSTRAINT=$(CURDIR)/conf/constraints.txt $(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

bench-scoring: setup $(VENV)/.bench ## measure scoring against alternatives and limits, then scaling and memory
	$(BIN)/python tests/benchmarks/scoring.py
	$(BIN)/python tests/benchmarks/scoring.py --growth 1000000
	$(BIN)/python tests/benchmarks/scoring.py --memory

$(KERAS)/.installed: conf/keras.txt
	@$(PYTHON) -m venv $(KERAS)
	$(KERAS)/bin/python -m pip install --quiet --requirement conf/keras.txt
	@touch $@

data:
	@test -n "$(DATA)" || \
		{ echo "make bench-keras DATA=...: a root prepared by \`tonality prepare\`, or a CSV with the columns text and label" >&2; exit 1; }

bench-keras: data setup $(KERAS)/.installed ## measure training against 2016's Keras; DATA=root or table, SEEDS=5
	$(BIN)/python tests/benchmarks/training.py --data "$(DATA)" --keras $(KERAS)/bin/python \
		$(if $(SEEDS),--seeds $(SEEDS)) $(if $(JSON),--json "$(JSON)")

clean: ## remove all virtual environments, build/, dist/ and out/
	rm -rf $(VENV) $(KERAS) $(AIRFLOW) $(OLDEST) $(AUDIT) build dist out
