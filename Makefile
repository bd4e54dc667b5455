# Everything a contributor needs. `make` alone explains the targets.
#
# The tools are pinned in tools/*.mod, apart from the product's modules; the
# first use builds them, later ones take them from Go's cache.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build generate checkgenerate baseline lint setup test bench demo run faults clean wordpress-plugin

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
buf := go tool -modfile=tools/buf.mod buf
staticcheck := go tool -modfile=tools/lint.mod staticcheck

help: ## explain the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

build: ## the programs as static binaries in bin/
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

wordpress-plugin: ## the WordPress plugin with the PHP client in it, as bin/postilion-wordpress.zip
	go run ./sdk/wordpress/pack -o bin/postilion-wordpress.zip

# The descriptor set is for compilers that are too old for an option of our
# protos, such as Debian 12's protoc for Python's stubs. Those work with all
# later versions of Python's protobuf, too.
generate: ## what is made of proto/: Go code and a descriptor set in proto/gen, Python's stubs, Node's copy
	$(buf) generate
	$(buf) build --exclude-source-info --as-file-descriptor-set -o proto/gen/postilion.binpb
	$(call pythonstubs,sdk/python)
	rm -rf sdk/node/lib/proto/postilion/v1 && cp -r proto/postilion/v1 sdk/node/lib/proto/postilion/v1

pythonstubs = protoc --descriptor_set_in=proto/gen/postilion.binpb --python_out=$(1) --pyi_out=$(1) --grpc_out=$(1) \
	--plugin=protoc-gen-grpc="$$(command -v grpc_python_plugin)" $$(cd proto && printf '%s ' postilion/v1/*.proto)

checkgenerate: ## fail if proto/gen is not what proto/ gives
	@made=$$(mktemp -d); trap 'rm -rf "$$made"' EXIT; \
	$(buf) generate -o "$$made"; \
	$(buf) build --exclude-source-info --as-file-descriptor-set -o "$$made/proto/gen/postilion.binpb"; \
	mkdir "$$made/python" && $(call pythonstubs,"$$made/python"); \
	diff -r proto/gen "$$made/proto/gen" && diff -r -x __init__.py -x __pycache__ sdk/python/postilion/v1 "$$made/python/postilion/v1" && \
	diff -r proto/postilion/v1 sdk/node/lib/proto/postilion/v1 || { echo "what is made of proto/ is stale: make generate"; exit 1; }

baseline: ## make today's API the one that changes are compared with
	$(buf) build --exclude-source-info -o proto/baseline.binpb
	@echo "Say in CHANGELOG.md what breaks for whom, with the words:"
	@echo "API baseline $$(sha256sum proto/baseline.binpb | cut -c1-16)"

lint: checkgenerate ## format, vet, staticcheck, the API's style and compatibility, import rules
	@bad=$$(gofmt -l .); [[ -z $$bad ]] || { echo "not formatted: gofmt -w" $$bad; exit 1; }
	go vet ./...
	$(staticcheck) ./...
	$(buf) lint
	$(buf) breaking --against proto/baseline.binpb
	go test ./internal/lint

setup: ## install the Debian packages that the tests use (as root)
	scripts/setup

test: setup lint ## lint, then all tests with the race detector
	go test -race -timeout 20m -p 2 ./...

bench: setup ## compare with other mailers on this machine, and print the tables
	go run ./bench $(BENCH)
	go test ./test/wordpress -run '^$$' -bench . -benchtime 3x

demo: build ## a daemon, a mail server, three messages: see it work
	go run ./examples/demo

run: build ## a daemon that keeps mail instead of sending it, in .run/
	bin/postilion serve --data-dir .run

faults: setup ## kill the daemon at random moments N times (default 100) under load, and account for every message
	go run ./test/kill/faults -n $(or $(N),100)

clean: ## remove what was built
	rm -rf bin .run
