# What a target does stands behind ##; `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help test quick test-replay test-torch test-onnx test-numba test-jax test-browser test-firefox test-jupyterlab test-marimo lint lint-pages types table golden examples learning pictures lock audit mnist mnist-seeds mnist-plain playground bench bench-watching bench-peers bench-scale beside peers numpy-tests docs docs-html figures docs-test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.12 …')"
	$(PYTHON) -m venv $(VENV)
	$(if $(LOCKED),$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

test: $(VENV)/installed lint types ## lint, check the types, run the doctests and the tests (5 to 10 minutes on two cores)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

quick: NAME = $(patsubst test_%,%,$(basename $(notdir $(FILE))))
quick: $(VENV)/installed ## while you work on one file: make quick FILE=nn/losses.py lints it and runs its examples and tests
	@test -f "$(FILE)" || { echo "which file? make quick FILE=tests/test_engine.py"; exit 2; }
	$(BIN)/ruff check --quiet $(FILE)
	$(BIN)/ruff format --check --quiet $(FILE)
	$(BIN)/python -m pytest --exitfirst $(wildcard tests/test_$(NAME).py) tests/test_docstrings.py -k "$(NAME)"

test-torch: build/torch/installed ## take over models of PyTorch's and compare, in an environment with PyTorch
	build/torch/bin/python -m pytest tests/test_from_torch.py
	build/torch/bin/python -m pytest tests/test_docstrings.py -k "pytorch.md or torch_trace"

# the version that the table in docs/nn.md was taken with
build/torch/installed: pyproject.toml
	$(PYTHON) -m venv build/torch
	build/torch/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[torch]' torch==2.13.0 pytest hypothesis
	@touch $@

test-onnx: build/onnx/installed ## write models as files of ONNX and run them in onnxruntime, in an environment with both
	build/onnx/bin/python -m pytest tests/test_onnx.py
	build/onnx/bin/python -m pytest tests/test_docstrings.py -k "onnx.md"

build/onnx/installed: pyproject.toml
	$(PYTHON) -m venv build/onnx
	build/onnx/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[onnx,examples]' onnxruntime pytest hypothesis
	@touch $@

test-numba: build/numba/installed ## replay steps as loops that Numba compiles, in an environment with it (some minutes)
	build/numba/bin/python -m pytest tests/test_loops.py
	build/numba/bin/python -m pytest tests/test_replay.py tests/test_closed_world.py -k "numba and not random"

build/numba/installed: pyproject.toml
	$(PYTHON) -m venv build/numba
	build/numba/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[numba]' pytest hypothesis
	@touch $@

test-replay: $(VENV)/installed ## random trainings and programs beside their replays, thousands of them (half an hour); SEEDS=300 takes fewer
	SEEDS=$(or $(SEEDS),2000) $(BIN)/python -m pytest --numprocesses auto tests/test_closed_world.py tests/test_replay.py -k random

test-jax: build/jax/installed ## replay on JAX's devices, eight of them, and two processes (half an hour), in an environment with JAX
	build/jax/bin/python -m pytest tests/test_jax.py
	SEEDS=10 build/jax/bin/python -m pytest tests/test_replay.py tests/test_closed_world.py -k jax
	build/jax/bin/python -m pytest tests/test_docstrings.py -k "outgrow or xla or devices"

bench-scale: build/jax/installed ## time a step on 1, 2, 4 and 8 devices, and on paper on 64 GPUs: build/bench/scale.md (2 minutes)
	build/jax/bin/python -m tests.benchmarks.scale $(FLAGS)

build/jax/installed: pyproject.toml
	$(PYTHON) -m venv build/jax
	build/jax/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[jax,examples]' mpi4py mpich pytest hypothesis
	@touch $@

test-browser: docs ## look at the docs and step through steppers in Chromium; screenshots are kept in build/browser/
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[browser]'
	$(BIN)/python -m pytest tests/browser

test-firefox: build/firefox/installed ## use the pages in Firefox, if it is installed (a few minutes)
	@test -f build/mnist/model.safetensors || build/firefox/bin/python examples/mnist.py
	BROWSER=firefox build/firefox/bin/python -m pytest $(addprefix tests/browser/test_,$(addsuffix _browser.py,playground points stepper picture watching))

# the last version of Playwright that asks Firefox for nothing that it lacks
build/firefox/installed: pyproject.toml
	$(PYTHON) -m venv build/firefox
	build/firefox/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[browser,notebook,examples]' playwright==1.64.1 pytest hypothesis
	@touch $@

test-jupyterlab: build/jupyterlab/installed ## watch a training in a real JupyterLab, in an environment with one (a few minutes)
	build/jupyterlab/bin/python -m pytest tests/browser/jupyterlab.py

build/jupyterlab/installed: pyproject.toml
	$(PYTHON) -m venv build/jupyterlab
	build/jupyterlab/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[browser,notebook]' jupyterlab pytest hypothesis
	@touch $@

test-marimo: build/marimo/installed ## watch a training in marimo, in an environment with one (a minute)
	build/marimo/bin/python -m pytest tests/browser/marimo_notebook.py

build/marimo/installed: pyproject.toml
	$(PYTHON) -m venv build/marimo
	build/marimo/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[browser]' marimo pytest hypothesis
	@touch $@

lint: $(VENV)/installed lint-pages
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .

# a folder's scripts are joined to one page: they are checked together
lint-pages:
	@if ! command -v npm > /dev/null; then echo "lint left out the pages' JavaScript and CSS: there is no Node"; \
	elif ! $(MAKE) --silent node_modules/installed; then echo "lint left out the pages' JavaScript and CSS: npm failed"; \
	else node_modules/.bin/prettier --check --log-level warn 'tinygrad_edu/**/assets/*.{js,css}' 'docs/_static/*.css' && \
		for pages in playground watching graph/page graph/stepping; do \
			node_modules/.bin/tsc --noEmit --allowJs --checkJs --strict false --noUnusedLocals --noUnusedParameters \
				--target esnext --lib esnext,dom,dom.iterable tests/pages.d.ts tinygrad_edu/$$pages/assets/*.js || exit 1; done; fi

node_modules/installed: package.json
	@npm install --no-package-lock --no-audit --no-fund --silent && touch $@

# nn/ is installed as tinygrad_edu.nn: the type checker gets to see it there
types: $(VENV)/installed
	@rm -rf build/types && mkdir -p build/types/tinygrad_edu
	@ln -s $(CURDIR)/tinygrad_edu/* $(CURDIR)/nn build/types/tinygrad_edu/
	cd build/types && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml

table: $(VENV)/installed ## print every function with a derivative, its domain, and to which order it checks out
	$(BIN)/python tests/table.py $(FLAGS)

golden: $(VENV)/installed ## draw anew the pictures that the tests compare byte by byte, tests/golden/
	$(BIN)/python tests/golden_pictures.py

examples: $(VENV)/installed ## run the six examples, each with a figure in build/ (several minutes); FLAGS=--quick for seconds
	@for name in mnist_tuned 'mnist_tuned --shifts' mnist_cnn moons char_lm 'char_lm --transformer' gpt autoencoder; do \
		set -- $$name; example=$$1; shift; \
		$(BIN)/python examples/$$example.py --out "build/$$(echo $$name | tr -d ' ' )" $$* $(FLAGS) || exit 1; done

learning: $(VENV)/installed ## answer the video's questions: ten studies and a page of them, build/learning/index.html (under 10 minutes)
	@for name in cost descent gradient_vector architecture weights noise shuffled_labels structure minima smoothness; do \
		$(BIN)/python examples/learning/$$name.py $(FLAGS) || failed="$$failed $$name"; done; \
	$(BIN)/python examples/learning/page.py && test -z "$$failed"

pictures: learning ## draw the pictures of README and course anew, docs/pictures/ (under 10 minutes; another: bench)
	$(BIN)/python docs/page_pictures.py
	$(BIN)/python examples/neuron.py docs/pictures/neuron.svg
	$(BIN)/python examples/gallery.py
	cp build/gallery/digits_light.svg docs/pictures/network.svg
	for theme in light dark; do \
		for name in weights noise shuffled_labels; do cp build/learning/$$name/figure_$$theme.png docs/pictures/$${name}_$$theme.png; done; \
		for name in curve steps work; do cp build/learning/descent/$${name}_$$theme.svg docs/pictures/descent_$${name}_$$theme.svg; done; done

lock: ## write requirements.lock: what tests, docs and pages need, each version with its hashes (for CI: make test LOCKED=1)
	$(PYTHON) -m venv build/lock && build/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-tools
	build/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links \
		--unsafe-package tinygrad-edu --extra dev --extra docs --extra browser --output-file requirements.lock pyproject.toml

audit: ## ask whether a version in requirements.lock is known to be vulnerable
	$(PYTHON) -m venv build/lock && build/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	build/lock/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip

mnist: $(VENV)/installed ## train the digit classifier on MNIST (less than a minute); FLAGS='--help' lists its flags
	$(BIN)/python examples/mnist.py $(FLAGS)

mnist-seeds: $(VENV)/installed ## the same with the seeds 0 to 9, and a table of their accuracies (several minutes)
	$(BIN)/python examples/mnist_seeds.py $(FLAGS)

mnist-plain: $(VENV)/installed ## what the classifier reaches without the decaying rate and the penalty, three seeds
	$(BIN)/python examples/mnist_seeds.py --seeds 3 --out build/mnist-plain --schedule constant --weight-decay 0 --epochs 30 --lr 3

playground: $(VENV)/installed ## look into the digit classifier in a browser: build/playground.html; FLAGS=--open opens it
	@test -f build/mnist/model.safetensors || $(BIN)/python examples/mnist.py
	$(BIN)/python -m tinygrad_edu.playground $(FLAGS)

bench: $(VENV)/installed ## time ours against NumPy by hand, in under 3 minutes: a table and a figure in build/bench/
	$(BIN)/python -m tests.benchmarks $(FLAGS)

bench-watching: $(VENV)/installed ## time a watched step against one that is not, by turns (a minute)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.watching

bench-peers: build/peers/installed ## the same against PyTorch, JAX, HIPS autograd and MyGrad too, with one thread and with two
	build/peers/bin/python -m tests.benchmarks --threads 1 2 $(FLAGS)

beside: build/torch/installed ## draw five models of PyTorch's beside torchview and torchviz, build/beside/ (needs Graphviz's dot)
	build/torch/bin/python -m pip install --quiet --disable-pip-version-check torchview==0.2.7 torchviz==0.0.3
	build/torch/bin/python tests/beside_pictures.py

peers: build/peers/installed ## put the same small questions to the other libraries and to ours; run the guide to PyTorch
	build/peers/bin/python -W ignore tests/beside_peers.py
	build/peers/bin/python -m doctest -o ELLIPSIS docs/guides/pytorch.md

numpy-tests: $(VENV)/installed ## run NumPy's own tests with Tensors in place of arrays (several minutes); FLAGS=_core/tests/test_einsum.py for one file
	$(BIN)/python tests/against_numpy.py $(FLAGS)

build/peers/installed: pyproject.toml
	$(PYTHON) -m venv build/peers
	build/peers/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[peers]'
	@touch $@

docs: $(VENV)/installed ## build the course and the other pages, run the gallery, check the links (under 3 minutes): docs/_build/html/index.html
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@$(BIN)/python docs/build_pages.py

docs-html: docs ## the pages as one archive: build/docs-html.zip
	@cd docs/_build && $(CURDIR)/$(BIN)/python -m zipfile -c $(CURDIR)/build/docs-html.zip html
	@echo "build/docs-html.zip: unpack it and open html/index.html"

figures: $(VENV)/installed ## list every figure of the pages with the command that measured it; two that differ fail
	@$(BIN)/python docs/figures.py

docs-test: $(VENV)/installed ## run every block of code of the README, the docs and the docstrings
	$(BIN)/python -m pytest tests/test_docstrings.py

clean: ## remove what was built, and the virtual environment
	rm -rf build node_modules docs/_build docs/derivatives.md docs/gallery docs/course/*.svg docs/guides/*.svg docs/labs/*.svg docs/_static/first-* docs/_static/*.html $(VENV) *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
