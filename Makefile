# The verbs. Each sets itself up on a fresh machine; everything stays below .venv, .venv-scanners and .aws-sam.
SHELL := /bin/bash
PYTHON ?=
BIN := .venv/bin
# The first Python that runs and is recent enough; pyenv's shims run only when told which version is meant.
FOUND := $(shell for each in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3.14 python3); do \
  for version in "$${each/*python/}" system; do PYENV_VERSION="$$version" "$$each" -Ic \
  'import sys; assert sys.version_info >= (3, 11); print(sys.executable)' 2>/dev/null && break 2; done; done)
export SAM_CLI_TELEMETRY := 0
# Where it is set, each of the hundreds of processes that start here would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE
# A PYTHON that was named makes .venv; the layer's own makefile, which SAM and the tests run, is to use what is in there.
MAKEOVERRIDES :=
BREAK ?=
PART ?=
MINUTES ?=

.PHONY: help demo test proof bench lint scan up sam-local build requirements clean .venv/demo .venv/test .venv/dev .venv-scanners/scan

help:  ## list these targets
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: .venv/demo  ## run the main job on this machine: a leaver, every operation, two simulated providers, one table of proofs
	@$(BIN)/python -m local demo $(if $(BREAK),--break "$(BREAK)")

test: .venv/test  ## every test, on this machine
	@$(BIN)/python -m pytest --numprocesses auto --dist loadgroup

proof: .venv/dev  ## every exploration at full length, into docs/proof.md; MINUTES=5 shares five minutes among them, PART=demo runs one
	@$(BIN)/python -m tests.proof $(if $(MINUTES),--minutes "$(MINUTES)") $(if $(PART),--part "$(PART)")

bench: build  ## what Leaver costs in time, memory, calls and money, into benchmarks/results; PART=batch for one part
	@$(BIN)/python -m benchmarks $(PART)

lint: .venv/dev .venv-scanners/scan  ## types, style, the template, the scanners, and a build of what would be deployed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m samcli validate --lint
	$(BIN)/python $(BIN)/cfn-lint template.yaml
	$(MAKE) --jobs 2 --output-sync=target scan build

SCANNERS := .venv-scanners/bin
SEMGREP := SEMGREP_SEND_METRICS=off $(SCANNERS)/semgrep
scan: .venv-scanners/scan  ## bandit, semgrep with our own rules, and detect-secrets; none of them asks the network
	$(SCANNERS)/bandit --quiet --recursive --configfile pyproject.toml benchmarks cli functions layers local scanners/secrets.py
	$(SEMGREP) --test --metrics=off --disable-version-check --quiet scanners/rules
	$(SEMGREP) scan --metrics=off --disable-version-check --quiet --error --config scanners/rules/leaver.yaml cli functions layers
	$(SCANNERS)/python scanners/secrets.py

build: .venv/dev  ## what `sam deploy` ships, in .aws-sam/build
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHON=python3.13 $(BIN)/python -m samcli build --cached

up: .venv/demo  ## keep the local world running in the foreground
	@$(BIN)/python -m local up

sam-local: .venv/dev  ## every function by `sam local invoke` in its container, against the local world
	@PATH="$(CURDIR)/$(BIN):$$PATH" PYTHON=python3.13 $(BIN)/python -m local sam-local

PIN := $(BIN)/python -m uv pip compile --quiet --no-config --universal --generate-hashes --no-emit-index-url --custom-compile-command "make requirements"
requirements: .venv/dev  ## pin what pyproject.toml asks for: what people run from Python 3.11 on, the layer for Lambda's
	$(PIN) --python-version 3.11 --extra dev --output-file requirements/dev.txt pyproject.toml
	$(PIN) --python-version 3.11 --extra test --constraint requirements/dev.txt --output-file requirements/test.txt pyproject.toml
	$(PIN) --python-version 3.11 --extra demo --constraint requirements/dev.txt --output-file requirements/demo.txt pyproject.toml
	$(PIN) --python-version 3.13 --constraint requirements/dev.txt --output-file layers/leaver/requirements.txt pyproject.toml
	$(PIN) --python-version 3.11 --group scan --output-file requirements/scan.txt

.venv/demo .venv/test .venv/dev .venv-scanners/scan:
	@test -n "$(FOUND)" || { echo 'Leaver needs Python 3.11 or later, and $(if $(PYTHON),$(PYTHON) is none,none is on the PATH).' \
	  'Get one (Debian, Ubuntu: `apt install python3 python3-venv`), or name one: make PYTHON=/path/to/python3 …' >&2; exit 3; }
	@"$(FOUND)" -Iu local/set_up.py $(@F)

clean:  ## remove what the other targets made
	rm -rf .venv .venv-scanners .aws-sam
