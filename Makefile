PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint venv clean

run: venv
	$(BIN)/python -m tutorials run --preset quick --out runs/quick

test: venv
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -m "not long"

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
