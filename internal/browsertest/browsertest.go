//go:build !js

// Package browsertest runs a package's tests, compiled to wasm, in headless
// Chromium, from an ordinary native go test: the same test code on the browser's
// WebGPU.
package browsertest

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

//go:embed page
var page embed.FS

// policy is the strictest under which the page works; the library must run
// under it.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'; img-src data:"

// Chromium is a browser of Start's that is closed when the test ends. A machine
// without Chromium fails the test, and says how to get it.
func Chromium(t testing.TB) context.Context {
	t.Helper()
	browser, stop, err := Start()
	t.Cleanup(stop)
	require.NoError(t, err)
	return browser
}

// Start starts a headless Chromium with WebGPU on its software adapter and returns a
// chromedp context of it; chromedp.NewContext opens tabs on that. stop closes it, and
// is to be called after an error, too. That says how to get a Chromium where there is none.
func Start() (browser context.Context, stop func(), err error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.Flag("headless", "new"),
		chromedp.NoSandbox, // containers have no user namespaces
		chromedp.Flag("enable-unsafe-webgpu", true),
		chromedp.Flag("use-webgpu-adapter", "swiftshader"),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	browser, closeBrowser := chromedp.NewContext(allocator)
	stop = func() {
		closeBrowser()
		stopAllocator()
	}
	err = chromedp.Do(browser)
	switch {
	case errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("this needs Chromium: install it (Debian: apt-get install chromium) or Google Chrome: %w", err)
	case err != nil:
		err = fmt.Errorf("start Chromium: %w", err)
	}
	return browser, stop, err
}

// How many pipelines the browser tests may compile, since each takes up to a second
// there. The page's grow with the methods in its menu, which have kernels of their own,
// and with the devices of a visit: it compiles 39 for its first run, 20 for an adapter that
// comes after the device was lost, 39 for a run in a second tab, and 39 more for a run that
// goes on after a reload.
const (
	MostPipelines      = 200 // of this package's tests
	MostPipelinesOfAll = 320 // of them with -all
	MostPagePipelines  = 200 // of the page's
)

// Tests says which tests of a package to run, and where.
type Tests struct {
	Dir    string   // the package's folder, seen from the calling test
	Args   []string // of the test binary, such as -test.run=Golden
	Window bool     // in a page's window; otherwise in a dedicated worker
	// Line, if not nil, sees the output as it comes.
	Line func(string)
}

// Run compiles a package's tests to wasm and runs them in a tab of their own.
// They read files from the package's testdata and from $DEPT_GOLDEN, and write
// none. Their output goes to t's log; if they fail, t does. It returns how many
// pipelines they compiled.
func Run(t *testing.T, browser context.Context, tests Tests) (pipelines int) {
	t.Helper()
	for _, dir := range []string{"wgpu", "shaders", "tensor", "nn", "t5", "text", "safetensors", "torchbin", "dept", "wasm"} {
		LookAt(t, filepath.Join("../..", dir))
	}
	binary := filepath.Join(t.TempDir(), "test.wasm")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Dir = tests.Dir
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("compile the tests of %s to wasm: %v\n%s", tests.Dir, err, out)
	}
	server := httptest.NewServer(handler(t, tests, binary))
	defer server.Close()

	tab, closeTab := chromedp.NewContext(browser)
	defer closeTab()
	limit := timeout(t)
	ctx, cancel := context.WithTimeout(tab, limit)
	defer cancel()
	console := chromedp.Console(tab)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(server.URL)))
	stop := context.AfterFunc(ctx, closeTab)
	defer stop()
	for m, err := range console {
		require.NoError(t, err, "the browser stopped answering, or the tests took longer than %s", limit)
		switch m.Type {
		case chromedp.ConsoleLog:
			t.Log(m.Text)
			fmt.Sscanf(m.Text, "pipelines: %d", &pipelines) // the last line; no other is like it
			if tests.Line != nil {
				tests.Line(m.Text)
			}
			if strings.Contains(m.Text, "no tests to run") {
				t.Errorf("%v selects no test of %s", tests.Args, tests.Dir)
			}
		case chromedp.ConsoleInfo:
			if m.Text != "0" {
				t.Errorf("the tests of %s failed in Chromium: exit code %s", tests.Dir, m.Text)
			}
			return pipelines
		case chromedp.ConsoleWarning:
			t.Logf("Chromium: %s", m.Text)
		default:
			t.Fatalf("Chromium: %s", m)
		}
	}
	t.Fatal("the tab closed before its tests ended")
	return pipelines
}

// LookAt looks at every file of a folder that a test has others compile, so that
// go test does not take an old result for that of new code.
func LookAt(t testing.TB, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			_, err = os.Stat(path)
		}
		return err
	}))
}

// timeout leaves the native test time to report.
func timeout(t *testing.T) time.Duration {
	if end, ok := t.Deadline(); ok {
		return time.Until(end) - 10*time.Second
	}
	return time.Hour
}

func handler(t *testing.T, tests Tests, binary string) http.Handler {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	dir, err := filepath.Abs(tests.Dir)
	require.NoError(t, err)
	roots := []string{filepath.Join(dir, "testdata")}
	env := map[string]string{}
	if golden := os.Getenv("DEPT_GOLDEN"); golden != "" {
		roots = append(roots, filepath.Clean(golden))
		env["DEPT_GOLDEN"] = golden
	}
	static, err := fs.Sub(page, "page")
	require.NoError(t, err)

	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(static))
	file := func(path, name string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	}
	file("/test.wasm", binary)
	file("/wasm_exec.js", filepath.Join(strings.TrimSpace(string(goroot)), "lib", "wasm", "wasm_exec.js"))
	mux.HandleFunc("/config.json", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"args": tests.Args, "env": env, "worker": !tests.Window})
	})
	mux.HandleFunc("/fs", func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Query().Get("path")
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		serveEntry(w, roots, filepath.Clean(path))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		mux.ServeHTTP(w, r)
	})
}

// serveEntry answers run.js: a file's bytes, a folder's names as JSON, or 204
// for what is not there or in none of the roots.
func serveEntry(w http.ResponseWriter, roots []string, path string) {
	for _, root := range roots {
		if path != root && !strings.HasPrefix(path, root+string(filepath.Separator)) {
			continue
		}
		if names, err := os.ReadDir(path); err == nil {
			w.Header().Set("Content-Type", "application/json")
			list := make([]string, len(names))
			for i, n := range names {
				list[i] = n.Name()
			}
			json.NewEncoder(w).Encode(list)
			return
		}
		if data, err := os.ReadFile(path); err == nil {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Write(data)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
