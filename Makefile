# make book   the site in _build/html, every page executed
# make test   every check
# See `make help` for the rest.

ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for p in python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
endif
# the address of a package index with torch's CPU builds, if you want those on Linux (see README.md)
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
PAGES := $(sort $(wildcard chapters/*.ipynb))

.PHONY: help book test quick lint read lab execute coursework grade bench sabotage mutate record upgrade clean
.DEFAULT_GOAL := help

help:
	@echo "make book      build the site: _build/html/index.html"
	@echo "make read      serve the site on this machine and open it"
	@echo "make lab       open the pages in JupyterLab"
	@echo "make test      run every check"
	@echo "make quick     the fast tests of the library, in two minutes"
	@echo "make lint      the rules for code and pages; one page in seconds: make lint PAGE=12"
	@echo "make execute   run the notebooks again and normalise them"
	@echo "make coursework   the versions of all assignments, for students and for nbgrader"
	@echo "make grade FROM=submissions TO=grades.csv   grade them (coursework/README.md)"
	@echo "make bench     time the library beside its peers (four minutes; installs them)"
	@echo "make sabotage  break the library as the ledger says; a named test must notice (15 minutes)"
	@echo "make mutate    break the library line by line and see whether a test notices (hours);"
	@echo "               make mutate PAGE=12: what a page rests on, and whether its checks notice (minutes)"
	@echo "make record    run every check and write down what it said, for page How it is checked (hours)"
	@echo "make upgrade   write requirements.lock anew from requirements.txt"
	@echo "make clean     remove the site and its cache"
	@echo "TORCH_INDEX=<address of torch's CPU wheels> saves gigabytes on Linux (first install only)"

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing. Install it, or name it: make book PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is missing or older than Python 3.11."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

book: $(STAMP)
	@$(BIN)/python tools/build.py

test: $(STAMP)
	@$(BIN)/python tools/check.py

quick: $(STAMP)
	@$(BIN)/python tools/check.py --quick

lint: $(STAMP)
	@PYTHONPATH=tools $(BIN)/python -m lint $(PAGE)

read: book
	@$(BIN)/python tools/serve.py

lab: $(STAMP)
	$(BIN)/jupyter lab chapters

execute: $(STAMP)
	@$(BIN)/python tools/notebooks.py execute $(PAGES)

coursework: $(STAMP)
	@PYTHONPATH=tools $(BIN)/python -m coursework.versions $(if $(PRIVATE),--private "$(PRIVATE)")

grade: $(STAMP)
	@test -n "$(FROM)" -a -n "$(TO)" || { echo "make grade FROM=<folder or zip> TO=grades.csv"; exit 1; }
	@PYTHONPATH=tools $(BIN)/python -m coursework.grade "$(FROM)" "$(TO)" \
	  $(if $(PRIVATE),--private "$(PRIVATE)") $(if $(SHARD),--shard $(SHARD)) \
	  $(if $(SEED),--seed "$(SEED)") $(if $(ASSIGNMENT),--assignment $(ASSIGNMENT)) \
	  $(if $(GUARDED),--guarded)

bench: $(STAMP)
	$(PIP) install --quiet -c requirements.lock -r benchmarks/requirements.txt
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run.py

sabotage: $(STAMP)
	@$(BIN)/python tools/sabotage.py

mutate: $(STAMP)
	@$(if $(PAGE),PYTHONPATH=tools $(BIN)/python tools/mutate_page.py $(PAGE),$(BIN)/python tools/mutate.py)

record: $(STAMP)
	@for kind in checks pages library; do PYTHONPATH=tools $(BIN)/python tools/record.py $$kind || exit 1; done

upgrade:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing."; exit 1; }
	rm -rf _build/upgrade
	$(PYTHON) -m venv _build/upgrade
	_build/upgrade/bin/python -m pip install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r requirements.txt
	_build/upgrade/bin/python -m pip freeze --all | grep -viE '^(pip|wheel|nvidia-.*|cuda-.*|triton)(==| @)' | sed 's/+[a-z0-9.]*$$//' > requirements.lock
	rm -rf _build/upgrade

clean:
	rm -rf _build
