# Tidemill. Two commands on a fresh machine: `make demo` and `make test`.
# Needed beforehand: Go, a C++ compiler, git. Everything else comes through `go`, and psql for the wire tests from Debian's packages where apt-get is there.

GO       ?= go
BIN      := bin/tidemill
STATIC   := $(GO) tool staticcheck
PACKAGES := ./...
ifeq ($(shell $(GO) env GOOS),linux)
SHARED   := .cache/libduckdb.so
FAST     := CGO_LDFLAGS="-L$(CURDIR)/.cache -Wl,-rpath,$(CURDIR)/.cache"
FASTTAGS := -tags duckdb_use_lib
endif

.PHONY: build demo test check quick crash bench clean tools

build:
	$(GO) build -o $(BIN) ./cmd/tidemill

## demo: a node with the greenhouse example and live data; open the address it prints
demo: build
	./$(BIN) demo

## test: everything, with the race detector; the packages that take longest begin
test: tools
	$(GO) build -o $(BIN) ./cmd/tidemill
	$(GO) test -race -timeout 25m ./test/slt ./internal/dataflow $(PACKAGES)

## check: format, vet, staticcheck, import policy, quick tests
check: quick
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(STATIC) $(PACKAGES)

quick: $(SHARED)
	$(FAST) $(GO) test $(FASTTAGS) -short -timeout 5m ./internal/... ./test/house

## crash: kills nodes for as long as FOR says, and says what held
FOR      ?= 1h
crash:
	$(GO) test ./test/crash -run TestKilled -v -timeout 0 -crash.for=$(FOR)

# Each test binary with DuckDB in it takes seconds to link; for quick tests on Linux they share it as a library, made from the very archives that are linked
# into the program.
.cache/libduckdb.so: go.mod
	mkdir -p .cache
	set -e; dir=$$($(GO) list -m -f '{{.Dir}}' github.com/duckdb/duckdb-go-bindings/lib/linux-$$($(GO) env GOARCH)); \
	$(CXX) -shared -o $@ -Wl,--whole-archive "$$dir"/libduckdb_static.a "$$dir"/lib*_extension.a "$$dir"/libduckdb_generated_extension_loader.a -Wl,--no-whole-archive \
		-Wl,--start-group $$(ls "$$dir"/libduckdb_*.a | grep -v -e static -e jemalloc -e loader) -Wl,--end-group -Wl,--allow-multiple-definition -lpthread -ldl -lm

## bench: the benchmark tables
bench: build
	./$(BIN) bench nexmark
	./$(BIN) bench delta
	./$(BIN) bench ingest
	./$(BIN) bench freshness
	./$(BIN) bench pointread

## tools: clients that the wire tests use, where they can be installed
tools:
	@if ! command -v psql >/dev/null 2>&1; then \
		if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
			echo "installing postgresql-client (Debian package) for the wire tests"; apt-get update -qq && apt-get install -y -qq postgresql-client >/dev/null; \
		else echo "psql is not installed: tests that use it are skipped"; fi; fi

clean:
	rm -rf bin .cache tidemill-data
