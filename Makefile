# `make help` lists the commands.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 10
COUNT ?= 500
STAMP := $(VENV)/.installed
LOCALSTACK := build/localstack/.venv
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --emit-build-options --custom-compile-command "make lock"
NPM_LOCK := npm $(if $(filter --upgrade,$(ARGS)),update,install) --package-lock-only --ignore-scripts \
	--omit-lockfile-registry-resolved --silent --no-audit --no-fund
PULUMI_VERSION := 3.274.1
PULUMI := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/s3-zip-jobs/pulumi-$(PULUMI_VERSION)
# If `make pulumi` has built it, commands use it.
export PATH := $(PULUMI):$(PATH)
NPM_FOLDERS := tests/support/node tests/docs/asyncapi bench/peers

.PHONY: help demo local pulumi test test-s3 test-large fuzz chaos load bench docs graph pictures build deploy destroy \
	lock generate-pdfs bulk-upload test-flow clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-14s %s\n", $$1, $$2}'

# Every package is installed with a hash. The locked setuptools builds the project itself.
$(STAMP): requirements-dev.txt handlers/requirements.txt zipjobs_cli/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@

$(LOCALSTACK)/.installed: tests/localstack/requirements.txt | $(STAMP)
	$(PYTHON) -m venv $(LOCALSTACK)
	$(BIN)/uv pip install --quiet --python $(LOCALSTACK) --require-hashes --no-deps -r tests/localstack/requirements.txt
	@touch $@

# The language host runs the script that is part of the SDK.
$(PULUMI)/pulumi:
	mkdir -p $(PULUMI)
	GOBIN=$(PULUMI) go -C tools/pulumi/language install -ldflags="-s -w" tool
	install $$(go -C tools/pulumi/cli list -m -f '{{.Dir}}' github.com/pulumi/pulumi/sdk/v3)/python/cmd/pulumi-language-python-exec $(PULUMI)
	GOBIN=$(PULUMI) go -C tools/pulumi/cli install \
		-ldflags="-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v$(PULUMI_VERSION)" tool

demo: $(STAMP) ## Zip 200 PDFs on the embedded AWS, with a manifest and with the API
	$(BIN)/python -m local demo

local: $(STAMP) ## Run the embedded AWS until Ctrl-C. ARGS=--pulumi: deployed by `pulumi up`
	$(BIN)/python -m local up $(ARGS)

pulumi: $(PULUMI)/pulumi ## Build Pulumi's command line with Go, for the tests and `local up --pulumi`; takes minutes

test: $(STAMP) ## Run ruff, mypy --strict and all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=20

test-s3: $(LOCALSTACK)/.installed ## Run the S3 integration tests on LocalStack instead of moto. ARGS="-k keys"
	$(BIN)/python -m tests.localstack $(ARGS)

test-large: $(STAMP) ## Run a job with 70,000 entries on the embedded AWS; takes minutes
	$(BIN)/pytest -m large tests/large

fuzz: $(STAMP) ## Run the property-based tests with many random examples; takes an hour. ARGS="tests/unit/s3"
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -n 2 --timeout 0 -m hypothesis $(ARGS)

chaos: $(STAMP) ## Run jobs while AWS fails at random. SEEDS=n: number of random seeds (10). SEED=n: repeat one
	CHAOS_SEEDS=$(SEEDS) CHAOS_SEED=$(SEED) $(BIN)/pytest -s tests/chaos/random_faults/test_random_faults.py

load: $(STAMP) ## Run 500 jobs, and 20,000 reads, while AWS fails at random; takes minutes
	LOAD_SEED=$(SEED) $(BIN)/pytest -s -m load tests/load tests/unit/s3

bench: $(STAMP) ## Compare the engine with other tools and write docs/performance.md
	$(BIN)/python -m bench --write

docs: $(STAMP) ## Write docs/asyncapi.yaml from the event models
	$(BIN)/python -m tools.asyncapi

graph: $(STAMP) ## Draw the resources of the Pulumi program: docs/graph.svg
	$(BIN)/python -m tools.pictures graph

pictures: $(STAMP) ## Write all pictures in docs: the graph, the API page, the command line; needs Chromium
	$(BIN)/python -m tools.pictures

build: $(STAMP) ## Build the Lambda package, build/lambda.zip
	$(BIN)/python -m tools.package

lock: $(STAMP) ## Write the lock files, with hashes. ARGS=--upgrade: newer versions
	$(COMPILE) --output-file requirements-dev.txt requirements-dev.in $(ARGS)
	$(COMPILE) --output-file requirements.txt --constraints requirements-dev.txt requirements.in
	$(COMPILE) --output-file handlers/requirements.lock --constraints requirements-dev.txt handlers/requirements.txt
	$(COMPILE) --output-file bench/peers/requirements.txt bench/peers/requirements.in $(ARGS)
	$(COMPILE) --output-file tests/localstack/requirements.txt tests/localstack/requirements.in $(ARGS)
	@# Remove the links to funding pages that npm adds.
	@set -e; for folder in $(NPM_FOLDERS); do \
		(cd $$folder && $(NPM_LOCK)); \
		jq 'del(.packages[].funding)' $$folder/package-lock.json > $(VENV)/package-lock.json; \
		cp $(VENV)/package-lock.json $$folder/package-lock.json; \
	done

deploy: build ## Deploy the selected Pulumi stack
	pulumi up

destroy: ## Remove the selected Pulumi stack
	pulumi destroy

generate-pdfs: $(STAMP) ## Create sample PDFs in out/samples. COUNT=n (500)
	$(BIN)/python -m zipjobs_cli generate-pdfs $(COUNT) $(ARGS)

bulk-upload: $(STAMP) ## Upload files to the stack. ARGS="FOLDER" or ARGS="--generate 500"
	$(BIN)/python -m zipjobs_cli bulk-upload $(ARGS)

test-flow: $(STAMP) ## Zip objects of the stack and check the ZIPs. ARGS="--prefix uploads/"
	$(BIN)/python -m zipjobs_cli test-flow $(ARGS)

clean: ## Delete everything that these commands create
	rm -rf $(VENV) build out .local *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
