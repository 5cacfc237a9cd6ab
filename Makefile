# make quickstart   a venv, an install, a model trained on built-in stories, and a story that it wrote
# make test         the tests           make check   ruff, mypy, import boundaries
# make soak         the tests that take long: large matrices of cases, a compiled training

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: quickstart quickstart_arabic test soak check format screenshots clean

quickstart quickstart_arabic: $(VENV)/installed
	$(BIN)/slm-tui run $@
	$(BIN)/slm-tui generate $@

test: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest

soak: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -m slow

check: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-for-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(VENV)/installed
	$(BIN)/python docs/screenshots.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache dist

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	touch $@

$(VENV)/installed-for-tests: $(VENV)/installed
	$(INSTALL) --editable '.[test,check]'
	touch $@
