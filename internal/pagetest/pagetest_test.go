//go:build !js

// Package pagetest drives the page in headless Chromium, as a visitor would, and
// makes what can go wrong there go wrong.
package pagetest

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/browsertest"
)

// site is the page as dept serve serves it, seen under a path below a host's own
// and through a proxy that can do damage.
type site struct {
	url    string
	model  string // the model's folder on disk
	binary string // dept

	weights   atomic.Value // of type string: how model.safetensors arrives
	fetched   atomic.Int32 // times that model.safetensors was asked for
	noWebGPU  atomic.Bool  // the worker finds none
	first     atomic.Value // of type string: what else the worker does first
	pipelines atomic.Int32 // that workers have compiled

	mu    sync.Mutex
	asked []string // paths below the page's, since requests was called last
}

// requests are the paths that the page has asked for since it was called last, each once.
// It can ask nobody else: dept serve's header forbids that.
func (s *site) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.asked)
	asked := slices.Compact(s.asked)
	s.asked = nil
	return asked
}

// How model.safetensors arrives.
const (
	whole   = "whole"
	halting = "halting" // after half of it nothing more comes
	cut     = "cut"     // half of it is all there is
)

// built builds the page and dept, once for all tests.
var built = sync.OnceValues(func() (binary string, err error) {
	binary = filepath.Join(scratch, "dept")
	for _, command := range [][]string{{"go", "run", "./web/build"}, {"go", "build", "-o", binary, "./cmd/dept"}} {
		build := exec.Command(command[0], command[1:]...)
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w\n%s", command, err, out)
		}
	}
	return binary, nil
})

// scratch is a folder of all tests.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "dept-page-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(scratch)
		return m.Run()
	}())
}

// newSite serves the page by dept, with more flags where they are given.
func newSite(t *testing.T, flags ...string) *site {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	binary, err := built()
	require.NoError(t, err)
	s := &site{model: filepath.Join(root, "web/dist/model"), binary: binary}
	s.weights.Store(whole)
	s.first.Store("")
	for _, dir := range []string{"web/src", "web/article", "web/build", "wasm", "wgpu", "shaders", "tensor", "nn", "t5", "text", "safetensors", "torchbin", "hub", "dept", "cmd/dept"} {
		browsertest.LookAt(t, filepath.Join(root, dir))
	}
	serve := exec.Command(s.binary, append([]string{"serve", "--addr", "127.0.0.1:0"}, flags...)...)
	out, err := serve.StdoutPipe()
	require.NoError(t, err)
	browsertest.EndWithTest(serve)
	require.NoError(t, serve.Start())
	t.Cleanup(func() {
		serve.Process.Signal(os.Interrupt)
		serve.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	address, err := url.Parse(strings.Fields(line)[0])
	require.NoError(t, err)

	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(address)
			if strings.HasSuffix(r.In.URL.Path, "/worker.js") {
				r.Out.Header.Set("Accept-Encoding", "identity") // damage puts text before it
			}
		},
		ModifyResponse: s.damage,
		FlushInterval:  -1, // what has come is passed on
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if name := strings.TrimPrefix(r.URL.Path, "/"); name != "icon.svg" { // for which the browser asks when it likes
			s.asked = append(s.asked, cmp.Or(name, "./"))
		}
		s.mu.Unlock()
		proxy.ServeHTTP(w, r)
	})
	mux.HandleFunc("/compiled", func(http.ResponseWriter, *http.Request) { s.pipelines.Add(1) })
	server := httptest.NewServer(http.StripPrefix("/lessons/dept", mux))
	t.Cleanup(server.Close)
	s.url = server.URL + "/lessons/dept/"
	return s
}

// What the worker does first here: it reports each pipeline, or has no WebGPU.
const (
	count = `if (self.GPUDevice) {
		const { createComputePipelineAsync } = GPUDevice.prototype;
		GPUDevice.prototype.createComputePipelineAsync = function (descriptor) {
			fetch("compiled");
			return createComputePipelineAsync.call(this, descriptor);
		};
	}`
	hide = `Object.defineProperty(WorkerNavigator.prototype, "gpu", {value: undefined});`
)

// damage changes a response on its way, as asked.
func (s *site) damage(r *http.Response) error {
	weights := strings.HasSuffix(r.Request.URL.Path, "/model.safetensors")
	if weights && r.Request.Method == http.MethodGet {
		s.fetched.Add(1)
	}
	weights = weights && s.weights.Load() != whole
	worker := strings.HasSuffix(r.Request.URL.Path, "/worker.js") && r.StatusCode == http.StatusOK
	if !weights && !worker || r.Request.Method != http.MethodGet {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	length := len(body)
	switch {
	case worker:
		first := count
		if s.noWebGPU.Load() {
			first = hide
		}
		body = append([]byte(first+s.first.Load().(string)), body...)
		length = len(body)
	case s.weights.Load() == halting:
		r.Body = io.NopCloser(&stalled{r.Request.Context(), bytes.NewReader(body[:length/2])})
		return nil
	default:
		body = body[:length/2]
		length = len(body)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(length)
	r.Header.Set("Content-Length", strconv.Itoa(length))
	r.Header.Del("ETag") // it is another file now
	return nil
}

// stalled reads slowly and does not end until its request is given up.
type stalled struct {
	ctx  context.Context
	body io.Reader
}

func (s *stalled) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	n, err := s.body.Read(p[:min(len(p), 8<<10)])
	if err == io.EOF {
		<-s.ctx.Done()
		err = s.ctx.Err()
	}
	return n, err
}

// tab is the page in a tab of its own.
type tab struct {
	*testing.T
	ctx     context.Context      // of Chromium
	firefox *browsertest.Firefox // or this
}

// open opens a page of the site in a tab with a cache of its own.
func (s *site) open(t *testing.T, browser context.Context, page string) tab {
	t.Helper()
	return s.openBeside(t, browser, page, chromedp.WithNewBrowserContext())
}

// openBeside opens a page of the site in a tab that shares what is kept with another.
func (s *site) openBeside(t *testing.T, other context.Context, page string, options ...chromedp.ContextOption) tab {
	t.Helper()
	p := newTab(t, other, options...)
	require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate(s.url+page)))
	return p
}

