//go:build !js

package pagetest

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/browsertest"
)

// host serves a folder under a path of its own, as web servers do that know nothing of
// the page: Go's own, which redirects index.html, strict about types, with one that is
// wrong for wasm. It can be stopped, and started again with another folder.
type host struct {
	address string // kept from start to start, since it is the page's origin
	server  *http.Server

	mu    sync.Mutex
	asked []string // since it was looked at last: files, with their query
}

const (
	underPath = "/some/where/"
	// As docs/page.md gives it, but for the last part, which comes in the course of the test.
	hostPolicy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; " +
		"connect-src 'self' https://huggingface.co https://*.huggingface.co https://*.hf.co; base-uri 'none'; form-action 'none'"
)

func (h *host) start(t *testing.T, files fs.FS, policy string) {
	t.Helper()
	if h.address == "" {
		h.address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", h.address)
	require.NoError(t, err)
	h.address = listener.Addr().String()
	folder := http.StripPrefix(strings.TrimSuffix(underPath, "/"), http.FileServerFS(files))
	h.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.asked = append(h.asked, strings.TrimPrefix(r.URL.RequestURI(), underPath))
		h.mu.Unlock()
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.HasSuffix(r.URL.Path, ".wasm") {
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		folder.ServeHTTP(w, r)
	})}
	go h.server.Serve(listener)
	t.Cleanup(func() { h.server.Close() })
}

func (h *host) stop() { h.server.Close() }

// requests are what was asked of it since it was last called.
func (h *host) requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.asked
	h.asked = nil
	return asked
}

// builtPage builds the page and reads it.
func builtPage(t *testing.T) fstest.MapFS {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	for _, dir := range []string{"web/src", "web/article", "web/build", "wasm", "wgpu", "shaders", "tensor", "nn", "t5", "text", "safetensors", "torchbin", "dept"} {
		browsertest.LookAt(t, filepath.Join(root, dir))
	}
	build := exec.Command("go", "run", "./web/build")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	page := fstest.MapFS{}
	dist := os.DirFS(filepath.Join(root, "web/dist"))
	require.NoError(t, fs.WalkDir(dist, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(dist, name)
		page[name] = &fstest.MapFile{Data: content}
		return err
	}))
	return page
}

var versionPattern = regexp.MustCompile(`const version = "([0-9a-f]{16})"`)

func versionOf(t *testing.T, page fstest.MapFS) string {
	t.Helper()
	found := versionPattern.FindSubmatch(page["sw.js"].Data)
	require.NotNil(t, found)
	return string(found[1])
}

// rebuilt is the page with marks on its files, as another build with another version.
func rebuilt(t *testing.T, page fstest.MapFS, version string, marks map[string]string) fstest.MapFS {
	t.Helper()
	other := maps.Clone(page)
	worker := string(page["sw.js"].Data)
	for name, mark := range marks {
		content := append(append([]byte{}, page[name].Data...), mark...)
		was, is := fmt.Sprintf("%x", sha256.Sum256(page[name].Data)), fmt.Sprintf("%x", sha256.Sum256(content))
		require.Contains(t, worker, was, name)
		worker = strings.Replace(worker, was, is, 1)
		other[name] = &fstest.MapFile{Data: content}
	}
	was := versionOf(t, page)
	other["sw.js"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(worker, was, version))}
	for _, name := range []string{"index.html", "workshop.html"} {
		other[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(string(page[name].Data), was, version))}
	}
	return other
}

// build says of which build the page's parts are, by their marks.
func (p tab) build() string {
	p.Helper()
	return js[string](p, `[window.build ?? "one", getComputedStyle(document.documentElement).getPropertyValue("--build").trim() || "one"].join(" ")`)
}

func (p tab) untilKept() {
	p.Helper()
	p.until(`document.getElementById("offline").textContent.includes("offline")`)
}

// untilReady waits for the model.
func (p tab) untilReady() {
	p.Helper()
	p.until(`document.getElementById("status").className === "error" || document.getElementById("status").textContent.includes("Ready")`)
	require.Contains(p, p.text("status"), "Ready")
}

// answers has the model answer a sentence.
func (p tab) answers(sentence string) string {
	p.Helper()
	const answered = `document.getElementById("answer").textContent !== ""`
	p.until(answered) // what the page itself asks
	js[bool](p, `(document.getElementById("answer").textContent = "") === ""`)
	p.set("sentence", sentence)
	p.until(answered)
	return p.text("answer")
}

