# make demo · make test · make check · make bench · make soak · make setup
# Needs Python 3.11 or later, make and a C compiler; everything else goes into ./.venv.
# Another interpreter: make PYTHON=python3.12 demo. Another environment: make VENV=/somewhere/env test.

PYTHON ?= python3
VENV ?= .venv
OUT ?= runs/demo
DEMO_OPTIONS ?=
BENCH_OPTIONS ?=
JOBS ?= 2
SECONDS ?= 60
FAULTS ?= 500
SEED ?=
BIN = $(VENV)/bin
STAMP = $(VENV)/.ready
WEB = realtime/outputs/page/web
PAGE = $(wildcard building/*.py) $(wildcard $(WEB)/*.* $(WEB)/public/* $(WEB)/src/*)

.PHONY: help setup demo test check lint bench soak fuzz clean

help:
	@echo "make demo    a simulated treatment through the whole system; leaves $(OUT)/"
	@echo "make test    the tests but the slow ones"
	@echo "make check   ruff, mypy --strict, import-linter and every test"
	@echo "make bench   every table of docs/benchmarks.md"
	@echo "make soak    $(FAULTS) random kills and pauses, then what they lost; up to 2.4 s a fault"
	@echo "make fuzz    the MRD decoder under atheris; SECONDS=60"
	@echo "make setup   only the environment, in $(VENV)"

setup: $(STAMP)

# pip runs again only when what is wanted changes, or the page that it builds.
$(STAMP): pyproject.toml constraints.txt $(PAGE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "mrmonitor needs Python 3.11 or later: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@start=$$(date +%s); set -e; \
		test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
		touch $@; echo "setup: $$(($$(date +%s) - start)) s"

# The command never writes into a folder that holds a run; the demo's own is replaced each time.
demo: $(STAMP)
	@if [ "$(OUT)" = runs/demo ]; then rm -rf runs/demo; fi
	$(BIN)/mrmonitor demo mrgfus --out $(OUT) $(DEMO_OPTIONS)

test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python building/page.py check

check: lint
	$(BIN)/python -m pytest -n $(JOBS) --durations=40

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS)

soak: $(STAMP)
	$(BIN)/python benchmarks/soak.py --faults $(FAULTS) $(if $(SEED),--seed $(SEED))

# atheris is for this alone: it is not part of `make setup`.
fuzz: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python tests/fuzz/fuzz_mrd_decoder.py $(SECONDS)

clean:
	rm -rf $(VENV) runs $(WEB)/node_modules realtime/outputs/page/static .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
