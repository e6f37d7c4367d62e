//go:build !js

package pagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/hub/hubtest"
	"github.com/go-dept/dept/internal/browsertest"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/t5/backbone"
)

// pickedConfig is of a small gated T5 with the backbone's tokenizer.
const pickedConfig = `{"model_type": "t5", "d_model": 64, "d_kv": 16, "d_ff": 96, "num_heads": 4, "num_layers": 2, "vocab_size": 4096,
	"feed_forward_proj": "gated-gelu", "tie_word_embeddings": false, "dropout_rate": 0}`

// writeModel writes a random checkpoint of a configuration, in half precision, with the
// backbone's tokenizer.
func writeModel(t *testing.T, dir, config string, seed uint64) {
	t.Helper()
	cfg, err := t5.ParseConfig([]byte(config))
	require.NoError(t, err)
	require.NoError(t, t5.WriteCheckpoint(dir, cfg, safetensors.F16, t5.RandomTensors(cfg, seed)))
	tokenizer, err := fs.ReadFile(backbone.Files(), "tokenizer.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), tokenizer, 0o666))
}

// shard writes a folder's model.safetensors as two shards and their index instead.
func shard(t *testing.T, dir string) {
	t.Helper()
	whole := filepath.Join(dir, "model.safetensors")
	file, err := safetensors.Open(whole)
	require.NoError(t, err)
	shards := map[string][]safetensors.Tensor{}
	index := map[string]string{}
	for i, info := range file.Tensors() {
		name := fmt.Sprintf("model-0000%d-of-00002.safetensors", 1+i%2)
		index[info.Name] = name
		shards[name] = append(shards[name], safetensors.Tensor{
			Name: info.Name, DType: info.DType, Shape: info.Shape, Data: func() ([]byte, error) { return file.Bytes(info.Name) },
		})
	}
	for name, tensors := range shards {
		require.NoError(t, safetensors.WriteFile(filepath.Join(dir, name), tensors, nil))
	}
	require.NoError(t, file.Close())
	require.NoError(t, os.Remove(whole))
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{}, "weight_map": index})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(whole+".index.json", text, 0o666))
}

// folderFiles are a folder's files, by name.
func folderFiles(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := map[string]string{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(content)
	}
	return files
}

// pick is a visitor who chooses models, in one tab.
type pick struct {
	*site
	hub *hubtest.Server
	tab
	dirs map[string]string // folders of the models, by what the page calls them
}

func TestPicker(t *testing.T) {
	h := hubtest.New(t)
	s := newSite(t, "--hub", h.URL+","+h.CDN)
	v := &pick{site: s, hub: h, dirs: map[string]string{}, tab: s.open(t, browsertest.Chromium(t), "workshop.html")}
	for i, name := range []string{"mine", "org/tiny", "org/other"} {
		v.dirs[name] = filepath.Join(t.TempDir(), filepath.Base(name))
		require.NoError(t, os.Mkdir(v.dirs[name], 0o777))
		writeModel(t, v.dirs[name], pickedConfig, uint64(i+1))
		if name == "org/other" {
			shard(t, v.dirs[name])
		}
		if i > 0 {
			h.Add("model", name, "main", folderFiles(t, v.dirs[name]))
		}
	}
	v.untilStatus("Ready")
	require.Contains(t, v.text("model-name"), "own small T5")
	require.Empty(t, h.Requests(), "nothing is asked of the hub before a button is pressed")
	for _, part := range []struct {
		name string
		do   func(*pick)
	}{
		{"a folder that is dropped", (*pick).dropFolder},
		{"files that are chosen", (*pick).chooseFiles},
		{"from the hub", (*pick).fromHub},
		{"a reload goes on with what is kept", (*pick).reloadKept},
		{"a checksum that is wrong", (*pick).wrongChecksum},
		{"what cannot be loaded is said before it is fetched", (*pick).refused},
		{"kept models are removed", (*pick).removeKept},
		{"where nothing can be kept", (*pick).unkept},
	} {
		ok := t.Run(part.name, func(t *testing.T) {
			now := *v
			now.T = t
			part.do(&now)
		})
		require.True(t, ok)
	}
}