// newTab is an empty one. What its console calls an error is one.
func newTab(t *testing.T, other context.Context, options ...chromedp.ContextOption) tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(other, options...)
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800)))
	console := chromedp.Console(ctx)
	heard := make(chan struct{})
	t.Cleanup(func() {
		closeTab()
		<-heard
	})
	go func() {
		defer close(heard)
		for m, err := range console {
			switch {
			case err != nil:
				return
			case m.Type == chromedp.ConsoleError || m.IsException():
				t.Errorf("console: %s", m)
			default:
				t.Logf("console: %s", m)
			}
		}
	}()
	return tab{T: t, ctx: ctx}
}

// patience ends a test that hangs; it is no measure of what is waited for.
const patience = 10 * time.Minute

// js evaluates an expression in the page; of a promise, what it comes to.
func js[T any](p tab, format string, args ...any) T {
	p.Helper()
	if p.firefox != nil {
		text, err := p.firefox.Evaluate(fmt.Sprintf(format, args...))
		require.NoError(p, err, format)
		var v T
		require.NoError(p, json.Unmarshal(text, &v), format)
		return v
	}
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](fmt.Sprintf(format, args...), chromedp.EvalAwaitPromise))
	require.NoError(p, err, format)
	return v
}

// until waits for an expression to hold, no longer than nothing else goes wrong, and says
// every minute for what.
func (p tab) until(format string, args ...any) {
	p.Helper()
	began := time.Now()
	for said := 1; !js[bool](p, format, args...); time.Sleep(50 * time.Millisecond) {
		if p.Failed() {
			p.FailNow()
		}
		if time.Since(began) < time.Duration(said)*time.Minute {
			continue
		}
		said++
		waits := fmt.Sprintf("%s\n%s", fmt.Sprintf(format, args...), js[string](p, `Array.from(document.querySelectorAll("#status, #progress-text, #said, #models-status, #kept-note, .outcome"), (e) => e.id + ": " + e.textContent).join("\n")`))
		p.Logf("waiting for %s", waits)
		if time.Since(began) > patience {
			require.FailNow(p, "the page does not come to it", waits)
		}
	}
}

func (p tab) text(id string) string {
	p.Helper()
	return js[string](p, `document.getElementById(%q).textContent`, id)
}

func (p tab) value(id string) string {
	p.Helper()
	return js[string](p, `document.getElementById(%q).value`, id)
}

func (p tab) label(id string) string {
	p.Helper()
	return js[string](p, `document.getElementById(%q).getAttribute("aria-label")`, id)
}

func (p tab) click(id string) {
	p.Helper()
	p.until(`!document.getElementById(%q).disabled`, id)
	if p.firefox != nil {
		require.NoError(p, p.firefox.Click("#"+id))
		return
	}
	p.press("#" + id)
}

// press clicks what a selector finds, as a mouse does: at a place of the screen. What has moved
// meanwhile, since a line above it came or went, is clicked again.
func (p tab) press(selector string) {
	p.Helper()
	for {
		js[bool](p, `(() => {
			window.pressed = false;
			document.querySelector(%q).addEventListener("click", () => (window.pressed = true), {once: true, capture: true});
			return true;
		})()`, selector)
		require.NoError(p, chromedp.Do(p.ctx, chromedp.Click(selector)))
		if js[bool](p, `window.pressed !== false`) { // undefined where the click led to another page
			return
		}
		p.Logf("%s had moved before it was clicked", selector)
	}
}

// set types into a field, all at once.
func (p tab) set(id, value string) {
	p.Helper()
	js[bool](p, `((e) => { e.value = %q; return e.dispatchEvent(new Event("input", {bubbles: true})); })(document.getElementById(%q))`, value, id)
}

// clickParts clicks each of the switches that leave a part of the adapter out, and
// gives the parts' names.
func (p tab) clickParts() []string {
	p.Helper()
	return js[[]string](p, `Array.from(document.querySelectorAll("#parts input"), (input) => { input.click(); return input.value; })`)
}

func (p tab) untilStatus(part string) {
	p.Helper()
	p.until(`document.getElementById("status").textContent.includes(%q)`, part)
}

// untilError waits for the status to say what went wrong.
func (p tab) untilError(part string) {
	p.Helper()
	p.until(`document.getElementById("status").className === "error" && document.getElementById("status").textContent.includes(%q)`, part)
}

// reload loads the page again and waits until it has filled the form.
func (p tab) reload() {
	p.Helper()
	if p.firefox != nil {
		require.NoError(p, p.firefox.Reload())
	} else {
		require.NoError(p, chromedp.Do(p.ctx, chromedp.Reload()))
	}
	p.until(`document.getElementById("task").options.length > 0`)
}

// steps is how many steps of the run the page shows, -1 before the first.
func (p tab) steps() int {
	p.Helper()
	done, _, ok := strings.Cut(p.text("step-count"), " / ")
	if !ok {
		return -1
	}
	n, err := strconv.Atoi(done)
	require.NoError(p, err)
	return n
}

