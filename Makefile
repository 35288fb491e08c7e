# `make demo` and `make test` are all the set-up there is: Python 3.10+, pip and make will do.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
SUPPLY := $(VENV)/supply
LOWEST := $(VENV)/lowest
LOWEST_PYTHON ?= 3.10
ROOMS := $(addprefix tests/,core nets data batches families metrics engines training evaluation deploy pages cli)
SCHEMA_TEST := tests/data/test_store.py::test_the_compiled_descriptor_is_that_of_the_schema # by grpcio-tools
WITH_TORCH := data/test_build_on_ray.py data/test_one_build.py metrics/test_contract.py
LOCKS := requirements/run.txt requirements/dev.txt requirements/torch.txt
DEMO ?= demo
HOURS ?= 2

.PHONY: demo demo-long test tests hard native prove-all figures lint format types docs site proto clean audit lock lowest lowest-data

# What the README shows, word for word; most of the time is the training.
STEPS = ssd-data sample sample --layout voc --train 5000 --test 300 --size 200; \
	ssd-data build sample/voc -o SHAPES --link .; \
	ssd-data check SHAPES; \
	ssd-data inspect test_lmdb --draw pictures --limit 20; \
	ssd-data train --build SHAPES --family tiny_ssd --recipe demo.toml --max-iter 2000; \
	ssd-data merge-bn tiny_ssd/deploy.prototxt tiny_ssd/tiny_ssd_iter_2000.caffemodel -o merged; \
	ssd-data parity merged/deploy.prototxt merged/tiny_ssd_iter_2000.caffemodel sample/voc/JPEGImages/test0000* --family tiny_ssd; \
	ssd-data eval test_lmdb --deploy merged/deploy.prototxt --weights merged/tiny_ssd_iter_2000.caffemodel --family tiny_ssd --out scores --draw-worst 6; \
	ssd-data detect merged/deploy.prototxt merged/tiny_ssd_iter_2000.caffemodel sample/voc/JPEGImages/test00000* --family tiny_ssd --labelmap labelmap.prototxt --draw found; \
	ssd-data report tiny_ssd -o run.html
WITHOUT_RECIPE = $(subst --recipe demo.toml --max-iter 2000,,$(subst iter_2000,iter_6000,$(STEPS)))
SHOW_DEMO = @echo "open $(abspath $(DEMO))/run.html; look at $(DEMO)/found, $(DEMO)/scores and $(DEMO)/pictures"

demo: $(VENV)/.run  ## draw a data set, build its LMDBs, train a net, score it, merge it, detect: two minutes
	rm -rf $(DEMO)
	mkdir -p $(DEMO)
	cp docs/demo.toml $(DEMO)
	@echo "About two minutes on two cores; most of it is the training, which shows how long is left."
	cd $(DEMO) && export PATH="$(abspath $(BIN)):$$PATH" && set -ex; $(STEPS)
	$(SHOW_DEMO)

demo-long: $(VENV)/.run  ## the same, trained as its solver says, without a recipe: five to nine minutes
	rm -rf $(DEMO)
	mkdir -p $(DEMO)
	cd $(DEMO) && export PATH="$(abspath $(BIN)):$$PATH" && set -ex; $(WITHOUT_RECIPE)
	$(SHOW_DEMO)

test: $(VENV)/.dev lint types tests  ## everything that CI checks

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

tests: $(VENV)/.dev
	$(BIN)/pytest

hard: $(VENV)/.dev  ## kills, faults and odd inputs for HOURS on two cores; writes docs/reliability.md
	OMP_NUM_THREADS=1 PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(BIN)/python -m hard --hours $(HOURS)

audit: $(SUPPLY)/.ready  ## known advisories on the locked versions; says what could not be asked
	$(SUPPLY)/bin/python requirements/audit.py $(ASK)

lock: $(SUPPLY)/.ready  ## versions and hashes from setup.cfg; UPGRADE=--upgrade takes the newest
	PATH="$(abspath $(SUPPLY)/bin):$$PATH" $(SUPPLY)/bin/python requirements/lock.py $(UPGRADE)

