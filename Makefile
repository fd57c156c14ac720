# Everything here works on a machine with Python 3.11 or newer, pip and make: each target makes the
# virtual environment it needs. `make help` lists the targets.

# The first interpreter that is new enough. Another one:  make test PYTHON=/path/to/python3
PYTHON ?= $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$candidate; break; fi; done)

TEST := .venv
DEMO := .venv-demo
DOCS := .venv-docs
EXAMPLES := .venv-examples
OLDEST := .venv-oldest
NEWEST := .venv-newest
INTEROPERATION := .venv-interoperation
SCALE := .venv-scale

# One test process per core, and one thread in each: BLAS and OpenMP would otherwise ask for all cores in every
# process. The processes must agree on the names of the tests, and so on the order of sets that appear in them.
WORKERS ?= auto
PYTEST_IN = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONHASHSEED=0 $(1)/bin/python -m pytest
PYTEST := $(call PYTEST_IN,$(TEST))

.DEFAULT_GOAL := help
.PHONY: help demo examples interoperation browser scale test slow compat test-oldest test-newest newest coverage lint format docs docs-gallery bench
.PHONY: clean distclean
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO)/.installed  ## distil a forest and a booster into one small tree on real card payments; saves a picture
	PYTHONUNBUFFERED=1 MPLBACKEND=Agg $(DEMO)/bin/python examples/plot_fraud_detection.py

examples: $(EXAMPLES)/.installed  ## run all examples, some minutes each; saves a picture of each
	@for script in examples/plot_*.py; do \
	    echo "$$script" && MPLBACKEND=Agg $(EXAMPLES)/bin/python $$script || exit 1; done

test: lint  ## check the style and run every test that is not marked slow
	$(PYTEST) -n $(WORKERS) --dist worksteal

slow: $(TEST)/.installed  ## run the tests on real data (downloads them the first time)
	$(PYTEST) -m slow

compat: test-oldest test-newest  ## run the tests with the oldest and the newest releases of everything but torch

# LightGBM 4.6 warns of names that it gave the features itself.
test-oldest: $(OLDEST)/.installed  ## the first half of compat: versions of constraints-oldest.txt
	$(call PYTEST_IN,$(OLDEST)) -n $(WORKERS) --dist worksteal tests \
	    -W "ignore:X does not have valid feature names, but LGBMClassifier was fitted:UserWarning" \
	    -W "ignore:X does not have valid feature names, but LGBMRegressor was fitted:UserWarning"

test-newest: $(NEWEST)/.installed  ## the other half: the newest releases of everything but torch
	$(call PYTEST_IN,$(NEWEST)) -n $(WORKERS) --dist worksteal tests

coverage: $(TEST)/.installed  ## run the tests and list the lines that they miss
	$(PYTEST) -n $(WORKERS) --dist worksteal --cov --cov-report=term-missing

lint: $(TEST)/.installed  ## check the style, change nothing
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .

format: $(TEST)/.installed  ## mend what ruff can mend
	$(TEST)/bin/ruff check --fix-only --exit-zero .
	$(TEST)/bin/ruff format .

SPHINX := -m sphinx -E -W --keep-going -b html docs docs/_build/html

docs: $(DOCS)/.installed  ## build the documentation into docs/_build/html, warnings are errors
	$(DOCS)/bin/python $(SPHINX)

docs-gallery: $(EXAMPLES)/.installed  ## the same, and run the examples that download data or take minutes
	SKLEARN_DISTILL_RUN_ALL_EXAMPLES=1 $(EXAMPLES)/bin/python $(SPHINX)

interoperation: $(INTEROPERATION)/.installed  ## run the recipes for skore and fairlearn, in an environment of their own
	$(call PYTEST_IN,$(INTEROPERATION)) tests/test_interoperation.py

scale: $(SCALE)/.installed  ## run the tests of Dask, Ray and Spark on local clusters of two workers
	@java -version >/dev/null 2>&1 || echo "There is no Java (17 or newer): the tests of Spark are skipped."
	$(call PYTEST_IN,$(SCALE)) tests/test_scale.py tests/test_scale_dask.py tests/test_scale_ray.py tests/test_scale_spark.py

browser: $(EXAMPLES)/.installed  ## build a page on which students answer in the browser, without a server
	$(EXAMPLES)/bin/python examples/browser/build.py

bench: $(EXAMPLES)/.installed  ## list the benchmarks and how to run them
	@for script in benchmarks/[a-z]*.py; do \
	    echo "$(EXAMPLES)/bin/python $$script" && sed -n '1s/^"""\(.*\)$$/    \1/p' "$$script"; done

clean:  ## remove caches and built documentation
	rm -rf .coverage .coverage.* htmlcov .hypothesis .pytest_cache .ruff_cache build dist
	rm -rf docs/_build docs/auto_examples docs/generated docs/sg_execution_times.rst
	find . -name '.venv*' -prune -o -name .git -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean  ## remove the virtual environments too
	rm -rf $(ENVIRONMENTS)

$(TEST)/.installed: EXTRAS := test,boosters,onnx,skops
$(DEMO)/.installed: EXTRAS := demo
$(EXAMPLES)/.installed: EXTRAS := docs,examples
$(DOCS)/.installed: EXTRAS := docs
$(OLDEST)/.installed $(NEWEST)/.installed: EXTRAS := test,boosters,onnx,skops
$(INTEROPERATION)/.installed: EXTRAS := test,onnx,interoperation
$(SCALE)/.installed: EXTRAS := test,boosters,ray,spark

VERSIONS := -c constraints.txt
$(OLDEST)/.installed: VERSIONS := -c constraints-oldest.txt
$(OLDEST)/.installed: constraints-oldest.txt
$(NEWEST)/.installed: VERSIONS = --upgrade --upgrade-strategy eager $(shell grep '^torch==' constraints.txt)
$(NEWEST)/.installed: newest # every time: what was the newest yesterday may not be today

ENVIRONMENTS := $(TEST) $(DEMO) $(DOCS) $(EXAMPLES) $(OLDEST) $(NEWEST) $(INTEROPERATION) $(SCALE)
$(ENVIRONMENTS:=/.installed): pyproject.toml constraints.txt Makefile
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	    echo "sklearn_distill needs Python 3.11 or newer, and python3 here is: $$(python3 --version 2>&1)." >&2; \
	    echo "Install a newer one, or name it:  make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "sklearn_distill needs Python 3.11 or newer, and $$python is: $$("$$python" --version 2>&1)." >&2; exit 1; }; \
	echo "Setting up $(@D) with $$("$$python" --version) (a few minutes the first time)"; \
	"$$python" -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(VERSIONS) -e '.[$(EXTRAS)]'
	@touch $@