// numbers are those in a text, in order.
func (p tab) numbers(text string) []float64 {
	p.Helper()
	var all []float64
	for _, word := range regexp.MustCompile(`[0-9]+(\.[0-9]+)?(e-?[0-9]+)?`).FindAllString(text, -1) {
		v, err := strconv.ParseFloat(word, 64)
		require.NoError(p, err)
		all = append(all, v)
	}
	return all
}

// list is a column of the five texts: texts, before or after.
func (p tab) list(column string) []string {
	p.Helper()
	cells := map[string]string{"texts": "th"}[column]
	if cells == "" {
		cells = "td." + column
	}
	return js[[]string](p, `Array.from(document.querySelectorAll("#texts " + %q), (cell) => cell.textContent)`, cells)
}

// items are those of a list.
func (p tab) items(id string) []string {
	p.Helper()
	return js[[]string](p, `Array.from(document.getElementById(%q).children, (li) => li.textContent)`, id)
}

// untilList waits until a column of the five texts is, or is not, what is given.
func (p tab) untilList(column string, is bool, want []string) {
	p.Helper()
	p.until(`(Array.from(document.querySelectorAll("#texts td." + %q), (cell) => cell.textContent).join("") === %q) === %t`, column, strings.Join(want, ""), is)
}

// small lists what is written in less than 12 pixels.
func (p tab) small() []string {
	p.Helper()
	return js[[]string](p, `Array.from(document.querySelectorAll("body *")).filter((e) =>
		e.checkVisibility() && Array.from(e.childNodes).some((n) => n.nodeType === 3 && n.textContent.trim() !== "") &&
		parseFloat(getComputedStyle(e).fontSize) < 12).map((e) => e.outerHTML)`)
}

// bars are a column of what each part does, in percent, by part.
func (p tab) bars(column string) map[string]float64 {
	p.Helper()
	return js[map[string]float64](p, `Object.fromEntries(Array.from(document.querySelectorAll("#each tr"), (row) =>
		[row.dataset.part, parseFloat(row.querySelector(%q).textContent)]).filter(([, x]) => !isNaN(x)))`, column)
}

// download does something and waits for the file that comes of it.
func (p tab) download(name string, do func()) []byte {
	p.Helper()
	dir := p.TempDir()
	_, err := chromedp.CallBrowser(p.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir,
		BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID,
	})
	require.NoError(p, err)
	do()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		data, err := os.ReadFile(filepath.Join(dir, name)) // it has another name until it is whole
		if err == nil {
			return data
		}
		require.ErrorIs(p, err, fs.ErrNotExist)
		require.True(p, !p.Failed() && time.Now().Before(end), "no file arrives")
	}
}

// adapter downloads what was trained: its files by their names.
func (p tab) adapter() map[string][]byte {
	p.Helper()
	return unzip(p, p.download("adapter.zip", func() { p.click("download") }))
}

// upload gives the page files to load as an adapter.
func (p tab) upload(files map[string][]byte) {
	p.Helper()
	dir := p.TempDir()
	var paths []string
	for name, data := range files {
		path := filepath.Join(dir, name)
		require.NoError(p, os.WriteFile(path, data, 0o666))
		paths = append(paths, path)
	}
	require.NoError(p, chromedp.Do(p.ctx, chromedp.SetUploadFiles("#upload", paths)))
}

// unzip is a zip's files by their name without the folder.
func unzip(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, f := range r.File {
		part, err := f.Open()
		require.NoError(t, err)
		content, err := io.ReadAll(part)
		require.NoError(t, err)
		files[filepath.Base(f.Name)] = content
	}
	return files
}

