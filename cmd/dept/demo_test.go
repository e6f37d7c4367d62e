package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The whole demonstration, as make demo runs it: a backbone is trained, and
// steered from chance to rows of words and forms that its prompt has not seen.
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
	assert.Less(t, number("seconds"), 180.0)
	for _, shown := range []string{"backbone", "task", "accuracy before", "device memory", "after DePT", "next", "dept train"} {
		assert.Contains(t, r.stderr, shown)
	}
}

// Stopped half-way, the demonstration takes everything with it.
func TestDemoStops(t *testing.T) {
	temp := t.TempDir()
	cmd := exec.Command(program, "demo", "--device", os.Getenv("DEPT_DEVICE"))
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		found, err := filepath.Glob(filepath.Join(temp, "dept-demo-*", "random", "model.safetensors"))
		return err == nil && len(found) == 1
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait())
	assert.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode(), stderr.String())
	assert.Contains(t, lastLine(stderr.String()), "keeps nothing")
	left, err := filepath.Glob(filepath.Join(temp, "dept-demo-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}
