PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run check test test-oldest test-newest mutants torture reliability bench lint lock audit venv clean

PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

run: venv
	$(BIN)/python -m tutorials run --preset quick --out runs/quick
	$(BIN)/python -m tutorials report runs/quick

check: venv
	failed=0; \
	$(BIN)/python -m tutorials check --seeds 3 || failed=1; \
	$(BIN)/python -m tutorials parity || failed=1; \
	$(BIN)/python -m pytest -m long || failed=1; \
	exit $$failed

test: venv
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

# The oldest versions that requirements.txt allows, and the newest with TensorFlow's next release.
test-oldest: PYTHON = python3.10
test-oldest: CHOICE = --resolution lowest-direct
test-newest: PYTHON = python3.13
test-newest: CHOICE = --override tests/newest.txt
test-oldest test-newest: test-%:
	$(PYTHON) -m venv --clear .venv-$*
	.venv-$*/bin/python -m pip --quiet install uv
	.venv-$*/bin/uv pip install --quiet --python .venv-$* $(CHOICE) -r requirements.txt
	.venv-$*/bin/uv pip install --quiet --python .venv-$* -r requirements-dev.txt
	.venv-$*/bin/uv pip install --quiet --python .venv-$* --no-deps -r requirements-imgaug.txt
	.venv-$*/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile

mutants: venv
	$(BIN)/python tests/mutants.py

torture: venv
	$(BIN)/python -m pytest -m "long or not long" tests/runs/test_resume.py --kills 120

reliability: venv
	$(BIN)/python -m pytest -m fault --kills 120 --junitxml runs/reliability.xml
	$(BIN)/python -m ae.maintain table --tests runs/reliability.xml

bench: venv
	$(PIP) install -r requirements-bench.txt
	$(BIN)/python -m benchmarks

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The tested versions are those in the environment that `make test` uses.
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate \
	--python-version 3.11 --python-platform x86_64-unknown-linux-gnu -c $(VENV)/tested.txt

lock: venv
	$(PIP) install uv pip-licenses
	$(BIN)/python -m pip freeze > $(VENV)/tested.txt
	{ echo "# The tested set, for Python 3.11 on Linux, with hashes; made by \`make lock\`. Install it with"; \
	  echo "#     pip install --no-deps --require-hashes -r requirements-lock.txt"; \
	  $(COMPILE) requirements.txt requirements-dev.txt; \
	  $(COMPILE) --no-deps requirements-imgaug.txt; } > requirements-lock.txt
	$(BIN)/pip-licenses --order=name --with-system --packages \
		$$(sed -n 's/^\([A-Za-z0-9_.-]*\)==.*/\1/p' requirements-lock.txt) \
		| sed 's/^ //; s/ *$$//' > data/licences.txt

audit: venv
	$(PIP) install pip-audit
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements-lock.txt

venv: $(VENV)/.installed

$(VENV)/.installed: requirements.txt requirements-imgaug.txt requirements-dev.txt
	@$(PYTHON) -c "import sys; (3, 10) <= sys.version_info < (3, 14) or sys.exit('Python 3.10 to 3.13 is \
	needed, and $(PYTHON) is ' + sys.version.split()[0] + '; name another, as in: make PYTHON=python3.12 run')"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -r requirements.txt -r requirements-dev.txt
	$(PIP) install --no-deps -r requirements-imgaug.txt
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-newest runs .pytest_cache .ruff_cache
