package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// tuneOutput is what dept tune prints of the tests' model.
var tuneOutput string

// measured is the profile that dept tune makes of the tests' model, which is the device's
// own for the rest of the test. It takes a minute, so one serves all tests.
func measured(t *testing.T) *shaders.Profile {
	t.Setenv("XDG_CONFIG_HOME", at("tuned"))
	if tuneOutput == "" {
		tuneOutput = succeed(t, "tune", "--model", at("model"), "--batch-size", "4", "--source-length", "16", "--prompt-length", "5", "--rank", "3", "--json").stdout
	}
	p := &shaders.Profile{}
	require.NoError(t, json.Unmarshal([]byte(tuneOutput), p))
	own, err := profilePath(p.Device)
	require.NoError(t, err)
	t.Cleanup(func() { writeJSON(t, own, p) })
	return p
}

// Half-precision weights, and steps that may round, are work of other classes.
func TestTuneHalves(t *testing.T) {
	cfg, err := t5.ReadConfig(at("config.json"))
	require.NoError(t, err)
	weights, err := unreadWeights(cfg, "float16")
	require.NoError(t, err)
	values := dept.PromptTuning.Defaults()
	values["prompt-init"] = string(dept.InitRandom)
	w := benchWork{Batch: 4, Source: 16, Target: 4, Precision: train.Mixed}
	dev := wgpu.OpenPlan(wgpu.AdapterInfo{Type: wgpu.DiscreteGPU, Features: wgpu.F16}, paperLimits)
	m, err := recordModel(context.Background(), dev, cfg, weights, &dept.PromptTuning, values, w)
	require.NoError(t, err)
	defer m.release()
	classes := ""
	for _, p := range m.all() {
		for _, k := range p.Kernels() {
			classes += k.Call.Class + "\n"
		}
	}
	assert.Contains(t, classes, "float16 half")
	assert.Contains(t, fail(t, exitUsage, "tune", "--model", at("model"), "--weights", "float8"), "float16")
	assert.Contains(t, fail(t, exitUsage, "tune", "--model", at("model"), "--precision", "half"), "mixed")
}

// kernelsOf is what run.json says that a run's kernels are chosen by.
func kernelsOf(t *testing.T, dir string) tensor.Kernels {
	var s struct{ Kernels *tensor.Kernels }
	require.NoError(t, json.Unmarshal(readFile(t, dir, train.RunFile), &s))
	require.NotNil(t, s.Kernels)
	return *s.Kernels
}

func writeJSON(t *testing.T, path string, v any) {
	data, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o666))
}

// What dept tune measured is the device's profile, which training takes and records,
// as long as it is of this device and these kernels.
func TestTune(t *testing.T) {
	p := measured(t)
	require.NotEmpty(t, p.Variants)
	for class, variant := range p.Variants {
		times := p.Milliseconds[class]
		assert.Contains(t, times, variant, class)
		assert.Greater(t, len(times), 1, "%s: there was nothing to choose", class)
		for name, ms := range times {
			assert.Positive(t, ms, "%s: %s", class, name)
		}
	}
	out := filepath.Join(t.TempDir(), "run")
	succeed(t, trainArgs(out)...)
	assert.Equal(t, p.Variants, kernelsOf(t, out).Variants)
	succeed(t, trainArgs(out, "--overwrite", "--profile", "none")...)
	assert.Empty(t, kernelsOf(t, out).Variants)

	own, err := profilePath(p.Device)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "profile.json")
	for _, c := range []struct {
		change func(*shaders.Profile)
		says   string
	}{
		{func(p *shaders.Profile) { p.Device.Name = "another" }, "measured on another"},
		{func(p *shaders.Profile) { p.Device.Driver = "older" }, `with the driver "older"`},
		{func(p *shaders.Profile) { p.Kernels = "older" }, "kernels of another version"},
		{func(p *shaders.Profile) { p.Variants["x"] = "matmul/none" }, "no kernel matmul/none"},
	} {
		changed := &shaders.Profile{}
		require.NoError(t, json.Unmarshal(readFile(t, own), changed))
		c.change(changed)
		writeJSON(t, file, changed)
		assert.Contains(t, fail(t, exitError, trainArgs(out, "--overwrite", "--profile", file)...), c.says)
	}
	// The device's own is left alone where it no longer holds.
	older := *p
	older.Kernels = "older"
	writeJSON(t, own, older)
	assert.Contains(t, succeed(t, trainArgs(out, "--overwrite")...).stderr, "going on without it")
	assert.Empty(t, kernelsOf(t, out).Variants)

	assert.Contains(t, fail(t, exitError, trainArgs(out, "--overwrite", "--profile", filepath.Join(out, "none.json"))...), "none.json")
	assert.Contains(t, fail(t, exitUsage, "tune", "--model", at("model"), "--source-length", "1"), "--source-length")
	assert.Contains(t, fail(t, exitUsage, trainArgs(out, "--resume", "--profile", file)...), "--profile")
}

// A run goes on with the kernels that it began with, to the bit, whatever has been
// measured since, and refuses where one of them is missing.
func TestResumeUnderAnotherProfile(t *testing.T) {
	p := measured(t)
	slow := *p
	slow.Variants = map[string]string{}
	for class, times := range p.Milliseconds {
		for name := range times {
			if strings.HasPrefix(name, "matmul/") && name != p.Variants[class] {
				slow.Variants[class] = name
			}
		}
	}
	dir := t.TempDir()
	profile := filepath.Join(dir, "slow.json")
	writeJSON(t, profile, slow)
	more := []string{"--steps", "40", "--save-every", "7"}
	args := func(out string, profile ...string) []string {
		return append(trainArgs(filepath.Join(dir, out), more...), profile...)
	}
	succeed(t, args("whole", "--profile", profile)...)
	succeed(t, args("other")...)
	weights := func(out string) []byte { return readFile(t, dir, out, dept.AdapterWeightsFile) }
	require.NotEqual(t, weights("whole"), weights("other"), "the two profiles' kernels give the same bits, so that this test shows nothing")

	interrupt(t, "step 4/", args("parts", "--profile", profile)...)
	succeed(t, args("parts", "--resume")...)
	assert.Equal(t, weights("whole"), weights("parts"))

	interrupt(t, "step 4/", args("missing", "--profile", profile)...)
	run := filepath.Join(dir, "missing", train.RunFile)
	before := strings.ReplaceAll(string(readFile(t, run)), "matmul/", "matmul/of-another-device-")
	require.NoError(t, os.WriteFile(run, []byte(before), 0o666))
	state := readFile(t, dir, "missing", train.StateFile)
	line := fail(t, exitError, args("missing", "--resume")...)
	assert.Contains(t, line, "matmul/of-another-device-")
	assert.Contains(t, line, "--init")
	assert.Equal(t, state, readFile(t, dir, "missing", train.StateFile))
	assert.Equal(t, before, string(readFile(t, run)))
}
