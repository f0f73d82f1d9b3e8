# Every target sets up what it needs: a virtual environment in .venv, from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := kafka,weaviate,dev
MARKETS := offermatch-data/markets
SOURCES := matcher index_store consumers producers broker demo benchmarks chaos fuzz offermatch tests conftest.py

.PHONY: help setup demo test outage chaos fuzz check lint format weaviate weaviate-server schemas starter constraints clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

setup: $(READY)  ## create .venv with everything

$(READY): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "offermatch needs Python 3.11 or later; $(PYTHON) is `$(PYTHON) --version`. Try: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $(READY)

demo: $(READY)  ## run everything on a Kafka of its own and show it working
	$(BIN)/offermatch demo

test: $(READY) lint  ## run all tests
	$(BIN)/python -m pytest

outage: $(READY)  ## brokers killed, stopped and away for long: minutes, and not yet free of flakes
	$(BIN)/python -m pytest -m outage

chaos: $(READY)  ## kill, freeze and confuse it, then audit: SEED= KILLS= OFFERS= NODES=1|3 MINUTES= IDS= OUT=
	@OMP_NUM_THREADS=1 $(BIN)/python -m chaos $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS)) \
		$(if $(OFFERS),--offers $(OFFERS)) $(if $(NODES),--nodes $(NODES)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(IDS),--ids $(IDS)) $(if $(KINDS),--kinds $(KINDS)) $(if $(OUT),--out "$(OUT)")

fuzz: $(READY)  ## what is thrown at every decoder (SECONDS=60: for all together; docs/fuzzing.md)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS),fuzz]'
	$(BIN)/python -m fuzz.run --seconds $(or $(SECONDS),60)

check: $(READY) lint  ## the quick part: format, lint, types, layering, unit tests
	@# A third of the examples of each property; `make test` tries them all.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "not kafka and not weaviate and not slow" \
		--hypothesis-profile=quick

lint: $(READY)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(READY)  ## put the code into shape
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

weaviate: $(READY) weaviate-server  ## run a Weaviate until interrupted (NODES=3: a cluster)
	$(BIN)/python -m broker.weaviate --nodes $(or $(NODES),1)

weaviate-server: $(READY)  ## build Weaviate's server with Go, unless it is there: minutes, once
	$(BIN)/python -m broker.weaviate --build

schemas: $(READY)  ## write docs/schemas and docs/settings.md anew
	$(BIN)/python -m matcher.events.schema
	$(BIN)/python -m matcher.settings_page

starter: $(READY)  ## learn bundles/starter anew: make starter WDC=FOLDER (docs/starter-bundle.md; long on two cores)
	@test -f "$(WDC)/offers.csv" || { echo "expected WDC=FOLDER, a folder with WDC Products as offers.csv: docs/starter-bundle.md"; exit 1; }
	$(BIN)/offermatch simulate --out $(MARKETS)/101 --seed 101 --offers 4500 --sellers 60
	$(BIN)/offermatch simulate --out $(MARKETS)/102 --seed 102 --offers 12000 --sellers 100 --per-style 4
	$(BIN)/offermatch train $(MARKETS)/101 "$(WDC)" --calibrate $(MARKETS)/102 \
		--text-weight 0.2 --match-rate 0.5 --target 0.8 --reviews 200 --out bundles/starter

constraints: $(READY)  ## pin what is installed now
	$(BIN)/python -m pip freeze --exclude-editable --exclude offermatch > constraints.txt

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info build