// answersAlike compares the page's answers with those of dept predict, and how likely
// it finds each label with what a predictor on this machine's own device finds.
func (v *pick) answersAlike(name string) {
	v.Helper()
	task := demo.Tasks[0]
	v.until(`document.getElementById("texts").children.length === 5`) // the recorded run may have just begun
	texts := v.list("texts")[:2]
	var sources strings.Builder
	for _, text := range texts {
		sources.WriteString(task.Source(text) + "\n")
	}
	out := v.dept(v.T, sources.String(), "predict", "--model", v.dirs[name], "--max-target-length", "20")
	want := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	require.NotEqual(v, want[0], want[1], "the answers tell nothing")
	for i, text := range texts {
		v.set("sentence", text)
		v.until(`document.getElementById("answer").textContent === %q`, want[i])
		shares := js[[]float64](v.tab, `Array.from(document.querySelectorAll("#scores meter"), (m) => m.value)`)
		scores := v.scores(name, task.Source(text), task.Labels)
		require.Len(v, shares, len(scores))
		// Both are sums of the logits' logarithms of shares, up to a constant.
		var difference, size float64
		for j := range scores {
			d := math.Log(shares[j]/shares[0]) - (scores[j] - scores[0])
			difference += d * d
			size += scores[j] * scores[j]
		}
		v.Logf("%s: normalised mean square error of the labels' scores %.1e", name, difference/size)
		assert.Less(v, difference/size, 1e-10, "%v, %v", shares, scores)
	}
}

// scores are the logarithms of the labels' probabilities, each as the whole answer.
func (v *pick) scores(name, source string, labels []string) []float64 {
	v.Helper()
	ctx := context.Background()
	s, err := train.OpenSetup(ctx, train.Opening{Name: name, Files: os.DirFS(v.dirs[name]), Unnamed: true})
	require.NoError(v, err)
	defer s.Release()
	p := train.NewPredictor(s.Engine, s.Model, s.Tokenizer, dept.AsIs(), train.PredictOptions{Batch: 1, MaxSourceLength: 128, MaxNewTokens: 20, Beams: 1})
	defer p.Release()
	scores, err := p.Scores(ctx, []string{source}, labels)
	require.NoError(v, err)
	return scores[0]
}

// untilModel waits for a model to be ready under its name.
func (v *pick) untilModel(name string) {
	v.Helper()
	v.until(`document.getElementById("model-name").textContent.startsWith(%q) && document.getElementById("status").textContent.startsWith("Ready")`, name+": ")
}

// drop drops files or folders on the page, as from a file manager.
func (v *pick) drop(paths ...string) {
	v.Helper()
	data := &input.DragData{Items: []*input.DragDataItem{}, Files: paths, DragOperationsMask: 1}
	for _, kind := range []input.DispatchDragEventType{input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop} {
		_, err := chromedp.Call(v.ctx, input.DispatchDragEvent, input.DispatchDragEventParams{Type: kind, X: 600, Y: 400, Data: data})
		require.NoError(v, err)
	}
}

func (v *pick) dropFolder() {
	v.drop(v.dirs["mine"])
	v.untilModel("mine")
	v.answersAlike("mine")
	require.Empty(v, v.hub.Requests())
}

func (v *pick) chooseFiles() {
	v.click("choose-model")
	v.look("models")
	require.NoError(v, chromedp.Do(v.ctx, chromedp.SetUploadFiles("#model-files", []string{filepath.Join(v.dirs["mine"], "model.safetensors")})))
	v.untilError("There is no config.json among the 1 files.")
	var paths []string
	for name := range folderFiles(v, v.dirs["mine"]) {
		paths = append(paths, filepath.Join(v.dirs["mine"], name))
	}
	v.click("choose-model")
	require.NoError(v, chromedp.Do(v.ctx, chromedp.SetUploadFiles("#model-files", paths)))
	v.untilModel("model")
	require.Empty(v, v.hub.Requests())
}

