# Everything from a fresh clone: `make demo` and `make test` make .venv, install what is needed, and go.
#
#   PYTHON=python3.12     the Python to make .venv with (default: python3, else the newest from 3.11 on)
#   VENV=.venv            where to make it
#   TORCH_INDEX=URL       the package index for PyTorch on Linux (default: PyTorch's CPU builds);
#                         empty takes the usual index, whose Linux builds bring several GB of CUDA
#   PYTEST="-k reader"    more arguments for pytest
#   REPORT="--fovs 47"    arguments of scripts/benchmark_report.py

VENV ?= .venv
export VENV
BIN := $(VENV)/bin
DISPLAYED := scripts/with-display.sh
INSTALL := scripts/install.sh
INPUTS := constraints.txt pyproject.toml scripts/install.sh scripts/make-venv.sh

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What is installed ------------------------------------------------------------------------------------------------

.PHONY: system
system:
	@scripts/system-deps.sh

$(VENV)/.made: scripts/make-venv.sh | system
	@scripts/make-venv.sh

$(VENV)/.test: $(INPUTS) $(VENV)/.made
	@$(INSTALL) test

$(VENV)/.lint: $(VENV)/.test
	@$(INSTALL) lint

$(VENV)/.docs: $(VENV)/.test
	@$(INSTALL) docs

$(VENV)/.bench: $(VENV)/.test
	@$(INSTALL) bench

$(VENV)/.dev: $(VENV)/.test
	@$(INSTALL) dev

.PHONY: dev
dev: $(VENV)/.dev ## Install everything a developer needs, and the pre-commit hooks
	$(BIN)/pre-commit install

# What it is for ---------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.test ## Restore the sample and open napari on it (without a display: draw a figure)
	$(BIN)/napari-w2s demo --output demo

.PHONY: test
test: $(VENV)/.test ## Run the tests
	$(DISPLAYED) $(BIN)/python -m pytest $(PYTEST)

.PHONY: coverage
coverage: $(VENV)/.test ## Run the tests and say what they do not reach
	$(DISPLAYED) $(BIN)/python -m pytest --cov --cov-report=term --cov-report=html $(PYTEST)

.PHONY: lint style types contract manifest
lint: style types contract manifest ## Check style, types, the import rule and the plugin manifest

style: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.lint
	$(BIN)/mypy

contract: $(VENV)/.lint
	$(BIN)/lint-imports --no-logo

manifest: $(VENV)/.test
	$(DISPLAYED) $(BIN)/npe2 validate --imports napari_w2s

.PHONY: format
format: $(VENV)/.lint ## Put the code into shape
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

.PHONY: bench
bench: $(VENV)/.bench ## Measure the engine against its alternatives and write the table to docs/
	$(DISPLAYED) $(BIN)/python -m benchmarks

.PHONY: tables
tables: $(VENV)/.bench ## Measure on real images (W2S_ROOT) and write the tables of quality to docs/
	$(BIN)/python -m benchmarks.empty_field
	$(BIN)/python -m benchmarks.trust_shares "$(W2S_ROOT)"
	$(BIN)/python -m benchmarks.frc_with_reference "$(W2S_ROOT)"
	$(BIN)/python -m benchmarks.exchange "$(W2S_ROOT)"
	$(BIN)/python -m benchmarks.precision "$(W2S_ROOT)"
	$(BIN)/python -m benchmarks.classical_denoisers "$(W2S_ROOT)" --docs docs/denoisers-table.md

.PHONY: report
report: $(VENV)/.bench ## Measure the models on held-out W2S fields (W2S_ROOT) and write the page of results to docs/
	$(BIN)/python scripts/benchmark_report.py $(REPORT)

.PHONY: docs
docs: $(VENV)/.docs ## Build the documentation in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

.PHONY: screenshots
screenshots: $(VENV)/.test ## Make the pictures of the documentation anew
	$(DISPLAYED) $(BIN)/python scripts/screenshots.py
	$(DISPLAYED) $(BIN)/python scripts/train_screenshots.py

.PHONY: constraints
constraints: ## Pin the newest versions that fit together in constraints.txt
	scripts/make-constraints.sh

.PHONY: clean
clean: ## Remove what was made here, .venv too
	rm -rf $(VENV) site demo build dist htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find src tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +
