package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The whole demonstration, as make demo runs it: the backbone is steered from chance to rows of words and forms that its prompt has not seen.
func TestDemo(t *testing.T) {
	r := succeed(t, "demo", "--json", "--device", os.Getenv("DEPT_DEVICE"))
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &got), r.stdout)
	assert.Len(t, got, 7)
	number := func(key string) float64 {
		require.IsType(t, 0.0, got[key], key)
		return got[key].(float64)
	}
	t.Logf("device: %v", got["device"])
	t.Logf("before %.3f, dept %.3f, pt %.3f, %.0f s", number("before"), number("dept"), number("pt"), number("seconds"))
	assert.NotEmpty(t, got["device"])
	assert.InDelta(t, 0.5, number("before"), 0.15, "two labels, nothing learned")
	assert.GreaterOrEqual(t, number("dept"), 0.85, "on words and forms that its training did not see")
	assert.Greater(t, number("pt"), 0.625, "five standard deviations above chance on 400 rows")
	assert.Positive(t, number("dept_ms_step"))
	assert.Positive(t, number("pt_ms_step"))
	assert.Positive(t, number("seconds"))
	for _, shown := range []string{"backbone", "task", "accuracy before", "device memory", "after DePT", "next", "dept train"} {
		assert.Contains(t, r.stderr, shown)
	}
}

// Ctrl-C ends it at once, and says that nothing was kept.
func TestDemoStops(t *testing.T) {
	said := interrupt(t, "step 1/", "demo", "--device", os.Getenv("DEPT_DEVICE"))
	assert.Contains(t, lastLine(said), "keeps nothing")
}