func zipped(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		f, err := w.Create("some folder/" + name)
		require.NoError(t, err)
		_, err = f.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// ids are what scripts may rely on.
const ids = "train pause step stop reset task method prompt-length rank budget lr-prompt lr-lowrank steps batch seed rows-input " +
	"loss accuracy ms-step sentence answer before after download upload status"

// The files of the page, of its worker and of its model.
const (
	page    = "workshop.html main.js recorded.json style.css sw.js index.html article.js article.css" // the last three are kept
	program = "worker.js wasm_exec.js dept.wasm"
	model   = "model/config.json model/model.safetensors model/tokenizer.json " + extras
	extras  = "model/tokenizer_config.json model/special_tokens_map.json model/added_tokens.json model/spiece.model" // that a tokenizer may have
)

func TestPage(t *testing.T) {
	s := newSite(t)
	defer func() {
		t.Logf("pipelines: %d", s.pipelines.Load())
		assert.LessOrEqual(t, s.pipelines.Load(), int32(browsertest.MostPagePipelines))
	}()
	browser := browsertest.Chromium(t)

	// Nearly everything happens in one tab, as in a long visit: kernels are slow
	// to compile there.
	s.weights.Store(halting)
	v := visit{site: s, browser: browser, ctx: s.open(t, browser, "workshop.html?record#steps=20").ctx}
	for _, part := range []struct {
		name     string
		do       func(*testing.T)
		requests string // all that the page asks for in it
	}{
		{"weights that do not arrive", v.lateWeights, page + " " + program + " " + model},
		{"same as dept train", v.sameAsCommandLine, ""},
		{"train, ask, compare, download", v.trainAndCompare, ""},
		{"every method", v.everyMethod, ""},
		{"rows of one's own", v.ownRows, ""},
		{"pause, step, stop, reset", v.pauseAndStop, ""},
		{"what goes wrong is said, and the page goes on", v.mishaps, page + " " + program + " " + model},
		{"without WebGPU", v.withoutWebGPU, page + " " + program},
		{"bench", v.bench, "bench.html bench.js style.css " + program},
	} {
		t.Run(part.name, func(t *testing.T) {
			before := s.pipelines.Load()
			part.do(t)
			t.Logf("pipelines: %d", s.pipelines.Load()-before)
			assert.Subset(t, strings.Fields(part.requests), s.requests(), "it asks for nothing else")
		})
	}
}

// visit is a long one: the parts of TestPage come after each other in one tab.
type visit struct {
	*site
	browser, ctx context.Context

	// What the tab has trained, and its answer to a text.
	mine         map[string][]byte
	text, answer string
}

func (v *visit) lateWeights(t *testing.T) {
	p := tab{T: t, ctx: v.ctx}
	// Half of them come, less what the v.browser still holds back.
	p.until(`/^model\.safetensors: 1\.[0-9] of 3\.0 MB/.test(document.getElementById("progress-text").textContent)`)
	p.click("cancel")
	p.untilStatus("Cancelled")
	v.weights.Store(cut)
	p.click("train")
	p.untilError("model.safetensors")
	p.look("error")
	v.weights.Store(whole)
	p.click("step")
	p.until(`document.getElementById("step-count").textContent === "1 / 20"`)
}

// The same rows and settings as dept train: the losses must agree, and what
// dept train wrote must answer here as with dept predict.
func (v *visit) sameAsCommandLine(t *testing.T) {
	p := tab{T: t, ctx: v.ctx}
	out := filepath.Join(t.TempDir(), "out")
	losses := v.train(t, out, map[string]string{
		"prompt-length": p.value("prompt-length"), "rank": p.value("rank"), "lr-prompt": p.value("lr-prompt"),
		"lr-lowrank": p.value("lr-lowrank"), "steps": "20", "batch-size": p.value("batch"), "seed": p.value("seed"),
	})
	assert.Contains(t, p.label("heat"), "all zero")
	for i, want := range losses {
		p.until(`document.getElementById("step-count").textContent === "%d / 20"`, i+1)
		got, err := strconv.ParseFloat(js[string](p, `document.getElementById("loss").title`), 64)
		require.NoError(t, err)
		assert.InDelta(t, want, got, 1e-3, "loss of step %d", i+1)
		if i+1 < len(losses) {
			p.click("step")
		}
	}
	p.untilStatus("Done after 20 steps")

	files := map[string][]byte{}
	for _, name := range []string{dept.AdapterConfigFile, dept.AdapterWeightsFile} {
		content, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		files[name] = content
	}
	p.click("reset")
	p.upload(files)
	p.untilStatus("Adapter loaded")
	texts := p.list("texts")
	require.Len(t, texts, 5)
	for i, want := range v.predict(t, out, sources(texts)) {
		p.set("sentence", sources(texts)[i]) // as the rows had it: nothing else says so
		p.until(`document.getElementById("answer").textContent === %q`, want)
	}
}

func (v *visit) trainAndCompare(t *testing.T) {
	p := tab{T: t, ctx: v.ctx}
	p.click("reset")
	p.untilStatus("Reset")
	p.look("before")
	p.walk()
	// The page's own settings: what one press shows.
	p.set("steps", strconv.Itoa(demo.Tuning(demo.Variants(demo.MaxSource)[0], 0).Steps))
	assert.Equal(t, []string{"first-thing", "16", "4", "9"}, []string{p.value("task"), p.value("budget"), p.value("prompt-length"), p.value("rank")})
	p.set("sentence", p.list("texts")[0])
	p.click("train")
	p.until(`/^Compiling|^Training/.test(document.getElementById("status").textContent)`)
	p.until(`parseInt(document.getElementById("step-count").textContent) > 20`)
	assert.Equal(t, "pause", js[string](p, `document.activeElement.id`), "the keyboard goes on")
	p.until(`/^step [0-9]+ of 100, about [0-9]+ (second|minute)/.test(document.getElementById("left").textContent)`)
	p.look("during")
	p.untilStatus("Done after")
	t.Log(p.text("status"))
	p.until(`document.activeElement.id === "train" && document.getElementById("going").hidden`)
	p.until(`document.getElementById("answer").textContent === %q`, p.list("after")[0]) // asked anew at the end
	assert.Equal(t, p.text("ms-step"), p.text("mine-ms"), "one number of one meaning")
	assert.Empty(t, p.small(), "nothing is smaller than 12 pixels")
	bars := p.bars("td:nth-child(2)")
	t.Logf("with the rest counted as zero: %v", bars)
	for _, part := range []string{"P", "A·B", "neither"} {
		assert.LessOrEqual(t, bars[part], bars["both"]-15, part)
	}

	loss := p.numbers(p.label("chart-loss"))
	assert.Less(t, loss[1], loss[0]/2, p.label("chart-loss"))
	accuracy := p.numbers(p.label("chart-accuracy"))
	require.Len(t, accuracy, 4, p.label("chart-accuracy"))
	assert.Greater(t, accuracy[1], accuracy[3]+50, "against chance: %s", p.label("chart-accuracy"))
	assert.NotContains(t, p.label("heat"), "all zero")
	for _, id := range []string{"accuracy", "ms-step", "tokens-second", "mine-ms"} {
		assert.NotEqual(t, "–", p.text(id), id)
	}
	before, after := p.list("before"), p.list("after")
	assert.Len(t, before, 5)
	assert.Len(t, after, 5)
	assert.NotEqual(t, before, after)

	p.set("sentence", p.list("texts")[0])
	p.until(`document.getElementById("answer").textContent === %q`, after[0])
	assert.Equal(t, []string{"P", "A·B"}, p.clickParts())
	assert.Equal(t, []string{"accuracy without P and A·B", fmt.Sprintf("%.1f %%", bars["neither"])}, []string{p.text("accuracy-title"), p.text("accuracy")})
	p.untilList("after", false, after)
	p.clickParts()
	p.untilList("after", true, after)
	p.set("sentence", p.list("texts")[1]) // whose answer comes after those that were asked for in between
	p.until(`document.getElementById("answer").textContent === %q`, after[1])
	assert.Equal(t, after, p.list("after"))

	files := p.adapter()
	v.mine, v.text, v.answer = files, p.list("texts")[0], after[0]
	adapter, err := dept.ParseAdapter(files)
	require.NoError(t, err)
	assert.Equal(t, 4, adapter.Config.Positions())
	assert.Contains(t, adapter.Config.Describe(), "A [28, 9]")
	dir := t.TempDir()
	require.NoError(t, adapter.Write(dir))
	assert.Equal(t, after, v.predict(t, dir, p.list("texts")), "dept predict with the tab's adapter")

	// Each part alone, as long as the last run was.
	p.set("steps", "10")
	p.click("train")
	p.untilStatus("Done after 10 steps")
	bars = p.bars("td:nth-child(2)")
	recorded := p.download("recorded.json", func() { p.click("alone") })
	p.untilStatus("Compared")
	alone := p.bars("td:nth-child(3)")
	t.Logf("trained alone: %v", alone)
	for _, part := range []string{"P", "A·B"} {
		assert.Contains(t, alone, part)
	}
	assert.Equal(t, bars, p.bars("td:nth-child(2)"), "the first run's are still there")
	for _, id := range []string{"other-ms", "other-accuracy"} {
		assert.NotEqual(t, "–", p.text(id), id)
	}
	p.look("after")
	v.checkRecording(t, v.browser, recorded)

	// That can be stopped, and costs nothing.
	mine := p.adapter()
	p.click("alone")
	p.untilStatus("Training P alone")
	p.click("stop")
	p.untilStatus("Cancelled")
	assert.Equal(t, mine, p.adapter(), "the run's own is still there")
	assert.Equal(t, bars, p.bars("td:nth-child(2)"))
	assert.Equal(t, alone, p.bars("td:nth-child(3)"))

	tuned := p.text("scores")
	p.click("reset")
	p.untilStatus("Reset")
	p.until(`document.getElementById("answer").ariaBusy === "false" && document.getElementById("scores").textContent !== ""`)
	assert.NotEqual(t, tuned, p.text("scores"), "the model as it is answers the sentence anew")
	p.upload(map[string][]byte{"adapter.zip": zipped(t, files)})
	p.untilStatus("Adapter loaded: 1,916 numbers, P [4, 128], A [28, 9]")
	p.set("sentence", v.text)
	p.until(`document.getElementById("answer").textContent === %q`, v.answer)
}

// The menu has the methods of the table, whichever they are, and they work from there on.
func (v *visit) everyMethod(t *testing.T) {
	p := tab{T: t, ctx: v.ctx}
	p.click("reset")
	p.untilStatus("Reset")
	first := p.value("method")
	var offered []string
	for _, k := range dept.Kinds {
		if !k.Checkpoints() {
			offered = append(offered, k.Name)
		}
	}
	assert.Equal(t, offered, js[[]string](p, `Array.from(document.getElementById("method").options, (o) => o.value)`))
	p.set("steps", "2")
	for m, want := range map[string]string{"0": "0·128 + 13·(28 + 128) = 2,028 numbers", "16": "16·128 + 0·(28 + 128) = 2,048 numbers"} {
		p.set("prompt-length", m)
		p.until(`document.getElementById("numbers").textContent.startsWith(%q)`, want)
		p.click("train")
		p.untilStatus("Done after 2 steps")
		assert.Empty(t, p.bars("td:nth-child(2)"), "there is one part")
		assert.Equal(t, m, p.text("mine-length"))
		p.click("reset")
		p.untilStatus("Reset")
	}
	p.set("steps", "6")
	// The worker's tests train every method; these have each kind of setting and of files.
	for _, k := range []*dept.Kind{&dept.LoRA, &dept.Bottleneck} {
		t.Run(k.Name, func(t *testing.T) { tab{T: t, ctx: v.ctx}.tryMethod(k) })
	}
	p.set("method", first)
}

func (v *visit) pauseAndStop(t *testing.T) {
	p := tab{T: t, ctx: v.ctx}
	p.click("reset")
	p.untilStatus("Reset")
	p.set("steps", "5000")
	p.click("train")
	p.until(`parseInt(document.getElementById("step-count").textContent) > 3`)
	p.click("pause")
	p.untilStatus("Paused")
	at := p.steps()
	time.Sleep(time.Second)
	assert.Equal(t, at, p.steps(), "while paused")
	p.click("step")
	p.until(`document.getElementById("step-count").textContent === "%d / 5000"`, at+1)
	time.Sleep(time.Second)
	assert.Equal(t, at+1, p.steps(), "after one step")
	p.click("train")
	p.until(`parseInt(document.getElementById("step-count").textContent) > %d`, at+3)
	p.click("stop")
	p.untilStatus("Stopped after")
	at = p.steps()
	time.Sleep(time.Second)
	assert.Equal(t, at, p.steps(), "after stop")
	p.click("reset")
	p.until(`document.getElementById("step-count").textContent === "–"`)
	assert.Contains(t, p.label("heat"), "all zero")
}

// Rows as people have them: the page says what it takes them for, keeps them while another task is
// chosen, ranks their labels, shows which of them it gets wrong, and its adapter answers alike elsewhere.
func (v *visit) ownRows(t *testing.T) {
	p := tab{T: t, ctx: v.ctx}
	p.click("reset")
	p.until(`!document.getElementById("form").disabled`)
	first := p.value("task")
	rows := "\ufeffid;review;stars\r\n"
	for i := range 40 {
		rows += fmt.Sprintf("%d;\"it was %s; and we went home\";%s\r\n", i, strings.Repeat("very ", i%20)+[]string{"good", "bad"}[i%2], []string{"five", "{one}"}[i%2])
	}
	var packed bytes.Buffer
	pack := gzip.NewWriter(&packed)
	_, err := io.WriteString(pack, "text|label\na, b|x\nc|y\n")
	require.NoError(t, err)
	require.NoError(t, pack.Close())
	file := filepath.Join(t.TempDir(), "table.csv.gz")
	require.NoError(t, os.WriteFile(file, packed.Bytes(), 0o666))
	require.NoError(t, chromedp.Do(p.ctx, chromedp.SetUploadFiles("#rows-file", []string{file})))
	p.untilStatus("The rows of table.csv.gz are here")
	p.until(`document.getElementById("rows-found").textContent.startsWith("2 rows, 1 of them held back. Text: text. Label: label.")`)
	file = filepath.Join(t.TempDir(), "reviews.csv")
	require.NoError(t, os.WriteFile(file, []byte(rows), 0o666))
	require.NoError(t, chromedp.Do(p.ctx, chromedp.SetUploadFiles("#rows-file", []string{file})))
	p.untilStatus("The rows of reviews.csv are here")
	const found = "40 rows, 8 of them held back. Text: review. Label: stars. five (20), {one} (20)."
	p.until(`document.getElementById("rows-found").textContent.startsWith(%q)`, found)
	assert.Contains(t, p.text("rows-found"), "The labels are learnt as digits: 0 for five and 1 for {one}.")
	p.set("max-source-length", "24")
	p.until(`/[0-9]+ of the 40 rows are longer than 24 tokens and cut there/.test(document.getElementById("rows-found").textContent)`)
	p.until(`document.getElementById("numbers").textContent.includes("s is 24 positions")`)

	// They are still there after another task.
	p.set("task", first)
	p.until(`document.getElementById("rows-input").value.startsWith("text\tlabel")`)
	assert.Contains(t, p.text("rows-help"), "Yours are kept")
	p.set("task", "own")
	p.until(`document.getElementById("rows-input").value.includes("we went home")`)
	p.until(`document.getElementById("rows-found").textContent.startsWith(%q)`, found)
	assert.NotContains(t, p.text("rows-help"), "too long for a link")

	p.set("label-column", "id")
	p.until(`document.getElementById("rows-found").textContent.includes("Label: id.")`)
	p.set("label-column", "stars")
	p.until(`document.getElementById("rows-found").textContent.startsWith(%q)`, found)

	p.set("steps", "3")
	p.set("batch", "2")
	p.click("train")
	p.untilStatus("Done after 3 steps")
	assert.Regexp(t, "One row was cut|rows were cut", p.text("status"))
	assert.Regexp(t, `^After 3 steps, [0-8] of the 8 rows held back\.$`, p.text("mistakes-note"))
	assert.Equal(t, []string{"label \\ answer", "five", "{one}"}, js[[]string](p, `Array.from(document.querySelectorAll("#confusion thead th"), (e) => e.textContent)`))
	counts := js[[]int](p, `Array.from(document.querySelectorAll("#confusion td"), (e) => Number(e.textContent))`)
	require.Len(t, counts, 4)
	assert.Equal(t, []int{4, 4}, []int{counts[0] + counts[1], counts[2] + counts[3]})
	assert.Equal(t, counts[1]+counts[2], js[int](p, `document.querySelectorAll("#wrong tbody tr").length`))
	js[bool](p, `(document.getElementById("mistakes").scrollIntoView(), document.getElementById("wrong-rows").open = true)`)
	p.look("own-rows")

	p.set("sentence", "it was very good")
	p.until(`["five", "{one}"].includes(document.getElementById("answer").textContent)`)
	answer := p.text("answer")
	dir := t.TempDir()
	for name, content := range p.adapter() {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o666))
	}
	assert.Equal(t, answer+"\n", v.dept(t, "it was very good\n", "predict", "--model", v.model, "--adapter", dir))

	p.set("rows-input", strings.Repeat(rows, 3))
	p.until(`document.getElementById("rows-help").textContent.includes("too long for a link")`)
	p.set("rows-input", "title,notes,mood\na,b,x\nc,d,y\n")
	p.until(`document.getElementById("rows-problem").textContent.includes("title, notes and mood")`)
	p.set("rows-input", "")
	p.set("task", first)
}

