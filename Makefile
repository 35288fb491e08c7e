# `make demo` and `make test` are all the set-up there is: Python 3.10+, pip and make will do.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
DEMO ?= demo

.PHONY: demo test check tests lint format types proto clean

demo: $(VENV)/.run  ## draw a sample data set, build its LMDBs, look at them, make and run a net for them
	rm -rf $(DEMO)
	$(BIN)/ssd-data sample $(DEMO)/sample
	$(BIN)/ssd-data build $(DEMO)/sample/voc -o $(DEMO)/SHAPES --link $(DEMO)
	$(BIN)/ssd-data check $(DEMO)/SHAPES
	$(BIN)/ssd-data inspect $(DEMO)/test_lmdb --draw $(DEMO)/pictures --limit 20
	$(BIN)/ssd-data model mobilenet_ssd --build $(DEMO)/SHAPES --size 160 --width-multiplier 0.25 -o $(DEMO)/net
	$(BIN)/ssd-data parity $(DEMO)/net/deploy.prototxt random
	@echo "done: look at $(DEMO)/pictures; . $(VENV)/bin/activate, then ssd-data --help"

test: $(VENV)/.dev lint types tests  ## everything that CI checks

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

tests: $(VENV)/.dev
	$(BIN)/pytest

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(VENV)/.dev  ## after a change of caffe.proto
	$(BIN)/python -m grpc_tools.protoc -I ssd_data/proto \
		--descriptor_set_out=ssd_data/proto/caffe.desc --pyi_out=ssd_data/proto \
		ssd_data/proto/caffe.proto

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		$(PYTHON) -m pip install --user virtualenv && $(PYTHON) -m virtualenv $(VENV); }

$(VENV)/.run: setup.cfg constraints.txt | $(VENV)/bin/python
	$(PIP) setuptools
	$(PIP) --no-build-isolation --editable '.[torch]'
	touch $@

$(VENV)/.dev: setup.cfg constraints.txt | $(VENV)/bin/python
	$(PIP) setuptools
	$(PIP) --no-build-isolation --editable '.[dev]'
	touch $@ $(VENV)/.run
