PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run check test torture bench lint venv clean

run: venv
	$(BIN)/python -m tutorials run --preset quick --out runs/quick
	$(BIN)/python -m tutorials report runs/quick

check: venv
	$(BIN)/python -m tutorials check --seeds 3
	$(BIN)/python -m tutorials parity
	$(BIN)/python -m pytest -m long

test: venv
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -m "not long"

torture: venv
	$(BIN)/python -m pytest tests/test_resume.py --kills 120

bench: venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	$(BIN)/python -m benchmarks

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

venv: $(VENV)/.installed

$(VENV)/.installed: requirements.txt requirements-imgaug.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-imgaug.txt
	touch $@

clean:
	rm -rf $(VENV) runs .pytest_cache .ruff_cache