// After a visit the page opens without its server, whole and of one build, whichever
// was there last; with its server it is always that server's.
func TestOffline(t *testing.T) {
	one := builtPage(t)
	two := rebuilt(t, one, "2222222222222222", map[string]string{
		"main.js": "\nwindow.build = \"two\";", "style.css": "\n:root { --build: two }", "worker.js": "\n// two",
	})
	h := &host{}
	h.start(t, one, hostPolicy)
	ctx, closeTab := chromedp.NewContext(browsertest.Chromium(t), chromedp.WithNewBrowserContext())
	console := chromedp.Console(ctx)
	heard := make(chan struct{})
	t.Cleanup(func() {
		closeTab()
		<-heard
	})
	go func() {
		defer close(heard)
		for m, err := range console {
			if err != nil {
				return
			}
			if m.IsException() {
				t.Errorf("console: %s", m)
				continue
			}
			t.Logf("console: %s", m) // that the server does not answer is one
		}
	}()
	p := tab{T: t, ctx: ctx}
	open := func(page string) {
		t.Helper()
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("http://"+h.address+underPath+page)))
	}
	// again opens the page in a tab that has no other one of it.
	again := func() {
		t.Helper()
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank")))
		open("workshop.html")
	}
	kept := func() []string {
		t.Helper()
		return js[[]string](p, `caches.keys().then((names) => names.filter((n) => n.startsWith("go-dept page")))`)
	}

	open("workshop.html#steps=7")
	p.untilReady()
	p.untilKept()
	sentence := "our hopeless violin was blissfully at home"
	answer := p.answers(sentence)
	require.Len(t, kept(), 1)
	require.Contains(t, kept()[0], underPath+" "+versionOf(t, one))
	h.requests()

	// The second visit takes from the server what it must: whether there is something new.
	again()
	p.untilReady()
	for _, asked := range h.requests() {
		assert.NotRegexp(t, `main\.js|\.wasm|recorded`, asked, "kept, and asked for again")
	}
	// The pages that are their server's are its own in everything.
	open("bench.html?matmul=2x2x2")
	p.until(`window.benchResult !== undefined`)
	asked := h.requests()
	for _, name := range []string{"bench.html?matmul=2x2x2", "bench.js", "style.css", "worker.js", "wasm_exec.js", "dept.wasm"} {
		assert.Contains(t, asked, name)
	}

	h.stop()
	again()
	p.untilReady()
	assert.Equal(t, "one one", p.build())
	assert.Equal(t, answer, p.answers(sentence), "without the server")
	open("workshop.html?record#steps=7")
	p.until(`document.getElementById("steps")?.value === "7"`)

	// Another build of which half has arrived is none.
	half := maps.Clone(two)
	half["style.css"] = one["style.css"]
	h.start(t, half, hostPolicy)
	require.True(t, js[bool](p, `navigator.serviceWorker.getRegistration().then(async (r) => {
		await r.update();
		const worker = r.installing;
		while (worker.state === "installing") await new Promise((wait) => setTimeout(wait, 50));
		return worker.state === "redundant";
	})`), "it is not installed")
	require.Len(t, kept(), 1)
	h.stop()
	again()
	p.untilReady()
	assert.Equal(t, "one one", p.build())

	// All of it is what is seen from the first visit on, and then kept.
	h.start(t, two, hostPolicy)
	h.requests()
	again()
	assert.Equal(t, "two two", p.build())
	p.untilReady()
	for _, asked := range h.requests() {
		assert.NotContains(t, asked, versionOf(t, one))
	}
	p.until(`caches.keys().then((names) => names.some((n) => n.endsWith("2222222222222222")) && caches.match("workshop.html?2222222222222222").then(Boolean))`)
	h.stop()
	again()
	p.untilReady()
	assert.Equal(t, "two two", p.build())
	assert.Equal(t, answer, p.answers(sentence))
	// The old build goes once none of its tabs is left, which may take another visit where the
	// browser was slow to close one.
	for visits := 0; visits < 3 && len(kept()) > 1; visits++ {
		again()
		p.untilReady()
	}
	p.until(`caches.keys().then((names) => names.filter((n) => n.startsWith("go-dept page")).length === 1)`)

	// What the server forbids or allows holds at once, for what is kept, too.
	h.start(t, two, hostPolicy+"; frame-ancestors 'none'")
	again()
	p.until(`caches.match("worker.js?2222222222222222").then((r) => r?.headers.get("Content-Security-Policy").includes("frame-ancestors") ?? false)`)

	// Where something else is served by now, it is seen.
	h.stop()
	h.start(t, fstest.MapFS{"workshop.html": {Data: []byte("<!doctype html><title>Another</title>")}}, hostPolicy)
	again()
	assert.Equal(t, "Another", js[string](p, `document.title`))
	h.stop()
}
