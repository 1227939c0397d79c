# make run · make test · make leaderboard · make speed · make docs · make asv · make site · make test-processor
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ONE_THREAD := OMP_NUM_THREADS=1 XLA_FLAGS=--xla_cpu_multi_thread_eigen=false
SOURCES := pyproject.toml requirements.txt constraints.txt $(wildcard plugins/*/pyproject.toml)

.PHONY: run test test-processor check leaderboard speed docs asv site install clean

run: $(INSTALLED)
	$(BIN)/omicsbench run --model node-torch

# Two processes with one thread each: threads that wait for each other's core are what makes tests slow.
test: check
	$(BIN)/omicsbench leaderboard check
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadfile

# What a number stands on, on an older processor: no digit that only one processor gives may stand anywhere.
test-processor: $(INSTALLED)
	tests/other-processor $(BIN)/omicsbench leaderboard check
	$(ONE_THREAD) tests/other-processor $(BIN)/python -m pytest -q -n 2 --dist loadfile tests/data/test_protocols.py \
	  tests/test_versions.py tests/kinetics tests/data/test_simulated.py tests/records plugins/node-torch plugins/node-jax

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

leaderboard: $(INSTALLED)
	OMICSBENCH=$(BIN)/omicsbench leaderboards/fill
	$(BIN)/omicsbench submit --replace results/leaderboard
	$(BIN)/omicsbench leaderboard build

speed: $(INSTALLED)
	OMICSBENCH=$(BIN)/omicsbench leaderboards/measure
	$(BIN)/omicsbench submit --replace results/speed
	$(BIN)/omicsbench leaderboard build

docs: $(INSTALLED)
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx --fail-on-warning --quiet --builder html docs site/docs

# ASV_FLAGS=--quick runs every benchmark once.
asv: $(INSTALLED)
	$(BIN)/asv machine --yes
	$(BIN)/asv run $(ASV_FLAGS) --show-stderr --python=same --set-commit-hash=$$(git rev-parse HEAD)

# Leaderboards, documentation and the benchmarks of the commits, as they are published: nothing of it is in git.
site: docs asv
	$(BIN)/asv publish
	rm -rf site/leaderboards
	$(BIN)/omicsbench leaderboard site --out site/leaderboards
	cp docs/front.html site/index.html

install: $(INSTALLED)

$(INSTALLED): $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) results site site-measured build dist
