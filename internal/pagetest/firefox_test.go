//go:build !js

package pagetest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/hub/hubtest"
	"github.com/go-dept/dept/internal/browsertest"
)

// TestFirefox is a short visit with Firefox, which has a compiler of WGSL of its own, a
// clock of one millisecond's grain and no names for adapters; and one where it has no
// WebGPU.
func TestFirefox(t *testing.T) {
	h := hubtest.New(t)
	s := newSite(t, "--hub", h.URL+","+h.CDN)
	v := s.openFirefox(t, nil)
	for _, part := range []struct {
		name string
		do   func(*firefoxVisit)
	}{
		{"trains", func(v *firefoxVisit) { v.trains("a processor that does not give its name", 8) }},
		{"keeps models", func(v *firefoxVisit) { v.keepsModels(h) }},
		{"without WebGPU", (*firefoxVisit).withoutWebGPU},
	} {
		ok := t.Run(part.name, func(t *testing.T) {
			v.T = t
			part.do(v)
		})
		require.True(t, ok)
	}
}

// firefoxVisit is a visit in a Firefox of its own.
type firefoxVisit struct {
	*site
	tab
	downloads chan string // paths of files that are there whole
}

// overhear keeps what the page's worker says in window.heard, with the time at which it
// came, in milliseconds; and whether the page asks for storage that is not cleared, of
// which the visitor would be asked.
const overhear = `() => {
	window.heard = [];
	window.persists = false;
	if (window.StorageManager) StorageManager.prototype.persist = async () => window.persists = true;
	window.Worker = class extends Worker {
		constructor(...args) {
			super(...args);
			this.addEventListener("message", ({data}) => heard.push({at: performance.now(), ...data}));
		}
	};
}`

// heard is a message of the page's worker.
type heard struct {
	At, Loss, Seconds, TokensPerSecond float64
	Type                               string
	Step                               int
}

// openFirefox starts a Firefox. What its console calls an error is one.
func (s *site) openFirefox(t *testing.T, preferences map[string]any) *firefoxVisit {
	t.Helper()
	v := &firefoxVisit{site: s, tab: tab{T: t}, downloads: make(chan string, 1)}
	f := browsertest.NewFirefox(t, preferences, func(method string, params json.RawMessage) {
		var event struct{ Level, Text, Status, Filepath string }
		assert.NoError(t, json.Unmarshal(params, &event))
		switch method {
		case "log.entryAdded":
			t.Logf("console: %s: %s", event.Level, event.Text)
			assert.NotEqual(t, "error", event.Level)
		case "browsingContext.downloadEnd":
			assert.Equal(t, "complete", event.Status)
			v.downloads <- event.Filepath
		}
	})
	v.firefox = f
	t.Logf("Firefox %s", f.Version)
	require.NoError(t, f.Call("session.subscribe", map[string]any{"events": []string{"log.entryAdded", "browsingContext.downloadEnd"}}, nil))
	require.NoError(t, f.Call("script.addPreloadScript", map[string]any{"functionDeclaration": overhear}, nil))
	return v
}

