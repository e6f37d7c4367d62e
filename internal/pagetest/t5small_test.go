//go:build t5small

package pagetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/hub/hubtest"
	"github.com/go-dept/dept/internal/browsertest"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/text"
)

// t5Small has T5-small's sizes: 60.5 million weights.
const t5Small = `{"model_type": "t5", "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_heads": 8, "num_layers": 6, "vocab_size": 32128, "dropout_rate": 0}`

// What a tab with T5-small may take at its most, as docs/page.md says. The times are of two
// cores without a GPU that do nothing else.
const (
	rendererMemory = 512 << 20
	gpuMemory      = 768 << 20
	firstAnswer    = 2 * time.Minute // after the model was dropped
	firstStep      = 2 * time.Minute // after Train was pressed
)

// TestT5Small is a visitor who brings a model of T5-small's size, from disk and from a
// hub that fails: it answers as dept does, learns, and what it has learned answers alike.
func TestT5Small(t *testing.T) {
	h := hubtest.New(t)
	s := newSite(t, "--hub", h.URL+","+h.CDN)
	browser := browsertest.Chromium(t)
	v := &pick{site: s, hub: h, dirs: map[string]string{}, tab: s.open(t, browser, "workshop.html")}
	dir := filepath.Join(t.TempDir(), "t5-shaped")
	require.NoError(t, os.Mkdir(dir, 0o777))
	writeT5Small(t, dir)
	v.dirs["t5-shaped"], v.dirs["org/t5-shaped"] = dir, dir
	files := folderFiles(t, dir)
	h.Add("model", "org/t5-shaped", "main", files)

	v.untilStatus("Ready")
	began := time.Now()
	v.drop(dir)
	v.untilModel("t5-shaped")
	t.Logf("dropped, and ready: %.1f s", time.Since(began).Seconds())
	v.until(`document.getElementById("answer").ariaBusy === "false" && document.getElementById("answer").textContent !== ""`)
	t.Logf("the first answer: %.1f s", time.Since(began).Seconds())
	assert.Less(t, time.Since(began), firstAnswer)
	v.answersAlike("t5-shaped")

	size := len(files["model.safetensors"])
	h.Break("model.safetensors", hubtest.Fault{Corrupt: 1})
	v.fetch("org/t5-shaped")
	v.untilError("its checksum is")
	h.Break("model.safetensors", hubtest.Fault{Cut: []int{size / 3, size / 3}})
	began = time.Now()
	v.fetch("org/t5-shaped")
	v.untilModel("org/t5-shaped")
	t.Logf("fetched, checked, and ready: %.1f s", time.Since(began).Seconds())
	v.answersAlike("org/t5-shaped")
	v.trainT5Small()

	for kind, most := range map[string]int64{"renderer": rendererMemory, "GPU": gpuMemory} {
		peak := v.peakMemory(browser, kind)
		t.Logf("peak memory of the %s process: %d MB", kind, peak>>20)
		assert.Less(t, peak, most, kind)
	}
}

// trainT5Small trains on rows of one's own, downloads the adapter, and compares its
// answers with those of dept predict.
func (v *pick) trainT5Small() {
	var rows strings.Builder
	for i := range 10 {
		fmt.Fprintf(&rows, "%s,%s\n", strings.Repeat([]string{"ba du ", "ke lo "}[i%2], 30+i), []string{"mi", "no"}[i%2])
	}
	v.set("rows-input", rows.String())
	for id, value := range map[string]string{"max-source-length": "64", "steps": "3", "batch": "2"} {
		v.set(id, value)
	}
	began := time.Now()
	v.click("train")
	v.until(`document.getElementById("step-count").textContent.startsWith("1 / ")`)
	v.Logf("the first step, after an evaluation: %.1f s", time.Since(began).Seconds())
	assert.Less(v, time.Since(began), firstStep)
	v.untilStatus("Done after 3 steps")
	files := unzip(v, v.download("adapter.zip", func() { v.click("download") }))
	adapter, err := dept.ParseAdapter(files)
	require.NoError(v, err)
	assert.Equal(v, "org/t5-shaped", adapter.Base.Model)
	dir := v.TempDir()
	require.NoError(v, adapter.Write(dir))
	for _, text := range []string{"ba du ke lo", "lo lo lo"} {
		want := v.dept(v.T, text+"\n", "predict", "--model", v.dirs["org/t5-shaped"], "--adapter", dir, "--max-target-length", "20")
		v.set("sentence", text)
		v.until(`document.getElementById("answer").textContent === %q`, strings.TrimSpace(want))
	}
}

// peakMemory is the most that a process of the browser of a kind has held, in bytes.
func (v *pick) peakMemory(browser context.Context, kind string) (most int64) {
	v.Helper()
	got, err := chromedp.CallBrowser(browser, systeminfo.GetProcessInfo, cdp.Empty{})
	require.NoError(v, err)
	peak := regexp.MustCompile(`VmHWM:\s*([0-9]+) kB`)
	for _, p := range got.ProcessInfo {
		if p.Type != kind {
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.ID))
		require.NoError(v, err)
		kB, err := strconv.ParseInt(string(peak.FindSubmatch(status)[1]), 10, 64)
		require.NoError(v, err)
		most = max(most, kB<<10)
	}
	require.Positive(v, most, "no process %s among %v", kind, got.ProcessInfo)
	return most
}

// writeT5Small writes a random model of T5-small's sizes in half precision, with a
// tokenizer of as many pieces as T5's.
func writeT5Small(t *testing.T, dir string) {
	t.Helper()
	var pieces []text.Piece
	for c := 'a'; c <= 'z'; c++ {
		pieces = append(pieces, text.Piece{Text: string(c), Score: -20})
	}
	pieces = append(pieces, text.Piece{Text: "▁", Score: -20})
	consonants, vowels := "bcdfghjklmnpqrstvwxz", "aeiou"
	syllable := func(i int) string {
		return string(consonants[i%20]) + string(vowels[i/20%5])
	}
	for i := range 100 {
		pieces = append(pieces, text.Piece{Text: "▁" + syllable(i), Score: -5})
	}
	for i := 0; len(pieces) < 32_000-3; i++ {
		pieces = append(pieces, text.Piece{Text: "▁" + syllable(i%100) + syllable(i/100%100) + syllable(i/10_000), Score: -8})
	}
	tok, err := text.NewUnigram(pieces)
	require.NoError(t, err)
	cfg, err := t5.ParseConfig([]byte(t5Small))
	require.NoError(t, err)
	require.LessOrEqual(t, tok.VocabSize(), cfg.VocabSize)
	random := t5.RandomTensors(cfg, 1)
	require.NoError(t, t5.WriteCheckpoint(dir, cfg, safetensors.F16, func(name string) ([]float32, error) {
		values, err := random(name)
		if name == "shared.weight" {
			for i := range values {
				values[i] *= 0.05 // else the answer is the token before, whatever was asked
			}
		}
		return values, err
	}))
	require.NoError(t, tok.Save(dir))
}
