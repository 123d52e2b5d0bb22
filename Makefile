# skylike: `make demo` shows the whole way, `make test` proves it.
.PHONY: init demo pictures test lint proto proto-check proto-lint proto-baseline bench chaos fuzz fuzz-rpc soak check lock clean
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STAMP := $(VENV)/.installed
PROTO := .venv-proto
STUBS := protos/*_pb2*

init: $(STAMP)

# torch comes first: everything else then accepts the build that is there. What is
# imported is compiled then, and the rest never.
INSTALL := $(BIN)/python -m pip install -q --no-compile -c constraints.txt

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) -e '.[all]'
	touch $@

$(STAMP): $(READY)
	$(INSTALL) -e '.[all,dev]'
	touch $@

# On files of your own: make demo FITS=DIR; with a table of their kinds, which only
# judges: make demo FITS=DIR LABELS=TABLE COLUMN=NAME.
demo: $(READY)
	$(BIN)/skylike-trainer demo build/demo $(if $(FITS),--fits '$(FITS)') \
	  $(if $(LABELS),--labels '$(LABELS)') $(if $(COLUMN),--column '$(COLUMN)')

# A part of them: make test ARGS='tests/client -k retry'.
test: init
	$(BIN)/python -Im pytest $(ARGS)

lint: init
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	git ls-files -z '*.md' '*.py' '*.proto' '*.toml' '*.cff' '*.yaml' | xargs -0 $(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml

# An environment of its own: the generator wants an older protobuf than the runtime.
$(PROTO)/.installed: pyproject.toml
	$(PYTHON) -m venv $(PROTO)
	$(PROTO)/bin/python -m pip install -q --upgrade 'pip>=25.1'
	$(PROTO)/bin/python -m pip install -q --group proto
	touch $@

proto: $(PROTO)/.installed
	. $(PROTO)/bin/activate && python -m grpc_tools.protoc -Iprotos \
	  --python_out=protos --grpc_python_out=protos --mypy_out=protos --mypy_grpc_out=protos \
	  protos/skylike/v1/*.proto

proto-check: proto
	@test -z "$$(git status --porcelain -- '$(STUBS)')" || { git status --short -- '$(STUBS)'; \
	  echo 'the stubs are not current: run make proto and commit them'; exit 1; }

# buf comes by npm, at the version of the lock file.
BUF := build/buf/node_modules/.bin/buf
$(BUF): protos/package.json protos/package-lock.json
	mkdir -p build/buf
	cp protos/package.json protos/package-lock.json build/buf/
	npm ci --prefix build/buf --ignore-scripts --no-audit --no-fund
	touch $@

proto-lint: $(BUF)
	$(BUF) lint protos
	$(BUF) breaking protos --against protos/baseline.binpb

# With a release, or a break that is meant: what the next change is compared with.
proto-baseline: $(BUF)
	$(BUF) build protos --exclude-source-info -o protos/baseline.binpb

# One theme: make bench ONLY=imaging; on a frame of your own: FRAME=FILE.
bench: init
	$(BIN)/python -m tests.bench.run $(if $(ONLY),--only '$(ONLY)') \
	  $(if $(FRAME),--frame '$(FRAME)')

# A library killed, failed by the disk, without power or with a flipped bit, N times each or
# more; then a long run of operations in any order: make chaos N=1000 SEED=1.
chaos: init
	ITERATIONS=$(or $(N),1000) KILLS=20 SEED=$(or $(SEED),0) \
	  $(BIN)/python -Im pytest tests/chaos
	EXAMPLES=$(or $(N),1000) STEPS=100 $(BIN)/python -Im pytest \
	  tests/service/test_collection_machine.py

# Damaged files by the hundred thousand: make fuzz N=200000 SEED=1.
fuzz: init
	$(BIN)/python tests/fuzz/damage.py --count $(or $(N),200000) --seed $(or $(SEED),0)

# Nonsense to every method of a running service: make fuzz-rpc N=100000 SEED=1.
fuzz-rpc: init
	$(BIN)/python -m tests.fuzz.rpc --count $(or $(N),20000) --seed $(or $(SEED),0)

# Reads, writes and switches of aliases at once, for long: make soak SECONDS=1800.
soak: init
	$(BIN)/python -m tests.soak.run --seconds $(or $(SECONDS),1800)

# The pictures of the explorer in docs, drawn anew: look at them before they are committed.
pictures: init
	$(BIN)/python -m tests.e2e.explorer.pictures

check: lint proto-check test

# Every version of a working environment, without the local build tags the public index
# lacks, and without what only CUDA builds of torch bring along.
lock: init
	{ echo '# Every version the tests ran with; written by make lock.'; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//' | grep -v '^nvidia-\|^triton=' ; } > constraints.txt.new
	mv constraints.txt.new constraints.txt

clean:
	rm -rf build dist $(VENV) $(PROTO)