// trains has the page train its first task for some steps, with dept train's losses, and
// dept predict answer alike with what it exports.
func (v *firefoxVisit) trains(adapter string, steps int) {
	v.Helper()
	require.NoError(v, v.firefox.Navigate(fmt.Sprintf("%sworkshop.html?trains#steps=%d", v.url, steps)))
	v.untilStatus("Ready")
	assert.Contains(v, v.text("status"), "on "+adapter)
	began := js[float64](v.tab, `performance.now()`)
	v.click("train")
	v.untilStatus("Done after")
	v.Log(v.text("status"))

	want := v.train(v.T, filepath.Join(v.TempDir(), "out"), map[string]string{
		"prompt-length": v.value("prompt-length"), "rank": v.value("rank"), "lr-prompt": v.value("lr-prompt"),
		"lr-lowrank": v.value("lr-lowrank"), "steps": strconv.Itoa(steps), "batch-size": v.value("batch"), "seed": v.value("seed"),
	})
	// A step's own time is that since the message before, another step's or an evaluation's;
	// the first one compiles.
	var step, done []heard
	var each, before float64
	for _, m := range js[[]heard](v.tab, `heard.filter(({type}) => ["step", "evaluation", "done"].includes(type)).map(({at, type, step, loss, seconds, tokensPerSecond}) => ({at, type, step, loss, seconds, tokensPerSecond}))`) {
		switch m.Type {
		case "step":
			if len(step) > 0 {
				each += (m.At - before) / float64(steps-1)
			}
			step = append(step, m)
		case "done":
			done = append(done, m)
		}
		before = m.At
	}
	require.Len(v, step, len(want))
	require.Len(v, done, 1)
	for i, m := range step {
		assert.Equal(v, i+1, m.Step)
		assert.InEpsilon(v, want[i], m.Loss, 1e-3, "loss of step %d", m.Step)
	}

	// Times are those that went by, up to what else was done between two steps and to how
	// evenly they went.
	first, last := step[0], step[len(step)-1]
	assert.Positive(v, last.TokensPerSecond)
	v.Logf("a step: %.0f ms by the time that their messages came, %s by its tile, %s in the table", each, v.text("ms-step"), v.text("mine-ms"))
	for _, id := range []string{"ms-step", "mine-ms"} {
		shown := v.numbers(v.text(id))
		require.Len(v, shown, 1, id)
		assert.Greater(v, shown[0], each/3, id)
		assert.Less(v, shown[0], each*3, id)
	}
	assert.Greater(v, 1000*done[0].Seconds, last.At-first.At)
	assert.LessOrEqual(v, 1000*done[0].Seconds, done[0].At-began)

	after := v.list("after")
	i := slices.Index(v.list("texts"), v.value("sentence"))
	require.NotEqual(v, -1, i, "the page suggests one of the five texts")
	v.until(`document.getElementById("answer").textContent === %q`, after[i])

	v.click("download")
	var data []byte
	select {
	case path := <-v.downloads:
		var err error
		data, err = os.ReadFile(path)
		require.NoError(v, err)
	case <-time.After(patience):
		require.Fail(v, "no file arrives")
	}
	a, err := dept.ParseAdapter(unzip(v, data))
	require.NoError(v, err)
	dir := v.TempDir()
	require.NoError(v, a.Write(dir))
	assert.Equal(v, after, v.predict(v.T, dir, v.list("texts")), "dept predict with the tab's adapter")
}

// keepsModels fetches a model, whose connection breaks, and loads it again from what the
// browser keeps.
func (v *firefoxVisit) keepsModels(h *hubtest.Server) {
	dir := v.TempDir()
	writeModel(v.T, dir, pickedConfig, 1)
	files := folderFiles(v, dir)
	h.Add("model", "org/tiny", "main", files)
	h.Break("model.safetensors", hubtest.Fault{Cut: []int{len(files["model.safetensors"]) / 2}})
	p := &pick{site: v.site, hub: h, tab: v.tab, dirs: map[string]string{"org/tiny": dir}}
	p.fetch("org/tiny")
	p.untilModel("org/tiny")
	require.NotEmpty(v, h.Requests())
	assert.True(v, js[bool](v.tab, `window.persists`), "the browser is asked not to clear what it keeps")
	p.reload()
	p.untilModel("org/tiny")
	assert.False(v, js[bool](v.tab, `window.persists`), "and the visitor not once more")
	assert.Empty(v, h.Requests())
	p.answersAlike("org/tiny")
}

// withoutWebGPU opens the page with Firefox as it comes on Linux, over http from this
// machine, and from another.
func (v *firefoxVisit) withoutWebGPU() {
	address, err := url.Parse(v.url + "workshop.html")
	require.NoError(v, err)
	plain := v.openFirefox(v.T, map[string]any{
		"dom.webgpu.enabled": false, "dom.security.https_first": false, "network.dns.forceResolve": address.Hostname(),
	})
	require.NoError(v, plain.firefox.Navigate(address.String()))
	plain.untilError("has no WebGPU here. Open about:config, set dom.webgpu.enabled to true and reload this page.")
	plain.until(`document.getElementById("recorded").textContent.includes("recorded run")`)
	require.NoError(v, plain.firefox.Navigate(v.url)) // the article
	plain.untilArticle("failed")
	assert.Contains(v, js[string](plain.tab, `document.getElementById("said").textContent`), "dom.webgpu.enabled")
	assert.Contains(v, js[string](plain.tab, `document.querySelector("#figure-ask .source").textContent`), "recorded")
	address.Host = "dept.test:" + address.Port()
	require.NoError(v, plain.firefox.Navigate(address.String()))
	plain.untilError("plain http")
	plain.until(`document.getElementById("recorded").textContent.includes("recorded run")`)
}
