# make demo   fine-tunes a small model before your eyes
# make test   everything the project holds itself to, and its minutes by package
# make check-long   what takes too long for every make test, in parts
# make shader-report   what AMD's compiler, and naga and Tint, make of the kernels for GPUs
# make interop   PEFT and adapters, in Python, read what is written here, and the other way round
# make web    the page as a static folder, web/dist, which dept serve has inside
# All bring what a bare Debian or Ubuntu machine lacks.

.PHONY: demo test check-long interop shader-report lint build web

demo:
	@.ci/setup
	@dist/dept demo

# The page first, since programs embed it when they are built; then two packages at a
# time: a software adapter, or a browser on one, leaves a core idle much of the time.
test: lint
	@.ci/setup browser shaders
	go run ./web/build
	go run ./internal/minutes go test -p 2 -timeout 60m ./...

# PART=NAME is that part alone; scripts/check-long says which there are and what they
# take, such as FUZZ=900.
check-long:
	@.ci/setup shaders
	@scripts/check-long $(PART)

interop:
	@.ci/setup
	@scripts/check-long interop

shader-report:
	@.ci/setup shaders
	dist/dept shaders --write dist/shaders --model internal/shaderreport/t5-small.json
	go run ./internal/shaderreport dist/shaders
	go run ./internal/shaderreport -texts dist/shaders

# Both targets build and vet, and Windows' program builds where there is a compiler for it;
# nothing is left unformatted.
lint:
	@.ci/setup windows
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt these files"; exit 1; }
	go vet ./...
	GOOS=js GOARCH=wasm go build ./...
	GOOS=js GOARCH=wasm go vet $$(GOOS=js GOARCH=wasm go list ./... | grep -v /cmd/)
	go tool staticcheck ./...
	[ "$$(uname -s)" != Linux ] || CGO_ENABLED=1 GOOS=windows GOARCH=amd64 CC=x86_64-w64-mingw32-gcc go build -o dist/dept.exe ./cmd/dept

build:
	go build -o dist/dept ./cmd/dept

web:
	@.ci/setup page
	go run ./web/build
	go build -o dist/dept ./cmd/dept
