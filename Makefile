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
# Containers as root only where root itself asks for it, and then by name.
INIT_FLAGS = $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help setup ready check-prereqs quickstart release images test bench fmt fmt-check clippy lint test-docs \
	test-all docs

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

quickstart: ready release images ## from a clean clone to a verified manifest, with the CPU reference backend
	$(if $(INIT_FLAGS),@echo "You are root: the containers run as root as well (--allow-root); still no capability.")
	$(LEMCTL) init $(INIT_FLAGS)
	$(LEMCTL) images build reference
	$(LEMCTL) check
	$(LEMCTL) campaign up campaigns/quickstart.yaml --yes
	$(LEMCTL) manifest verify quickstart
	@folder=$$(printf '%s\n' manifests/quickstart/*/ | sort | tail -n 1); \
		echo "sha256sum -c --ignore-missing SHA256SUMS    (in $$folder)"; \
		cd "$$folder" && sha256sum -c --quiet --ignore-missing SHA256SUMS && echo "sha256sum agrees."

release:
	cargo build --release --locked -p lemctl

images: ## build the static programs that go into the images, into images/dist
	RUSTFLAGS='-C target-feature=+crt-static' \
		cargo build --release --locked --target $(HOST) -p lem-agent -p lem-reference
	install -D -m 755 $(TARGET)/$(HOST)/release/lem-agent images/dist/lem-agent
	install -D -m 755 $(TARGET)/$(HOST)/release/lem-reference images/dist/lem-worker

test: ready fmt-check clippy images test-docs test-all ## everything: format, lints, unit, property, snapshot, CLI and Docker tests
	@echo "make test: format, lints, doc tests and all tests passed ($(if $(NEXTEST),cargo nextest,cargo test))."

fmt-check:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Before the others, so that the output ends with the long run's summary.
test-docs:
	cargo test --workspace --doc --locked

test-all:
	$(if $(NEXTEST),cargo nextest run --workspace --locked,cargo test --workspace --lib --bins --tests --locked --no-fail-fast)

bench: ready images ## the figures of docs/performance.md, measured on this machine
	cargo bench --locked -p lemctl --bench '*'

fmt: ## format the code
	cargo fmt --all

lint: fmt-check clippy ## format check, clippy, and shellcheck where it is installed
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run && echo "shellcheck: clean"; \
		else echo "shellcheck is not installed: scripts were not checked"; fi

docs: ## build the API documentation, warnings are errors
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
	@echo "$(TARGET)/doc/lemctl/index.html; the guide starts at docs/guide/1-install-and-quickstart.md"
