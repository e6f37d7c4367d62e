//go:build !js

package pagetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/internal/browsertest"
)

// overhear keeps what workers say in window.heard, with the time at which it came, in
// milliseconds.
const overhear = `() => {
	window.heard = [];
	window.Worker = class extends Worker {
		constructor(...args) {
			super(...args);
			this.addEventListener("message", ({data}) => heard.push({at: performance.now(), ...data}));
		}
	};
}`

// heard is a message of the page's worker.
type heard struct {
	At          float64
	Type, State string
	Step        int
	Loss, MS    float64
	Seconds     float64
	Accuracy    float64
	Message     string
}

// TestFirefox is a short visit with Firefox, which has a compiler of WGSL of its own, a
// clock of one millisecond's grain and no names for adapters.
func TestFirefox(t *testing.T) {
	const steps = 12
	s := newSite(t)
	f := browsertest.NewFirefox(t, nil)
	p := tab{T: t, firefox: f}
	t.Logf("Firefox %s", f.Version)
	downloaded := make(chan string, 1)
	f.Event = func(method string, params json.RawMessage) {
		var event struct{ Level, Text, Status, Filepath string }
		assert.NoError(t, json.Unmarshal(params, &event))
		switch method {
		case "log.entryAdded":
			t.Logf("console: %s: %s", event.Level, event.Text)
			assert.NotEqual(t, "error", event.Level)
		case "browsingContext.downloadEnd":
			assert.Equal(t, "complete", event.Status)
			downloaded <- event.Filepath
		}
	}
	require.NoError(t, f.Call("session.subscribe", map[string]any{"events": []string{"log.entryAdded", "browsingContext.downloadEnd"}}, nil))
	require.NoError(t, f.Call("script.addPreloadScript", map[string]any{"functionDeclaration": overhear}, nil))

	require.NoError(t, f.Navigate(s.url+"#steps="+strconv.Itoa(steps)))
	p.untilStatus("Ready")
	t.Log(p.text("status"))
	out := filepath.Join(t.TempDir(), "out")
	losses := s.train(t, out, map[string]string{
		"prompt-length": p.value("prompt-length"), "rank": p.value("rank"), "lr-prompt": p.value("lr-prompt"),
		"lr-lowrank": p.value("lr-lowrank"), "steps": strconv.Itoa(steps), "batch-size": p.value("batch"), "seed": p.value("seed"),
	})
	began := time.Now()
	p.click("train")
	p.untilStatus("Done after")
	wall := time.Since(began).Seconds()
	t.Log(p.text("status"))
	for _, m := range js[[]heard](p, `heard.map(({values, heat, data, ...m}) => m)`) {
		if m.Type != "sample" {
			t.Logf("%.0f %s %s step %d loss %v ms %v seconds %v accuracy %v", m.At, m.Type, m.State, m.Step, m.Loss, m.MS, m.Seconds, m.Accuracy)
		} else {
			t.Logf("%.0f %s", m.At, m.Type)
		}
	}
	t.Log(wall, p.text("ms-step"), p.text("mine-ms"), losses)

	p.click("download")
	var path string
	select {
	case path = <-downloaded:
	case <-time.After(time.Minute):
		require.Fail(t, "no file arrives")
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	adapter, err := dept.ParseAdapter(unzip(t, data))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, adapter.Write(dir))
	assert.Equal(t, p.list("after"), s.predict(t, dir, p.list("texts")), "dept predict with the tab's adapter")
}
