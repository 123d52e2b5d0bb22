# skylike: `make demo` shows the whole way, `make test` proves it.
.PHONY: demo test lint proto proto-check bench check init lock clean
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ROOMS := protos service trainer client

init: $(STAMP)

# torch comes first: everything else then accepts the build that is there.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[all,dev]'
	touch $@

demo: init
	$(BIN)/skylike-trainer demo build/demo $(if $(FITS),--fits '$(FITS)') $(if $(LABEL),--label '$(LABEL)')

test: init
	$(BIN)/python -Im pytest

lint: init
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell $$(git ls-files '*.md' '*.py' '*.proto' '*.toml')
	$(BIN)/validate-pyproject pyproject.toml

# An environment of its own: the generator wants an older protobuf than the runtime.
.venv-proto/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-proto
	.venv-proto/bin/python -m pip install -q --upgrade 'pip>=25.1'
	.venv-proto/bin/python -m pip install -q --group proto
	touch $@

proto: .venv-proto/.installed
	. .venv-proto/bin/activate && python -m grpc_tools.protoc -Iprotos \
	  --python_out=protos --grpc_python_out=protos --mypy_out=protos --mypy_grpc_out=protos \
	  protos/skylike/v1/*.proto

proto-check: proto
	test -z "$$(git status --porcelain protos)" || { git diff --stat protos; echo 'stubs are not current: run make proto and commit'; exit 1; }

check: lint proto-check test

# Every version of a working environment, without the local build tags the public index lacks.
lock: init
	{ echo '# Every version the tests ran with; written by make lock.'; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//' ; } > constraints.txt.new
	mv constraints.txt.new constraints.txt

clean:
	rm -rf build dist .venv .venv-proto