func (v *visit) mishaps(t *testing.T) {
	p := tab{T: t, ctx: v.ctx}
	p.click("reset")
	p.untilStatus("Reset")
	task := p.value("task")
	p.set("rows-input", "text,label\na fine day,sun\nwet all week,rain\nno label here\n")
	p.until(`document.getElementById("rows-problem").textContent.includes("ine 4 of your rows")`)
	p.click("train")
	p.untilError("ine 4 of your rows")
	p.set("task", task)

	other := &dept.Adapter{
		Config:  &dept.PromptConfig{PromptLength: 2, Width: 3, Submodules: 1},
		Tensors: []dept.Tensor{{Name: dept.TensorP, Shape: []int{2, 3}, Values: make([]float32, 6)}},
	}
	files, err := other.Files()
	require.NoError(t, err)
	p.upload(files)
	p.untilError("width 3")

	p.set("steps", "5000")
	p.click("train")
	p.until(`parseInt(document.getElementById("step-count").textContent) > 3`)
	p.set("sentence", strings.Repeat("word ", 20_000))
	p.until(`document.getElementById("notice").textContent.includes("longer than")`)

	p.click("pause") // from when on the run is kept
	p.until(`/^Paused after [0-9]+ of 5000/.test(document.getElementById("status").textContent)`)
	at, shown := p.steps(), p.numbers(p.text("status"))[0]
	assert.InDelta(t, at, shown, 0)
	loss := regexp.MustCompile(`from (\S+) to`).FindStringSubmatch(p.label("chart-loss"))[1]
	p.fullStorage(at)

	chromedp.CallBrowser(p.ctx, cdpbrowser.CrashGPUProcess, cdp.Empty{}) // its answer is its end
	p.click("step")
	p.untilError("lost")
	fetched := v.fetched.Load()
	p.upload(v.mine) // needs the model, which is loaded for it
	p.untilStatus("Adapter loaded: 1,916 numbers, P [4, 128], A [28, 9]")
	assert.Contains(t, p.text("progress-text"), "kept from your last visit")
	p.until(`!document.getElementById("train").disabled`)
	p.set("sentence", v.text)
	p.until(`document.getElementById("answer").textContent === %q`, v.answer)
	p = v.otherTab(p)
	assert.Equal(t, fetched, v.fetched.Load(), "the weights are kept, too")
	assert.Contains(t, p.text("interrupted-text"), fmt.Sprintf("stopped at step %d of 5000", at))
	p.look("interrupted")
	p.click("go-on")
	p.until(`parseInt(document.getElementById("step-count").textContent) > %d`, at)
	p.until(`document.getElementById("chart-loss").ariaLabel.includes("from %s to")`, loss) // its curve begins where it began
	p.click("stop")
	p.untilStatus("Stopped after")
}