// fetch types a name and has it fetched.
func (v *pick) fetch(name string) {
	v.Helper()
	v.click("choose-model")
	v.set("hub-model", name)
	v.click("load-hub")
}

func (v *pick) fromHub() {
	// Half of it comes, and the visitor cancels and reloads; then the connection breaks twice.
	v.hub.Break("model.safetensors", hubtest.Fault{Stall: 1})
	v.fetch("org/tiny")
	v.until(`/^model\.safetensors: 0\.[6-9] of 1\.[0-9] MB/.test(document.getElementById("progress-text").textContent)`)
	v.click("cancel")
	v.untilStatus("Cancelled")
	v.reload()
	v.untilStatus("Ready")
	v.click("choose-model")
	v.until(`document.querySelectorAll("#kept-models li").length === 1`)
	assert.Regexp(v, `^org/tiny 1\.[0-9] MB of it so far, commit [0-9a-f]{7}Go onRemove$`, v.items("kept-models")[0])
	v.click("models-close")
	// What the browser had not handed on when a connection broke is lost.
	v.hub.Break("model.safetensors", hubtest.Fault{Cut: []int{200_000, 200_000}, Slow: time.Millisecond})
	v.fetch("org/tiny")
	v.untilModel("org/tiny")
	v.answersAlike("org/tiny")
	var ranges []string
	for _, r := range v.hub.Requests() {
		assert.Equal(v, "GET", r.Method, r.Path)
		assert.Empty(v, r.Token)
		if r.Host == v.hub.CDN {
			ranges = append(ranges, r.Range)
		}
	}
	require.Len(v, ranges, 4)
	assert.Empty(v, ranges[0])
	for _, part := range ranges[1:] {
		assert.Regexp(v, `^bytes=[1-9][0-9]*-$`, part, "what has come is not sent again")
	}
}

func (v *pick) reloadKept() {
	v.reload()
	v.untilModel("org/tiny")
	v.answersAlike("org/tiny")
	require.Empty(v, v.hub.Requests())
	v.click("choose-model")
	v.until(`document.querySelectorAll("#kept-models li").length === 1`)
	assert.Regexp(v, `^org/tiny 1\.[0-9] MB, commit [0-9a-f]{7}LoadRemove$`, v.items("kept-models")[0])
	v.click("models-close")
}

func (v *pick) wrongChecksum() {
	v.hub.Break("model-00002-of-00002.safetensors", hubtest.Fault{Corrupt: 1})
	v.fetch("org/other")
	v.untilError("its checksum is")
	assert.Contains(v, v.text("status"), "thrown away")
	v.hub.Requests()
	v.click("train") // tries again
	v.untilStatus("Training")
	v.click("stop")
	v.until(`document.getElementById("status").textContent.startsWith("Stopped")`)
	assert.True(v, strings.HasPrefix(v.text("model-name"), "org/other: "), v.text("model-name"))
	v.click("reset")
	v.answersAlike("org/other")
	fetched := map[string]int{}
	for _, r := range v.hub.Requests() {
		fetched[filepath.Base(r.Path)]++
	}
	assert.Zero(v, fetched["model-00001-of-00002.safetensors"], "what came whole stays")
	assert.Equal(v, 1, fetched["model-00002-of-00002.safetensors"]/2, "the shard once more, from the hub and from where it leads")
}

