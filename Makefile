# The commands of this repository; `make` lists them.
#
# What is needed beforehand: rustc 1.95, a JDK (17 or newer), Maven, CPython 3.11 or newer, gcc, make. Everything else
# is installed from the package registries, into ~/.cache/haulier and the local Maven repository; nothing is installed
# in the system. One cargo profile, one target folder, one shape of invocation: nothing is built twice.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CACHE := $(HOME)/.cache/haulier
CARGO_TARGET_DIR ?= $(CACHE)/target
HAULIER_DIST ?= $(CARGO_TARGET_DIR)/dist
VENV := $(CACHE)/venv
WHEELS := $(CARGO_TARGET_DIR)/wheels
PYTHON := $(VENV)/bin/python
MVN := mvn --batch-mode --no-transfer-progress -Dstyle.color=never
JDK_25 := $(wildcard /usr/lib/jvm/temurin-25-jdk-amd64)
MVN_NATIVE := -Dhaulier.jni=$(CARGO_TARGET_DIR)/debug/libhaulier_jni.so
export CARGO_TARGET_DIR HAULIER_DIST
export HAULIER_WHEELS := $(WHEELS)
export HAULIER_VENV := $(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
# As maturin sets them: else cargo and maturin would build pyo3 again in turns.
export PYO3_PYTHON := $(PYTHON)
export PYO3_ENVIRONMENT_SIGNATURE := cpython-$(shell python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-64bit

say = @printf '\n== %s\n' "$(1)"

.PHONY: help
help:  ## Lists the commands.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 18

## Build ---------------------------------------------------------------------------------------------------------------

.PHONY: build build-rust build-java build-dist build-wheels build-fixtures
build: build-rust build-java build-dist build-wheels build-fixtures  ## Builds everything: binary, jars, wheels, fixtures.
	$(call say,Built: $(HAULIER_DIST))

$(VENV)/installed: tests/requirements.txt
	$(call say,Installing the tools of the build and the tests into $(VENV))
	python3 -m venv --clear $(VENV)
	$(PYTHON) -m pip install --quiet --requirement $<
	@touch $@

build-rust: $(VENV)/installed
	$(call say,Building the Rust workspace into $(CARGO_TARGET_DIR))
	cargo build --workspace --all-targets --locked

JAVA_SOURCES := $(shell find java -name target -prune -o -type f -print)
java/target/installed: $(JAVA_SOURCES) $(wildcard $(CARGO_TARGET_DIR)/debug/libhaulier_jni.so)
	$(call say,Building the Java modules with Maven and installing them in the local repository)
	$(MVN) --quiet --file java/pom.xml install -DskipTests $(MVN_NATIVE)
	@mkdir -p $(@D) && touch $@

build-java: build-rust
	@$(MAKE) java/target/installed

build-dist: build-rust build-java
	$(call say,Assembling the distribution folder)
	cargo xtask dist

build-wheels: build-dist
	$(call say,Building the wheels haulier and haulier-node into $(WHEELS))
	tests/install/build_wheels.sh $(PYTHON) $(WHEELS)

build-fixtures: build-java
	$(call say,Building what the tests deploy)
	python3 tests/conformance/build_fixtures.py
	python3 tests/interpreters/fetch.py

## Test ----------------------------------------------------------------------------------------------------------------

STAGES := check-codegen check-proto check-tidy check-format check-clippy test-rust test-java test-python \
          test-cloudpickle test-conformance test-programs test-demo test-readme test-install

.PHONY: test $(STAGES)
test: build  ## Builds everything and runs all tests of all languages.
	@python3 .ci/stages.py $(STAGES)

check-codegen:
	cargo xtask codegen --check

check-proto:
	$(VENV)/bin/buf lint proto

check-tidy:
	cargo xtask tidy

check-format:
	cargo fmt --all --check
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	cd python && $(VENV)/bin/mypy --no-error-summary

check-clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

test-rust:
	cargo test --workspace --locked --no-fail-fast

test-java:
	$(MVN) --file java/pom.xml verify $(MVN_NATIVE) -Dhaulier.node=$(HAULIER_DIST)/bin/haulier

test-python:
	$(PYTHON) -m pytest -q -p no:cacheprovider python/tests

# The tests of the library that pickles code, with their round trips through a worker.
test-cloudpickle:
	HAULIER_NODE_ARGUMENTS="--python $(PYTHON)" tests/with_node.sh $(PYTHON) tests/cloudpickle/run.py

# What is submitted in each form that Java has, by a client and to workers on the newest JDK, where there is one.
ifneq ($(JDK_25),)
test-java: test-java-jdk25
.PHONY: test-java-jdk25
test-java-jdk25:
	PATH=$(JDK_25)/bin:$$PATH $(MVN) --file java/pom.xml --projects client test $(MVN_NATIVE) \
	    -Dhaulier.node=$(HAULIER_DIST)/bin/haulier -Djvm=$(JDK_25)/bin/java -Dtest=FunctionFormsTest,PeerLoadingTest,UnitClassesTest,DroppedLoadersTest,LaunchesTest,NestedTasksTest,PairsTest,SurroundingsTest
endif

test-conformance:
	tests/with_node.sh $(PYTHON) tests/conformance/run_python.py
	tests/with_node.sh $(MVN) --quiet --file tests/conformance/java/pom.xml compile exec:exec

# The same cases with workers and a client on the newest JDK, where there is one.
ifneq ($(JDK_25),)
test-conformance: test-conformance-jdk25
.PHONY: test-conformance-jdk25
test-conformance-jdk25:
	PATH=$(JDK_25)/bin:$$PATH tests/with_node.sh $(MVN) --quiet --file tests/conformance/java/pom.xml compile exec:exec
endif

test-programs:
	tests/with_node.sh $(MVN) --quiet --file tests/programs/pom.xml verify

test-demo:
	tests/demo/run.sh

test-readme:
	python3 tests/readme/run.py

test-install:
	tests/install/run.sh

## Show ----------------------------------------------------------------------------------------------------------------

.PHONY: demo bench soak clean
demo: build  ## Shows peer loading and units from Java, Python and Rust on three nodes.
	$(call say,The demo)
	tests/demo/run.sh

bench: build  ## Prints latency, throughput, cold code and idle figures of this machine.
	$(call say,The benchmark)
	tests/bench/run.sh

soak: build  ## Repeats the tests of crashes, broken connections and lost nodes for longer.
	$(call say,The soak)
	HAULIER_SOAK=1 cargo test --locked --workspace --test restart --test resume --test code_identity \
	    --test cluster --test units --test modes --test crash --test hostile

clean:  ## Removes what was built and installed.
	rm -rf $(CARGO_TARGET_DIR) $(VENV)
	find java tests -name target -type d -prune -exec rm -rf {} +
