# The targets are listed by `make help`. Every target makes .venv when it needs it.

PYTHON ?= python3
PYTEST_ARGS ?=
FUZZ_ARGS ?= -max_total_time=60

venv := .venv
bin := $(venv)/bin
# .venv is what requirements/dev.txt and pyproject.toml ask for while this file is newer than they are.
stamp := $(venv)/.installed
# What only some targets need is added when they need it.
lint_tools := $(venv)/.lint
fuzz_tools := $(venv)/.fuzz
recipe_tools := $(venv)/.recipes
# Exactly the files that were tested: a digest for each, nothing that they do not name.
install := -m pip install --no-deps --require-hashes

# A pip of another setting must not change what is installed, or where.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_USER := 0

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help kernels demo test test-quick lint format conformance fuzz bench chaos soak wheel stubs go-stubs grpc-tools deploy-tools cluster-tools recipe-tools pins image-check clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
		while IFS='|' read -r target text; do printf '%-20s %s\n' "$$target" "$$text"; done

kernels: $(stamp) ## Compile the kernels of the batch engine, where they have changed.
	@$(bin)/python -m sigmac.runtime.engine.machine_code.ahead_of_time

demo: kernels ## Build the example rules, run them over example events, then over a broker's topics.
	$(bin)/sigmac build rules/examples -o build/demo --pipeline windows --pipeline rules/pipelines/demo.yml
	$(bin)/sigmac run build/demo rules/events/demo.ndjson
	$(bin)/python deploy/demo/stream.py

# Tests run in one process more than there are cores; TEST_JOBS=0 runs them in one, as a debugger wants it.
TEST_JOBS ?= auto
pytest := -m pytest --numprocesses=$(TEST_JOBS) --dist=worksteal

test: kernels ## Run the tests. PYTEST_ARGS="-k pack -x" goes to pytest.
	@$(bin)/python $(pytest) $(PYTEST_ARGS)

# What starts no service, no shell and no build of a wheel, and a slice of the laws.
quick := $(addprefix tests/unit/,test_layout.py compiler $(addprefix runtime/,scalar pack inputs engine stream)) \
	tests/property/test_optimizer.py tests/property/test_pack_equivalence.py

test-quick: kernels ## Run the tests that tell most in a minute: for the loop of a developer.
	@$(bin)/python $(pytest) --hypothesis-profile=quick -m "not slow" $(quick) $(PYTEST_ARGS)

lint: $(lint_tools) ## Check style, format and types.
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy

format: $(lint_tools) ## Format the code and mend what can be mended by itself.
	$(bin)/ruff check --fix
	$(bin)/ruff format

conformance: kernels ## Compile and run the public rule sets and list every difference.
	$(bin)/python -m tests.conformance

fuzz: kernels $(fuzz_tools) ## Fuzz packs, readers and the batch engine, and look for counterexamples of all laws. FUZZ_ARGS="-max_total_time=600" goes to libFuzzer.
	$(bin)/python -m tests.fuzz.fuzz_packs
	$(bin)/python -m tests.fuzz.fuzz_batch
	$(bin)/python -m tests.fuzz.fuzz_readers
	$(bin)/python -m tests.fuzz.fuzz_kernels $(FUZZ_ARGS)
	$(bin)/python $(pytest) --hypothesis-profile=search tests/property

bench: kernels ## Measure speed and memory and print the figures.
	$(bin)/python -m bench

chaos: kernels ## Kill the service 1,000 times and compare what came out with what went in.
	$(bin)/python -m tests.integration.chaos --kills 1000 --report .cache/chaos.json

soak: kernels ## Run the service for an hour of either delivery, with a fault every minute.
	$(bin)/python -m tests.integration.chaos --minutes 60 --report .cache/soak.json

wheel: $(stamp) ## Build dist/sigmac-*.whl.
	$(bin)/python -m build --wheel --no-isolation

grpc_tools := .cache/grpc-tools-1
STUBS ?= .

stubs: $(grpc_tools)/.installed ## Make the gRPC stubs anew from control.proto.
	@mkdir -p $(STUBS)
	$(grpc_tools)/bin/python -m grpc_tools.protoc -I . --python_out=$(STUBS) --pyi_out=$(STUBS) \
		--grpc_python_out=$(STUBS) sigmac/runtime/service/control/control.proto

go_tools := $(CURDIR)/.cache/go-tools-1
go_module := sigmac/clients/go/sigma
GO_STUBS ?= clients/go/sigma

go-stubs: $(grpc_tools)/.installed $(go_tools)/protoc-gen-go ## Make those of the Go package, which needs Go.
	@mkdir -p $(GO_STUBS)
	$(grpc_tools)/bin/python -m grpc_tools.protoc -I . --plugin=$(go_tools)/protoc-gen-go --go_out=$(GO_STUBS) \
		--go_opt=module=$(go_module) --go_opt=Msigmac/runtime/service/control/control.proto=$(go_module)/internal/wire \
		sigmac/runtime/service/control/control.proto

