package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/demo"
)

// The whole demonstration, as make demo runs it: each part alone falls short of both, on rows of words that no variant has seen.
func TestDemo(t *testing.T) {
	plot := filepath.Join(t.TempDir(), "curves.svg")
	r := succeed(t, "demo", "--json", "--plot", plot, "--device", os.Getenv("DEPT_DEVICE"))
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &got), r.stdout)
	assert.Len(t, got, 9)
	number := func(key string) float64 {
		require.IsType(t, 0.0, got[key], key)
		return got[key].(float64)
	}
	var report demoReport
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &report))
	assert.NotEmpty(t, got["device"])
	assert.Equal(t, "first-thing", report.Task)
	of := map[string]demoVariant{}
	for _, v := range report.Variants {
		t.Logf("%+v", v)
		of[v.Name] = v
	}
	require.Len(t, of, 5)
	assert.Equal(t, number("before"), of["neither"].Accuracy)
	assert.Equal(t, number("dept"), of[demo.Both].Accuracy)
	assert.Equal(t, number("pt"), of["pt"].Accuracy)
	pt := of["pt"]
	pt.Name = demo.OnlyP
	assert.Equal(t, pt, of[demo.OnlyP])
	assert.Zero(t, of["neither"].Parameters)
	assert.Less(t, number("before"), 0.05, "the model answers other questions")
	assert.GreaterOrEqual(t, number("dept"), 0.85, "on words that its training did not see")
	for _, v := range demo.Variants(demo.MaxSource) {
		assert.Equal(t, v.Config.Parameters(), of[v.Name].Parameters)
		assert.Positive(t, of[v.Name].Seconds)
		assert.Positive(t, of[v.Name].Bytes)
		if v.Name != demo.Both {
			assert.LessOrEqual(t, of[v.Name].Accuracy, number("dept")-0.15, v.Name)
		}
	}
	assert.Positive(t, number("dept_ms_step"))
	assert.Positive(t, number("pt_ms_step"))
	assert.Positive(t, number("seconds"))
	for _, shown := range []string{"backbone", "task", "neither part", "device memory", "Both parts are needed", "next", "dept train"} {
		assert.Contains(t, r.stderr, shown)
	}
	picture, err := os.ReadFile(plot)
	require.NoError(t, err)
	assert.Contains(t, string(picture), "A·B")
}

// What the accuracies say of a task.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		p, ab, both float64
		says        string
	}{
		{0.62, 0.77, 0.95, "Both parts are needed here: each trained alone at the whole budget, P falls 33.0 points short of both and A·B 18.0."},
		{1, 0.5, 1, "P is enough"},
		{0.4, 0.92, 0.93, "A·B is enough"},
		{0.99, 1, 1, "Either part is enough"},
		{0.5, 0.85, 0.95, "Both parts help"},
	} {
		assert.Contains(t, verdict(c.p, c.ab, c.both), c.says)
	}
}

// What cannot be asked for is refused before anything runs.
func TestDemoRefuses(t *testing.T) {
	assert.Contains(t, fail(t, exitUsage, "demo", "--task", "tune"), `no task "tune"; there are first-thing, tone`)
	assert.Contains(t, fail(t, exitUsage, "demo", "--plot", "curves.gif"), ".svg or .png")
}

// Ctrl-C ends it at once, and says that nothing was kept.
func TestDemoStops(t *testing.T) {
	said := interrupt(t, "step 1/", "demo", "--device", os.Getenv("DEPT_DEVICE"))
	assert.Contains(t, lastLine(said), "keeps nothing")
}
