# Two commands for a fresh machine: `make demo` and `make test`. `make check` is what a change must pass.
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3
PACKAGES := journeys explorer expectations ingest analytics reports manual
DATA ?= shop

.PHONY: demo test check setup lint types contracts doctest wheel versions docs audit bench promises sbom long kafka alerts pin clean

demo: $(VENV)/.demo            ## install, run the main job on a simulated shop, print where the report is
	@$(BIN)/journeys demo --data $(DATA)

test: $(VENV)/.test            ## the tests, file by file in parallel; what needs Chromium, Apache Kafka or Java is skipped, with a reason, where absent
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.test           ## all that a change must pass; what is not a test runs two at a time
	@$(MAKE) --jobs=2 lint types contracts doctest docs wheel
	@$(MAKE) test

setup: $(VENV)/.test           ## the environment of a developer

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

contracts: $(VENV)/.test
	$(BIN)/lint-imports

doctest: $(VENV)/.test
	$(BIN)/python -m pytest -q --doctest-modules $(PACKAGES)

wheel: $(VENV)/.test           ## builds the wheel, installs it into an empty environment, runs every docstring's example
	JOURNEYS_TESTS_REQUIRE=wheel $(BIN)/python -m pytest -q tests/architecture/test_wheel.py

versions: $(VENV)/.test        ## a short run with each supported version of Python and polars
	.ci/versions

docs: $(VENV)/.test $(VENV)/.docs/bin/zensical  ## the documentation as a site that needs no network, into build/docs/site; every link is checked
	$(BIN)/python -m manual write build/docs
	$(VENV)/.docs/bin/zensical build --strict --config-file build/docs/zensical.toml
	$(BIN)/python -m manual check build/docs

$(VENV)/.docs/bin/zensical: $(VENV)/bin/python manual/requirements.txt  # a tool environment of its own
	@$(BIN)/python -m venv $(VENV)/.docs
	@$(VENV)/.docs/bin/python -m pip install --quiet --disable-pip-version-check -r manual/requirements.txt
	@touch $@

SITE ?= demo/site
LAKE ?= demo/lake

audit: $(VENV)/.test           ## recomputes every number of a site from the landed events: make audit SITE=demo/site LAKE=demo/lake
	$(BIN)/python -m tests.audit $(SITE) $(LAKE)

bench: $(VENV)/.test           ## speeds against named peers; long, and never part of a check
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

promises: $(VENV)/.test        ## attacks what docs/security.md promises, and prints promise, tried, held
	$(BIN)/python benchmarks/promises.py

sbom: $(VENV)/.demo $(VENV)/.sbom/bin/cyclonedx-py  ## the packages of this environment, as CycloneDX, into build/sbom.json
	@mkdir -p build
	$(VENV)/.sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o build/sbom.json $(BIN)/python

$(VENV)/.sbom/bin/cyclonedx-py: $(VENV)/bin/python  # a tool environment of its own, so that it is not in the list
	@$(BIN)/python -m venv $(VENV)/.sbom
	@$(VENV)/.sbom/bin/python -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7,<8'

long: $(VENV)/.test            ## long searches for rare faults; the tests have a short run of each
	JOURNEYS_EXAMPLES=400 $(BIN)/python -m pytest -q $$(grep -rl JOURNEYS_EXAMPLES tests --include='*.py')
	$(BIN)/python -m tests.ingest.upkeep.overlaps 200
	$(BIN)/python -m tests.ingest.upkeep.steady 20000
	$(BIN)/python -m tests.journeys.shapes.long
	$(BIN)/python -m tests.reports.questions.stories --seeds 20
	$(BIN)/python -m tests.analytics.monitoring.runs.histories 200
	$(BIN)/python benchmarks/mutants.py --changes 20

kafka: .cache/kafka/.ready     ## fetch Apache Kafka for the tests that need it (Java 17 and Maven)

.cache/kafka/.ready: tests/services/pom.xml
	mvn -q -B -f tests/services/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/.cache/kafka
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Journeys needs Python 3.11 or newer; name one with PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV) || (echo "python3 has no venv module: install it (Debian: apt install python3-venv) or run: uv run journeys demo"; exit 1)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	@echo "Compiling the scans, once (about a minute) ..."
	@$(BIN)/python -m analytics
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing into $(VENV) with the test tools (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@echo "Compiling the scans, once (about a minute) ..."
	@$(BIN)/python -m analytics
	@touch $@ $(VENV)/.demo

alerts:                        ## deploy/alerts.yaml as an object of the Prometheus operator: make --silent alerts | kubectl apply -f -
	@printf '%s\n' 'apiVersion: monitoring.coreos.com/v1' 'kind: PrometheusRule' 'metadata:' '  name: journeys' \
	  '  labels: {app.kubernetes.io/name: journeys}' 'spec:'
	@sed 's/^/  /' deploy/alerts.yaml

pin:                           ## write the digests of the images that deploy/ names into it; needs the registries
	@$(PYTHON) deploy/pin.py

clean:                         ## remove what make and the demo made
	rm -rf $(VENV) demo demo-completejourney build