func (v *pick) refused() {
	v.hub.Add("model", "org/bert", "main", map[string]string{"config.json": `{"model_type": "bert"}`, "model.safetensors": "x"})
	v.hub.Add("model", "org/adapter", "main", map[string]string{"adapter_config.json": `{}`})
	v.hub.Add("model", "org/huge", "main", map[string]string{
		"config.json":       strings.Replace(pickedConfig, `"d_ff": 96`, `"d_ff": 16777216`, 1),
		"model.safetensors": "x",
	})
	v.hub.Add("model", "org/gated", "main", map[string]string{"config.json": `{}`})
	v.hub.Restrict("model", "org/gated", true, false)
	for name, want := range map[string]string{
		"org/bert":    "bert",
		"org/adapter": "The hub's files: org/adapter is an adapter, not a model",
		"org/huge":    "One of the weights of org/huge takes",
		"org/gated":   "The model is gated. Accept its terms on the hub. This page sends no token",
		"org/nowhere": "The hub has no model of that name",
	} {
		v.fetch(name)
		v.untilError(want)
	}
	for _, r := range v.hub.Requests() {
		assert.NotEqual(v, v.hub.CDN, r.Host, "large files are not fetched")
	}
}

func (v *pick) removeKept() {
	v.click("choose-model")
	v.until(`document.querySelectorAll("#kept-models li").length === 2`)
	v.press(`#kept-models [aria-label="Load org/tiny"]`)
	v.untilModel("org/tiny")
	v.click("choose-model")
	remove := func(name string) {
		v.press(`#kept-models [aria-label="Remove ` + name + `"]`)
	}
	v.until(`document.querySelectorAll("#kept-models li").length === 2`)
	remove("org/tiny")
	v.until(`document.getElementById("models-status").textContent.startsWith("The model is in use.")`)
	remove("org/other")
	v.until(`document.querySelectorAll("#kept-models li").length === 1`)
	v.click("load-own")
	v.until(`document.getElementById("model-name").textContent.includes("own small T5") && document.getElementById("status").textContent.startsWith("Ready")`)
	v.click("choose-model")
	v.until(`document.querySelectorAll("#kept-models li").length === 1`)
	remove("org/tiny")
	v.until(`document.querySelectorAll("#kept-models li").length === 0`)
	require.Empty(v, v.hub.Requests())

	v.reload()
	v.untilStatus("Ready")
	require.Contains(v, v.text("model-name"), "own small T5")
}

// A model of the hub works in a window that keeps no files, and where the storage is full; so does
// a run.
func (v *pick) unkept() {
	full := func() { v.quota(new(float64(1))) }
	for _, c := range []struct {
		first         string
		then          func()
		notice, train string
	}{
		{`StorageManager.prototype.getDirectory = CacheStorage.prototype.open = async () => { throw new DOMException("not here", "SecurityError"); };`, nil,
			"This browser window, like private ones, keeps no files", "This browser window, like private ones, keeps no runs. This one goes on, but it is lost when the page is reloaded"},
		{`StorageManager.prototype.estimate = async () => ({quota: 5e6, usage: 4.5e6});`, nil, "MB, and the browser would keep 0.5 MB more.", ""},
		{"", full, "The model is not kept for the next visit: the browser's storage is full.", ", but the browser's storage has no more room to keep it."}, // while it goes on, or when it has ended,
	} {
		v.first.Store(c.first)
		v.reload()
		v.untilStatus("Ready")
		if c.then != nil {
			c.then()
		}
		v.hub.Break("model.safetensors", hubtest.Fault{Cut: []int{200_000}, Slow: time.Millisecond})
		v.fetch("org/tiny")
		v.untilModel("org/tiny")
		assert.Contains(v, v.text("status"), c.notice)
		v.click("choose-model")
		v.until(`!["", "Looking."].includes(document.getElementById("kept-note").textContent)`)
		assert.Empty(v, v.items("kept-models"))
		v.click("models-close")
		if c.train == "" {
			continue
		}
		v.set("steps", "1")
		v.click("train")
		v.untilStatus("Done after 1 step")
		v.until(`document.getElementById("keeping").textContent.includes(%q)`, c.train)
		assert.Contains(v, v.adapter(), "adapter_model.safetensors")
	}
	v.quota(nil)
	v.click("reset")
	v.answersAlike("org/tiny")
}