func (v *visit) withoutWebGPU(t *testing.T) {
	v.noWebGPU.Store(true)
	defer v.noWebGPU.Store(false)
	p := v.open(t, v.browser, "workshop.html")
	p.untilError("WebGPU")
	for _, id := range strings.Fields(ids) {
		assert.True(t, js[bool](p, `document.getElementById(%q) !== null`, id), id)
	}
	p.until(`document.getElementById("recorded").textContent.includes("recorded run")`)
	assert.NotContains(t, p.text("recorded"), "Train", "which there is no use in")
	p.until(`parseFloat(document.getElementById("loss").textContent) > 0`)
	p.look("recorded")

	// What is typed has no answer, and gets none of another text.
	recorded := p.text("mine-numbers")
	p.until(`document.getElementById("answer").textContent !== ""`)
	p.set("sentence", "a sentence of my own")
	assert.Empty(t, p.text("answer"))
	assert.Contains(t, p.text("notice"), "WebGPU")
	p.set("method", "lora")
	assert.Equal(t, recorded, p.text("mine-numbers"), "the recording's own")
	p.set("method", "dept")

	// Settings are in the address, with or without.
	want := map[string]string{
		"budget": "20", "prompt-length": "11", "lr-prompt": "0.25", "lr-lowrank": "0.004", "steps": "33", "batch": "9", "seed": "1234",
	}
	p.set("task", js[string](p, `document.getElementById("task").options[1].value`))
	for id, v := range want {
		p.set(id, v)
	}
	want["task"], want["rank"] = p.value("task"), p.value("rank")
	p.reload()
	for id, v := range want {
		assert.Equal(t, v, p.value(id), id)
	}
	p.set("budget", "free")
	p.set("rank", "3")
	p.set("rows-input", "a fine day,sun\nwet all week,rain\n")
	p.reload()
	assert.Equal(t, "free", p.value("budget"))
	assert.Equal(t, "3", p.value("rank"))
	assert.Equal(t, "a fine day,sun\nwet all week,rain\n", p.value("rows-input"))
	assert.Contains(t, js[string](p, `location.pathname`), "/lessons/dept/")
}

