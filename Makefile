# make demo       set up, then train, evaluate and use a two-headed network on generated images, offline
# make test       set up, then run the fast tests (make test ARGS="-k coders" selects some, ARGS=--cov measures coverage)
# make test-slow  set up, then run the tests that are slow by nature: several processes, whole trainings
# make campaign set up, then attack: kills, full disks, damaged run files, data and archives (an hour or two)
# make check      set up, then run every check that is not a test: ruff, import-linter, mypy, pylint, make docs
# make docs       set up, then build the site of the docs into site/, with warnings as errors
# make setup      only create .venv; TORCH=cpu installs CPU-only wheels of torch, TORCH=auto those of this machine's GPU
# make format     format the code as `make check` expects it
# make lock       update the pinned versions

PYTHON ?= python3
# The choice of torch at the last set-up, so that `make test` after `make setup TORCH=cpu` does not change it.
TORCH ?= $(or $(patsubst .venv/torch-%,%,$(firstword $(wildcard .venv/torch-*))),locked)
ARGS ?=
# Not the extra heic: the wheels of pillow-heif contain x265, whose license is the GPL.
EXTRAS := --extra app --extra report --extra supervision --extra sweep --extra track

PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal --durations=10

# Where it is set, each of the many processes of the tests compiles torch and the rest anew: 8 s instead of none.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
READY := .venv/torch-$(TORCH)
INSTALL := $(BIN)/uv pip install --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links

.PHONY: setup demo test test-slow campaign check docs format lock
.DEFAULT_GOAL := setup

setup: $(READY)

demo: $(READY)
	$(BIN)/polyhead demo

test: $(READY)
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(READY)
	$(PYTEST) -m slow $(ARGS)

# Each prints its totals and ends with an error if there was a fault; all are run.
campaign: WORK := $(shell mktemp -d)
campaign: $(READY)
	@export OMP_NUM_THREADS=1; failed=0; \
	for words in "kills $(WORK)/kills --kills 100" "full_disks $(WORK)/disks --sizes 15" \
		"mutations --tries 50 --flips 400 --runs $(WORK)/mutations" "hostile_data $(WORK)/data --tries 200" \
		"hostile_archives --tries 200"; do \
		echo "$$words"; $(BIN)/python -m benchmarks.$$words || failed=1; \
	done; rm -rf $(WORK); exit $$failed

check: $(READY) docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/pylint polyhead tests benchmarks docs examples

# The variable turns off a notice on the terminal about the successor of the theme.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# One resolution. The list without hashes (CPU wheels of torch have other hashes) and uv's own lines are extracted from it.
lock: $(BIN)/uv
	$(COMPILE) pyproject.toml $(EXTRAS) --group dev --upgrade --generate-hashes -o requirements.lock
	sed -n '/^[^ #]/s/ *\\$$//p' requirements.lock > constraints.txt
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > requirements-uv.lock

$(BIN)/uv: requirements-uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Polyhead needs Python 3.11 or newer, and '$(PYTHON)' is older; try: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

$(READY): $(BIN)/uv requirements.lock constraints.txt pyproject.toml
	@rm -f .venv/torch-*
ifeq ($(TORCH),locked)
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.lock
else
	$(INSTALL) --torch-backend $(TORCH) -c constraints.txt -r pyproject.toml $(EXTRAS) --group dev
endif
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@