# torch's lowest version comes with all of CUDA, 3 GB. -W: what is newest around them may call them old.
lowest: $(SUPPLY)/.ready  ## the tests, less the slow ones, with the lowest versions that setup.cfg allows
	$(SUPPLY)/bin/uv venv --quiet --clear --python $(LOWEST_PYTHON) $(LOWEST)
	$(SUPPLY)/bin/uv pip compile --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
		--extra all --output-file $(LOWEST)/lowest.txt setup.cfg
	$(SUPPLY)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --requirement $(LOWEST)/lowest.txt \
		pytest pytest-xdist hypothesis 'scipy==1.11.*'
	$(SUPPLY)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps --editable .
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -p no:cacheprovider -m 'not slow' \
		-W ignore::DeprecationWarning --deselect $(SCHEMA_TEST) $(ROOMS)

# The half without PyTorch, on the Python at hand: CI runs it.
lowest-data: $(SUPPLY)/.ready  ## the tests of data sets, LMDBs and scores with the lowest versions
	$(SUPPLY)/bin/uv venv --quiet --clear --python $(SUPPLY)/bin/python $(LOWEST)
	$(SUPPLY)/bin/uv pip compile --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
		--extra score --extra report --extra view --extra download --extra hf \
		--output-file $(LOWEST)/lowest.txt setup.cfg
	$(SUPPLY)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --requirement $(LOWEST)/lowest.txt \
		pytest pytest-xdist hypothesis 'scipy==1.11.*'
	$(SUPPLY)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps --editable .
	$(LOWEST)/bin/python -m pytest -p no:cacheprovider -m 'not slow' -W ignore::DeprecationWarning \
		--deselect $(SCHEMA_TEST) $(addprefix --ignore=tests/,$(WITH_TORCH)) tests/core tests/data tests/metrics

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

native: $(VENV)/ncnn/.ready  ## ncnn from its source, half a minute, for the tests of examples in C++

$(VENV)/ncnn/.ready: requirements/native.py requirements/dev.txt | $(VENV)/.dev
	$(BIN)/python requirements/native.py $(VENV)/ncnn
	mkdir -p $(@D)
	touch $@

prove-all: $(VENV)/.dev  ## each net for each target, by the real runtimes; writes the table of docs/deploy.md
	$(BIN)/python docs/make_deploy_table.py $(DATA) --demo $(DEMO) $(if $(ONLY),--only $(ONLY)) $(if $(TIMES),--times)

figures: $(VENV)/.dev  ## what docs/from-one-machine-to-many.md tells, measured; ONLY="ray shards" some of it
	$(BIN)/python docs/make_many_machines.py $(ONLY)

docs: $(VENV)/.dev  ## the page of all commands, from their --help
	$(BIN)/python docs/make_commands.py

SITE ?= build/site
.PHONY: site
site: $(VENV)/.docs  ## the documentation site, from docs/; read without a network
	$(BIN)/python docs/make_site.py $(SITE)

proto: $(VENV)/.dev  ## after a change of caffe.proto
	$(BIN)/python -m grpc_tools.protoc -I ssd_data/proto \
		--descriptor_set_out=ssd_data/proto/caffe.desc --pyi_out=ssd_data/proto \
		ssd_data/proto/caffe.proto

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		$(PYTHON) -m pip install --user virtualenv && $(PYTHON) -m virtualenv $(VENV); }

# Each package as requirements/ has its hash; torch by its version, since each of its builds has a hash of
# its own; then this one, with nothing further to fetch.
$(VENV)/.run: setup.cfg $(LOCKS) | $(VENV)/bin/python
	$(PIP) --require-hashes --requirement requirements/run.txt
	$(PIP) --requirement requirements/torch.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: setup.cfg $(LOCKS) | $(VENV)/bin/python
	$(PIP) --require-hashes --requirement requirements/dev.txt
	$(PIP) --requirement requirements/torch.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@ $(VENV)/.run

$(VENV)/.docs: requirements/docs.txt | $(VENV)/.dev
	$(PIP) --require-hashes --requirement requirements/docs.txt
	touch $@

$(SUPPLY)/.ready: requirements/supply.txt
	$(PYTHON) -m venv --clear $(SUPPLY)
	$(SUPPLY)/bin/python -m pip install --quiet --require-hashes --requirement requirements/supply.txt
	touch $@