func (v *visit) bench(t *testing.T) {
	p := v.open(t, v.browser, "bench.html?matmul=33x70x65&attention=2x2x64x37") // a block compiles too many kernels; the worker has a test of it
	p.until(`window.benchResult !== undefined`)
	results := js[[]struct {
		MS    float64
		Right bool
	}](p, `window.benchResult.results`)
	assert.Len(t, results, 2)
	p.look("bench")
	for _, r := range results {
		assert.True(t, r.Right, js[string](p, `JSON.stringify(window.benchResult)`))
		assert.Positive(t, r.MS)
	}
}

// tryMethod chooses a method and trains it for the six steps of the form, downloads
// what was trained and loads it again.
func (p tab) tryMethod(k *dept.Kind) {
	p.Helper()
	p.set("method", k.Name)
	for _, s := range k.Settings {
		assert.True(p, js[bool](p, `document.getElementById(%q) !== null`, s.Name), s.Name)
	}
	assert.Empty(p, js[[]string](p, `Array.from(document.querySelectorAll("[id]"), (e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)`), "elements with the id of a setting")
	p.until(`/^[0-9]+(,[0-9]+)* numbers/.test(document.getElementById("numbers").textContent)`)
	assert.Equal(p, k.Title, p.text("title"))
	p.click("train")
	p.until(`parseInt(document.getElementById("step-count").textContent) > 2`)
	p.look(k.Name + "-during")
	p.untilStatus("Done after 6 steps")
	p.look(k.Name)
	loss := p.numbers(p.label("chart-loss"))
	require.Len(p, loss, 2, p.label("chart-loss"))
	assert.Positive(p, loss[1])
	assert.NotEqual(p, "–", p.text("accuracy"))

	texts, after := p.list("texts"), p.list("after")
	files := p.download("adapter.zip", func() { p.click("download") })
	adapter, err := dept.ParseAdapter(unzip(p, files))
	require.NoError(p, err)
	assert.Same(p, k, adapter.Config.Kind())
	p.click("reset")
	p.untilStatus("Reset")
	p.upload(map[string][]byte{"adapter.zip": files})
	p.untilStatus("Adapter loaded")
	for i, text := range texts {
		p.set("sentence", text)
		p.until(`document.getElementById("answer").textContent === %q`, after[i])
	}
	p.click("reset")
	p.untilStatus("Reset")
}

