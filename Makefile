PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run check test test-oldest test-newest mutants torture reliability bench lint lock audit venv install clean help

# On a terminal, pip shows its own progress.
PIP := $(BIN)/python -m pip $(if $(MAKE_TERMOUT),,--quiet) --disable-pip-version-check

run: venv  ## Trains all nine lessons in both styles, shortly, and writes a report to open.
	$(BIN)/python -m tutorials run --preset quick --out runs/quick
	$(BIN)/python -m tutorials report --slides runs/quick

check: venv  ## Trains everything in full, and compares it with the articles, in more than ten hours.
	failed=0; \
	$(BIN)/python -m tutorials check --seeds 3 || failed=1; \
	$(BIN)/python -m tutorials parity || failed=1; \
	$(BIN)/python -m pytest -m long || failed=1; \
	exit $$failed

test: venv  ## Runs the tests.
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

# The oldest versions that requirements.txt allows, and the newest with TensorFlow's next release.
test-oldest: PYTHON = python3.10
test-oldest: CHOICE = --resolution lowest-direct
test-newest: PYTHON = python3.13
test-newest: CHOICE = --override tests/newest.txt
test-oldest:  ## Runs the tests on the oldest packages that requirements.txt allows.
test-newest:  ## Runs the tests on the newest packages, with TensorFlow's next release.
test-oldest test-newest: test-%:
	$(PYTHON) -m venv --clear .venv-$*
	.venv-$*/bin/python -m pip --quiet install uv
	.venv-$*/bin/uv pip install --quiet --python .venv-$* $(CHOICE) -r requirements.txt
	.venv-$*/bin/uv pip install --quiet --python .venv-$* -r requirements-export.txt \
		-r requirements-ocr.txt -r requirements-dev.txt
	.venv-$*/bin/uv pip install --quiet --python .venv-$* --no-deps -r requirements-imgaug.txt
	.venv-$*/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile

mutants: venv  ## Finds out which mistakes in the code no test sees.
	$(BIN)/python tests/mutants.py

torture: venv  ## Kills 120 trainings at any moment, and resumes them.
	$(BIN)/python -m pytest -m "long or not long" tests/runs/test_resume.py --kills 120

reliability: venv  ## Counts the faults that runs survive, for the table in tests/README.md.
	$(BIN)/python -m pytest -m fault --kills 120 --junitxml runs/reliability.xml
	$(BIN)/python -m ae.maintain table --tests runs/reliability.xml

bench: venv  ## Compares the speed with PyTorch's and JAX's, and measures how cost grows.
	$(PIP) install -r requirements-bench.txt
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks growth
	$(BIN)/python -m benchmarks profile

lint: venv  ## Checks the form of the code.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The tested versions are those in the environment that `make test` uses.
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate \
	--python-version 3.11 --python-platform x86_64-unknown-linux-gnu -c $(VENV)/tested.txt

lock: venv  ## Writes the tested versions and their licences.
	$(PIP) install uv pip-licenses
	$(BIN)/python -m pip freeze > $(VENV)/tested.txt
	{ echo "# The tested set, for Python 3.11 on Linux, with hashes; made by \`make lock\`. Install it with"; \
	  echo "#     pip install --no-deps --require-hashes -r requirements-lock.txt"; \
	  $(COMPILE) requirements.txt requirements-export.txt requirements-ocr.txt requirements-dev.txt; \
	  $(COMPILE) --no-deps requirements-imgaug.txt; } > requirements-lock.txt
	$(BIN)/pip-licenses --order=name --with-system --packages \
		$$(sed -n 's/^\([A-Za-z0-9_.-]*\)==.*/\1/p' requirements-lock.txt) \
		| sed 's/^ //; s/ *$$//' > data/licences.txt

audit: venv  ## Looks for known weaknesses in the tested versions.
	$(PIP) install pip-audit
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements-lock.txt

venv: $(VENV)/.installed  ## Makes the environment .venv, with the packages that the lessons need.

$(VENV)/.installed: $(addprefix requirements,.txt -imgaug.txt -dev.txt -export.txt -ocr.txt)
	@$(PYTHON) -c "import sys; (3, 10) <= sys.version_info < (3, 14) or sys.exit('Python 3.10 to 3.13 is \
	needed, and $(PYTHON) is ' + sys.version.split()[0] + '; name another, as in: make PYTHON=python3.12 run')"
	@echo "Installing TensorFlow and the other packages into $(VENV): two minutes or more, once."
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -r requirements.txt -r requirements-export.txt -r requirements-ocr.txt \
		-r requirements-dev.txt
	$(PIP) install --no-deps -r requirements-imgaug.txt
	touch $@

# pip itself installs no folder that has neither a setup.py nor a pyproject.toml.
install:  ## Installs the checkout for another Python, without copying: PYTHON, and EXTRAS=export,ocr.
	$(PYTHON) -m pip install --quiet 'setuptools>=70.1'
	folder=$$(mktemp -d) && trap 'rm -r "$$folder"' EXIT && \
	$(PYTHON) -W ignore -c "import setuptools; setuptools.setup()" --quiet editable_wheel --dist-dir "$$folder" && \
	$(PYTHON) -m pip install "$$(echo "$$folder"/*.whl)$(EXTRAS:%=[%])" && \
	$(PYTHON) -m pip install --no-deps -r requirements-imgaug.txt

clean:  ## Deletes the environments and the runs.
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-newest runs .pytest_cache .ruff_cache

help:  ## Lists what make can do.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
