# make run · make test · make leaderboard · make docs · make asv
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SOURCES := pyproject.toml requirements.txt constraints.txt $(wildcard plugins/*/pyproject.toml)

.PHONY: run test check leaderboard docs asv install clean

run: $(INSTALLED)
	$(BIN)/omicsbench run --model node-torch

# Two processes with one thread each: threads that wait for each other's core are what makes tests slow.
test: check
	OMP_NUM_THREADS=1 XLA_FLAGS=--xla_cpu_multi_thread_eigen=false $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

leaderboard: $(INSTALLED)
	OMICSBENCH=$(BIN)/omicsbench leaderboards/fill
	$(BIN)/omicsbench submit results/leaderboard
	$(BIN)/omicsbench leaderboard build

docs: $(INSTALLED)
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx --fail-on-warning --quiet --builder html docs site/docs

asv: $(INSTALLED)
	$(BIN)/asv machine --yes
	$(BIN)/asv run --quick --show-stderr --python=same

install: $(INSTALLED)

$(INSTALLED): $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) results site build dist
