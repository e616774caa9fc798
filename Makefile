# The verbs. `make demo` and `make test` set themselves up on a fresh machine; everything stays below .venv and .aws-sam.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.13 python3; do $$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
export SAM_CLI_TELEMETRY := 0
BREAK ?=
PART ?=

.PHONY: demo test bench lint up sam-local build requirements clean

demo: .venv/ready  ## run the main job on this machine: a leaver, every operation, two simulated providers, one table of proofs
	@$(BIN)/python -m local demo $(if $(BREAK),--break $(BREAK))

test: .venv/ready  ## every test, on this machine
	@$(BIN)/pytest --numprocesses auto --dist loadgroup

bench: build  ## what Leaver costs in time, memory, calls and money, into benchmarks/results; PART=batch for one part
	@$(BIN)/python -m benchmarks $(PART)

lint: .venv/ready  ## types, style, the template, and a build of what would be deployed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sam validate --lint
	$(BIN)/cfn-lint template.yaml
	$(MAKE) build

build: .venv/ready  ## what `sam deploy` ships, in .aws-sam/build
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sam build --cached

up: .venv/ready  ## keep the local world running in the foreground
	@$(BIN)/python -m local up

sam-local: .venv/ready  ## every function by `sam local invoke` in its container, against the local world
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m local sam-local

requirements: .venv/ready  ## pin what pyproject.toml asks for
	$(BIN)/uv pip compile --quiet --no-config --universal --generate-hashes --no-emit-index-url --python-version 3.13 --extra dev --extra cli --custom-compile-command "make requirements" --output-file requirements-dev.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --no-config --universal --generate-hashes --no-emit-index-url --python-version 3.13 --constraint requirements-dev.txt --custom-compile-command "make requirements" --output-file layers/leaver/requirements.txt pyproject.toml

.venv/ready: requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Leaver needs Python 3.13 (the Lambda runtime's version); none was found. Set PYTHON=/path/to/python3.13."; exit 3; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv .aws-sam
