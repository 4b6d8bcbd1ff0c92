# SPDX-License-Identifier: Apache-2.0
# Verbs only: what they do is in the scripts and build files they call. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
STAMPS := build/stamps
JOBS ?= $(shell nproc)
REPOSITORY ?= repository
# Hundreds of processes are started by the tests: each would compile the packages anew.
unexport PYTHONDONTWRITEBYTECODE

CPP_SOURCES := $(shell find cpp -name '*.cc' -o -name '*.h' -o -name CMakeLists.txt) CMakeLists.txt
CLIENT_SOURCES := $(wildcard clients/python/native/*) clients/python/setup.py clients/python/pyproject.toml
JAVA_SOURCES := $(shell find clients/java/src clients/java/pom.xml -type f)
PEERS := benchmarks/peers
PEER_SOURCES := $(wildcard $(PEERS)/cpp/*) $(PEERS)/inference.proto
GO_SOURCES := $(shell find clients/go -name '*.go' -o -name 'go.*')

.PHONY: help demo serve test check generate bench bench-quick bench-compare bench-engine lock fuzz clean

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

demo: $(STAMPS)/package $(STAMPS)/java $(STAMPS)/go ## Train, import, serve, and score from Python, Java and Go
	$(BIN)/python clients/demo/demo.py

serve: $(STAMPS)/package ## Serve REPOSITORY (default: ./repository) on ports 9090 and 9091
	$(BIN)/thriftscore serve --repository $(REPOSITORY)

test: test-cpp test-instructions test-sanitizers test-fuzz test-python test-java test-go ## Run every test of every language
	@echo "All tests passed."

check: check-generated check-python check-cpp check-java check-go ## Check format, lint, types, layers, generated code

generate: $(STAMPS)/develop ## Make the generated code of all languages from the IDL
	python3 thrift_idl/generate.py

bench: $(STAMPS)/peers $(STAMPS)/java $(STAMPS)/go ## Measure against every peer and write the report (half an hour)
	$(BIN)/python benchmarks/compare_servers.py
	$(BIN)/python benchmarks/make_report.py

bench-quick: $(STAMPS)/peers-python $(STAMPS)/peers-cpp ## Measure what has a target only; the report goes to build/bench
	$(BIN)/python benchmarks/compare_servers.py --quick --output build/bench/quick.json
	$(BIN)/python benchmarks/make_report.py build/bench/quick.json --report build/bench/report.md --no-readme

bench-compare: ## Print what changed beyond noise from BASE=<json> to NOW=<json> (default: the newest)
	$(BIN)/python benchmarks/compare_results.py $(BASE) $(or $(NOW),$(lastword $(sort $(wildcard benchmarks/results/*.json))))

bench-engine: $(STAMPS)/peers $(STAMPS)/preset-bench ## Measure the engine, each kernel and the wire codec alone
	$(BIN)/pytest benchmarks --benchmark-only --benchmark-columns=min,median,max,rounds
	cmake --build --preset bench -j $(JOBS) --target kernels_benchmark wire_benchmark
	build/release/cpp/benchmarks/kernels_benchmark
	build/release/cpp/benchmarks/wire_benchmark

fuzz: FUZZ_SECONDS = 0
fuzz: FUZZERS += model
fuzz: test-fuzz ## Fuzz the wire codec and the model loader until a crash or an interrupt

lock: $(STAMPS)/venv ## Resolve the Python dependencies anew into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --generate-hashes --no-header \
	  --quiet --upgrade --python-version 3.11 -o requirements.lock
	$(BIN)/uv pip compile --group bench -c requirements.lock --generate-hashes --no-header \
	  --quiet --upgrade --python-version 3.11 -o requirements-bench.lock
	$(BIN)/uv pip compile $(PEERS)/mlserver/requirements.in --generate-hashes --no-header \
	  --quiet --upgrade --python-version 3.11 -o $(PEERS)/mlserver/requirements.lock

clean: ## Remove everything that was built; keeps the sources and your model repositories
	rm -rf build dist .venv clients/java/target clients/go/bin .mypy_cache .ruff_cache .pytest_cache

# ---- set-up ------------------------------------------------------------------------------------

$(STAMPS)/build: .ci/install-packages
	.ci/install-packages build
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/develop: .ci/install-packages
	.ci/install-packages develop
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/venv: requirements.lock | $(STAMPS)/build
	test -x $(BIN)/python || python3 -m venv .venv
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(STAMPS)/package: $(STAMPS)/venv $(CPP_SOURCES) pyproject.toml $(CLIENT_SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
	  -e . -e clients/python
	@touch $@

$(STAMPS)/peers: $(STAMPS)/peers-python $(STAMPS)/peers-cpp $(STAMPS)/peers-mlserver
	@touch $@

$(STAMPS)/peers-packages: .ci/install-packages
	.ci/install-packages bench
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/peers-python: requirements-bench.lock $(PEERS)/inference.proto | $(STAMPS)/package
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	mkdir -p build/bench/python
	$(BIN)/python -m grpc_tools.protoc -I $(PEERS) --python_out build/bench/python \
	  --grpc_python_out build/bench/python $(PEERS)/inference.proto
	@touch $@

$(STAMPS)/peers-cpp: $(CPP_SOURCES) $(PEER_SOURCES) thrift_idl/thriftscore.thrift $(STAMPS)/preset-bench
	cmake --build --preset bench -j $(JOBS) --target peers
	@touch $@

# Where it cannot be installed, it is missing from the report, which says so; the next make tries again.
$(STAMPS)/peers-mlserver: $(PEERS)/mlserver/install $(PEERS)/mlserver/requirements.lock | $(STAMPS)/build
	if $(PEERS)/mlserver/install build/mlserver-venv; then touch $@; else echo "MLServer is left out."; fi

$(STAMPS)/java: $(JAVA_SOURCES) | $(STAMPS)/build
	mvn -q -B -f clients/java package -DskipTests
	@touch $@

$(STAMPS)/go: $(GO_SOURCES) | $(STAMPS)/build
	cd clients/go && go build -o bin/ ./cmd/...
	@touch $@

# The package comes first: its build of the Python module is in build/release too.
$(STAMPS)/preset-%: CMakeLists.txt CMakePresets.json | $(STAMPS)/package $(STAMPS)/develop
	cmake --preset $* >/dev/null
	@touch $@

$(STAMPS)/preset-bench: | $(STAMPS)/peers-packages

# ---- tests -------------------------------------------------------------------------------------

.PHONY: test-cpp test-instructions instruction-counts test-sanitizers test-fuzz test-python test-java test-go

FUZZ_SECONDS = 30
# Those with threads.
TSAN_TESTS := model_threads_test server_test server_short_transfer_test
# Not the model loader's, whose kernels take minutes to compile: see `make fuzz`.
FUZZERS := message stream header skip

# The others run under the sanitizers, which see more; `ctest --preset release` runs all.
test-cpp: $(STAMPS)/preset-release ## Run the C++ tests of the engine as it is released, on every SIMD target
	cmake --build --preset release -j $(JOBS) --target kernels_test cpp/tests/model/all server_allocation_test
	ctest --preset release -j $(JOBS) -R '^kernels_|^server_allocation_'
	for target in $$($(BIN)/python -c 'from thriftscore import _native; print(*_native.simd_targets())'); do \
	  echo "Engine on $$target:"; THRIFTSCORE_SIMD=$$target ctest --preset release -j $(JOBS) -R '^model_'; done

INSTRUCTION_COUNTS = cmake --build --preset release -j $(JOBS) --target instruction_counts && \
  $(BIN)/python benchmarks/instruction_counts.py $(1) build/release/cpp/benchmarks/instructions/instruction_counts

test-instructions: $(STAMPS)/preset-release ## Hold the instructions of a request and of the kernels against those recorded
	$(call INSTRUCTION_COUNTS,check)

instruction-counts: $(STAMPS)/preset-release ## Record how many instructions they take now
	$(call INSTRUCTION_COUNTS,record)

test-sanitizers: $(STAMPS)/preset-asan-ubsan $(STAMPS)/preset-tsan ## Run the C++ tests under ASan+UBSan and TSan
	cmake --build --preset asan-ubsan -j $(JOBS)
	ctest --preset asan-ubsan -j $(JOBS)
	cmake --build --preset tsan -j $(JOBS) --target $(TSAN_TESTS)
	ctest --preset tsan -j $(JOBS) -R '^($(subst $() ,|,$(TSAN_TESTS)))\.'

# What a fuzzer finds stays in build/fuzz; each starts from its corpus in the repository.
test-fuzz: $(STAMPS)/preset-fuzz ## Run each fuzzer for FUZZ_SECONDS (30) seconds
	cmake --build --preset fuzz -j $(JOBS) --target $(addsuffix _fuzzer,$(FUZZERS))
	printf '%s\n' $(FUZZERS) | xargs -P $(JOBS) -I {} .ci/fuzz {} $(FUZZ_SECONDS)

test-python: $(STAMPS)/package $(STAMPS)/java $(STAMPS)/go ## Run the Python tests and the conformance matrix
	$(BIN)/pytest -n $$(($(JOBS) + 1)) --dist loadfile # one more, as some are waiting

test-java: $(STAMPS)/package $(STAMPS)/java ## Run the tests of the Java client
	mvn -q -B -f clients/java verify

test-go: $(STAMPS)/package ## Run the tests of the Go client
	cd clients/go && go test -race ./...
	cd clients/go/otel && go test -race ./...

# ---- checks ------------------------------------------------------------------------------------

.PHONY: check-generated check-python check-cpp check-java check-go

check-generated: $(STAMPS)/develop
	python3 thrift_idl/generate.py --check

check-python: $(STAMPS)/package
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_codebase.py

check-cpp: $(STAMPS)/preset-release
	git ls-files '*.cc' '*.h' | xargs $(BIN)/clang-format --dry-run -Werror
	cmake --build --preset release -j $(JOBS)
	git ls-files 'cpp/*.cc' | xargs -P $(JOBS) -n 4 clang-tidy-14 -p build/release --quiet
	clang-tidy-14 --quiet clients/python/native/*.cc -- -std=c++20 \
	  -isystem $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')

check-java: $(STAMPS)/build
	mvn -q -B -f clients/java -Pjmh test-compile

check-go: $(STAMPS)/build
	cd clients/go && test -z "$$(gofmt -l . | grep -v '^gen/')" && go vet ./...
	cd clients/go && go tool -modfile=tools.mod staticcheck . ./cmd/... ./internal/...
	cd clients/go/otel && go vet ./... && go tool -modfile=../tools.mod staticcheck ./...
