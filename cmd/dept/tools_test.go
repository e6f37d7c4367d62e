package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
)

func TestInitCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := filepath.Join(dir, "model")
	args := []string{"init", "--config", at("config.json"), "--tokenizer", at("tokenizer"), "--out", out, "--seed", "1"}
	assert.Contains(t, succeed(t, args...).stdout, "2+2 blocks of width 64")
	// A seed's weights are always the same.
	assert.Equal(t, readFile(t, at("model"), "model.safetensors"), readFile(t, out, "model.safetensors"))
	assert.Contains(t, fail(t, exitUsage, args...), "--overwrite")
	run := filepath.Join(dir, "run")
	succeed(t, trainArgs(run)...)
	assert.Contains(t, fail(t, exitUsage, append(args, "--out", run, "--overwrite")...), "holds a run")
	succeed(t, append(args, "--overwrite", "--seed", "5")...)
	assert.NotEqual(t, readFile(t, at("model"), "model.safetensors"), readFile(t, out, "model.safetensors"))
	assert.Contains(t, fail(t, exitError, "init", "--config", at("echo.jsonl"), "--tokenizer", at("tokenizer"), "--out", filepath.Join(dir, "x")), "echo.jsonl")
}

func TestInspect(t *testing.T) {
	t.Parallel()
	r := succeed(t, "inspect", at("model"))
	for _, want := range []string{"d_model 64, 4 heads of 16, d_ff 96 (gated-gelu)", "51 of F32", "tokenizer", "100 %"} {
		assert.Contains(t, r.stdout, want)
	}
	out := filepath.Join(t.TempDir(), "run")
	succeed(t, methodArgs(&dept.PromptTuning, out)...)
	r = succeed(t, "inspect", out)
	assert.Contains(t, r.stdout, "Prompt tuning: P [5, 64]")
	assert.Contains(t, r.stdout, "method pt, prompt-length 5, max-source-length 16")
	assert.Contains(t, r.stdout, "320 of")
	assert.Contains(t, fail(t, exitError, "inspect", t.TempDir()), "config.json")
	assert.Contains(t, fail(t, exitUsage, "inspect"), "arg")
}

func TestDevices(t *testing.T) {
	var adapters []map[string]any
	require.NoError(t, json.Unmarshal([]byte(succeed(t, "devices", "--json").stdout), &adapters))
	require.NotEmpty(t, adapters)
	for _, key := range []string{"name", "type", "backend", "features"} {
		assert.Contains(t, adapters[0], key)
	}
	words := succeed(t, "devices").stdout
	assert.Contains(t, words, adapters[0]["name"])
	for _, feature := range adapters[0]["features"].([]any) {
		assert.Contains(t, words, feature)
	}
}

func TestWords(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		assert.Equal(t, want, count(n))
	}
	for n, want := range map[int64]string{512: "512 B", 1536: "1.5 KiB", 3 << 30: "3.0 GiB"} {
		assert.Equal(t, want, size(n))
	}
	for arg, want := range map[string]string{"--steps=5": "--steps=5", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$HOME": "'$HOME'"} {
		assert.Equal(t, want, quote(arg))
	}
	assert.Equal(t, "dept train --out 'my run' --resume", resumeCommand([]string{"dept", "train", "--overwrite", "--out", "my run", "--resume"}))
	assert.Equal(t, "0.368 %", share(8320, 2262144))
	assert.Equal(t, 1.5, median([]time.Duration{3 * time.Millisecond, time.Millisecond, 1500 * time.Microsecond}))
	assert.Equal(t, 2.0, median([]time.Duration{3 * time.Millisecond, time.Millisecond}))
}

// What dept shaders writes for a kind of device: every pipeline of its manifest, with
// constants in place, and what each costs.
func TestShaders(t *testing.T) {
	t.Parallel()
	written := map[string][]shaderEntry{}
	for _, device := range []string{"gpu", "cpu"} {
		for _, k := range dept.Kinds {
			if device == "cpu" && k != &dept.DePT {
				continue
			}
			dir := t.TempDir()
			r := succeed(t, "shaders", "--write", dir, "--model", at("model"), "--batch-size", "3", "--source-length", "20", "--method", k.Name, "--device-type", device)
			assert.Contains(t, r.stdout, dir)
			assert.Regexp(t, `(?m)^step  [0-9]+ dispatches, \S+ multiply-adds, .*iB bound$`, r.stdout)
			var entries []shaderEntry
			data, err := os.ReadFile(filepath.Join(dir, manifestFile))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(data, &entries))
			for _, e := range entries {
				source, err := os.ReadFile(filepath.Join(dir, e.File))
				require.NoError(t, err)
				assert.NotContains(t, string(source), "\noverride ")
				assert.Regexp(t, `(?m)^(@compute.*\s)?fn `+e.Entry+`\(`, string(source))
				assert.Positive(t, e.Dispatches)
				assert.Positive(t, e.Bytes)
				if e.Operation == "matmul" {
					assert.Positive(t, e.FMA)
				}
				written[device+" "+e.Program] = append(written[device+" "+e.Program], e)
			}
		}
	}
	for _, device := range []string{"gpu", "cpu"} {
		for _, program := range []string{programStep, programEncode, programToken} {
			assert.NotEmpty(t, written[device+" "+program])
		}
	}
	assert.NotEqual(t, written["gpu step"][0].Variant, written["cpu step"][0].Variant)

	to := t.TempDir()
	succeed(t, "shaders", "--write", to, "--model", at("model"), "--precision", "mixed", "--features", "f16,cooperative-matrix", "--batch-size", "64")
	assert.Contains(t, string(readFile(t, to, manifestFile)), "matmul/cooperative")
	assert.Contains(t, fail(t, exitUsage, "shaders", "--write", to, "--model", at("model"), "--device-type", "npu"), "gpu or cpu")
	assert.Contains(t, fail(t, exitUsage, "shaders", "--write", to, "--model", at("model"), "--features", "f64"), "no feature of a device is named")
	assert.Contains(t, fail(t, exitError, "shaders", "--write", to, "--model", to), "config.json")
}