$(go_tools)/protoc-gen-go: clients/go/sigma/go.mod
	@cd clients/go/sigma && GOBIN=$(go_tools) go install google.golang.org/protobuf/cmd/protoc-gen-go

grpc-tools: $(grpc_tools)/.installed ## Install what makes the stubs, 10 MB: `make test` checks them where it is there.

$(grpc_tools)/.installed: requirements/stubs.txt
	@$(PYTHON) -m venv --clear $(grpc_tools)
	@$(grpc_tools)/bin/python $(install) --quiet --only-binary :all: --retries 1 -r $<
	@touch $@

deploy_tools := .cache/deploy-tools-1

deploy-tools: $(deploy_tools)/.installed ## Install what knows the formats of deploy/ and of CI, 45 MB: `make test` asks it where it is there.

$(deploy_tools)/.installed: requirements/deploy.txt
	@$(PYTHON) -m venv --clear $(deploy_tools)
	@$(deploy_tools)/bin/python $(install) --quiet --only-binary :all: --retries 1 -r $<
	@touch $@

cluster := .cache/cluster-1

cluster-tools: $(cluster)/.installed ## Install Quix Streams beside sigmac, 230 MB: `make test` runs the second stage where it is there.

$(cluster)/.installed: requirements/cluster.txt
	@$(PYTHON) -m venv --clear $(cluster)
	@$(cluster)/bin/python $(install) --quiet --only-binary :all: --retries 1 -r $<
	@echo "$(CURDIR)" > "$$($(cluster)/bin/python -c 'import site; print(site.getsitepackages()[0])')/sigmac.pth"
	@touch $@

# The files of pins, from what pyproject.toml asks for. What lies in one environment, or in the image, agrees with dev.txt.
pin_tools := .cache/pin-tools-1
pin = $(pin_tools)/bin/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 \
	--no-annotate --generate-hashes --custom-compile-command "make pins" $(PINS_ARGS)
PINS_ARGS ?=

pins: $(pin_tools)/.installed ## Pin what pyproject.toml asks for. PINS_ARGS=--upgrade takes the newest versions.
	$(pin) pyproject.toml --extra all --group test --output-file requirements/dev.txt
	$(pin) pyproject.toml --constraint requirements/dev.txt --output-file requirements/consumer.txt
	$(pin) pyproject.toml --constraint requirements/dev.txt --extra kafka --extra service --extra signing \
		--extra tracing --output-file deploy/requirements.txt
	$(pin) pyproject.toml --extra cluster --extra kafka --extra service --extra signing \
		--output-file requirements/cluster.txt
	for group in build fuzz lint recipes; do $(pin) --group $$group --constraint requirements/dev.txt \
		--output-file requirements/$$group.txt || exit; done
	for group in deploy pins stubs; do $(pin) --group $$group --output-file requirements/$$group.txt || exit; done

$(pin_tools)/.installed: requirements/pins.txt
	@$(PYTHON) -m venv --clear $(pin_tools)
	@$(pin_tools)/bin/python $(install) --quiet --only-binary :all: -r $<
	@touch $@

image-check: wheel ## Install what the image holds into .cache/image, check it and print its size.
	deploy/install.sh "$$(ls -t dist/sigmac-*.whl | head -n 1)" .cache/image
	.cache/image/bin/python deploy/image_check.py

clean: ## Remove all that was made, except .venv and build/README.md.
	rm -rf .cache .hypothesis dist sigmac.egg-info runtime/engine/native
	find build -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
	find . -path ./$(venv) -prune -o -type d -name __pycache__ -exec rm -rf {} +

$(stamp): requirements/dev.txt pyproject.toml setup.cfg
	@command -v $(PYTHON) >/dev/null || { \
		echo "sigmac needs Python 3.11 or newer; there is no $(PYTHON) here." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
		"sigmac needs Python 3.11 or newer; $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12 ..." % v[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu install python3-venv." >&2; exit 1; }
	@echo "Making $(venv): the pinned packages are about 180 MB to download the first time." >&2
	@$(PYTHON) -m venv --clear $(venv)
	@quiet=--quiet; test -t 2 && quiet=; \
		$(bin)/python $(install) $$quiet -r requirements/dev.txt && \
		$(bin)/python -m pip install --quiet --no-deps --no-build-isolation -e . && \
		$(bin)/python -m pip check >&2
	@touch $@

recipe-tools: $(recipe_tools) ## Install what docs/recipes.md shows, 70 MB: `make test` runs that page where it is there.

$(recipe_tools): requirements/recipes.txt $(stamp)
	@$(bin)/python $(install) --quiet -r $<
	@touch $@

$(lint_tools): requirements/lint.txt $(stamp)
	@$(bin)/python $(install) --quiet -r $<
	@touch $@

$(fuzz_tools): requirements/fuzz.txt $(stamp)
	@$(bin)/python $(install) --quiet -r $<
	@touch $@