// recording is what the page plays where nothing can be trained.
type recording struct {
	Ready    struct{ Model map[string]any }
	Messages []struct {
		Type, Method, Part string
		Rows               json.RawMessage // of a comparison: the run and the other
	}
}

func parseRecording(t *testing.T, content []byte) (r recording) {
	t.Helper()
	require.NoError(t, json.Unmarshal(content, &r))
	return r
}

// checkRecording compares what the page recorded with what it plays where nothing
// can be trained. With $DEPT_RECORDING that is made anew first, of a run with the
// page's own settings, and a picture of the page after it.
func (s *site) checkRecording(t *testing.T, browser context.Context, content []byte) {
	t.Helper()
	if os.Getenv("DEPT_RECORDING") != "" {
		p := s.open(t, browser, "workshop.html?record")
		p.click("train")
		p.untilStatus("Done after")
		content := p.download("recorded.json", func() { p.click("alone") })
		require.NoError(t, os.WriteFile("../../web/src/recorded.json", content, 0o666))
		p.look("whole")
	}
	committed, err := os.ReadFile("../../web/src/recorded.json")
	require.NoError(t, err)
	recorded, played := parseRecording(t, content), parseRecording(t, committed)
	apart := 0
	for _, m := range played.Messages {
		if m.Type != "comparison" {
			continue
		}
		var rows []struct{ Accuracy float64 }
		require.NoError(t, json.Unmarshal(m.Rows, &rows))
		assert.GreaterOrEqual(t, rows[0].Accuracy-rows[1].Accuracy, 0.15, "a part alone does worse than both")
		apart++
	}
	assert.Equal(t, 2, apart)
	assert.Equal(t, recorded.Ready.Model, played.Ready.Model, "web/src/recorded.json is of another model: make it anew as web/src/recording.js says")
	for _, r := range []recording{recorded, played} {
		seen := map[string]int{}
		for _, m := range r.Messages {
			seen[m.Type+" "+m.Part]++
		}
		for _, part := range []string{"", "P", "A·B"} {
			assert.Equal(t, 1, seen["plan "+part], part)
		}
		assert.Equal(t, 0, seen["step "]%3, "each trained as long as the others")
		for _, kind := range []string{"sample", "evaluation", "parts", "done", "answer", "comparison"} {
			assert.Positive(t, seen[kind+" "], kind)
		}
	}
}

// dept runs the command line.
func (s *site) dept(t *testing.T, input string, args ...string) string {
	t.Helper()
	command := exec.Command(s.binary, args...)
	command.Stdin = strings.NewReader(input)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	require.NoError(t, err, "dept %v: %s", args, &complaints)
	return string(out)
}

// sources are texts of the first task of the page as a model reads them.
func sources(texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, demo.Tasks[0].Source(text))
	}
	return all
}

// predict has dept predict answer texts.
func (s *site) predict(t *testing.T, adapter string, texts []string) []string {
	t.Helper()
	return strings.Fields(s.dept(t, strings.Join(texts, "\n")+"\n", "predict", "--model", s.model, "--adapter", adapter))
}

// train has dept train learn a page's first task, and gives the losses.
func (s *site) train(t *testing.T, out string, flags map[string]string) []float64 {
	t.Helper()
	var rows bytes.Buffer
	for _, row := range demo.Tasks[0].Rows(demo.Train, demo.TrainRows, demo.Seed, nil) {
		require.NoError(t, json.NewEncoder(&rows).Encode(map[string]string{"source": row.Source, "target": row.Target}))
	}
	data := filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(data, rows.Bytes(), 0o666))
	args := []string{
		"train", "--model", s.model, "--train", data, "--out", out, "--prompt-init", string(dept.InitRandom),
		"--warmup-steps", strconv.Itoa(demo.Tuning(demo.Variants(demo.MaxSource)[0], 0).Warmup), "--max-source-length", strconv.Itoa(demo.MaxSource),
	}
	for flag, value := range flags {
		args = append(args, "--"+flag, value)
	}
	s.dept(t, "", args...)
	log, err := os.ReadFile(filepath.Join(out, train.LogFile))
	require.NoError(t, err)
	var losses []float64
	for line := range strings.Lines(string(log)) {
		var record struct{ Loss *float64 }
		require.NoError(t, json.Unmarshal([]byte(line), &record))
		if record.Loss != nil {
			losses = append(losses, *record.Loss)
		}
	}
	require.NotEmpty(t, losses)
	return losses
}
