package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
)

// backboneDir is the folder of the demonstration's model, whose weights are float16.
const backboneDir = "../../t5/backbone"

// A merged checkpoint answers by itself as model and adapter do together.
func TestMerge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	predict := func(model string, more ...string) string {
		return succeed(t, append([]string{"predict", "--model", model, "--data", at("dev.tsv"), "--task", "sst2", "--max-target-length", "4"}, more...)...).stdout
	}
	asIs := predict(backboneDir)
	for _, c := range []struct {
		name string
		kind *dept.Kind
		more []string
	}{
		{"lora", &dept.LoRA, []string{"--lr", "1e-2"}},
		{"dora", &dept.LoRA, []string{"--lr", "1e-2", "--use-dora", "--use-rslora", "--target-modules", "q,k,v,o,wi_0,wi_1,wo"}},
		{"ia3", &dept.IA3, []string{"--lr", "0.1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			adapter, merged := filepath.Join(dir, c.name), filepath.Join(dir, c.name+" merged")
			succeed(t, methodArgs(c.kind, adapter, append(c.more, "--model", backboneDir)...)...)
			args := []string{"merge", "--model", backboneDir, "--adapter", adapter, "--out", merged}
			assert.Contains(t, succeed(t, args...).stdout, "60 of F16")
			both := predict(backboneDir, "--adapter", adapter)
			assert.NotEqual(t, asIs, both, "the adapter changes something")
			assert.Equal(t, both, predict(merged))
			for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json"} {
				assert.FileExists(t, filepath.Join(merged, name))
			}
			assert.Contains(t, fail(t, exitUsage, args...), "holds a checkpoint")
			before := readFile(t, merged, "model.safetensors")
			succeed(t, append(args, "--overwrite")...)
			assert.Equal(t, before, readFile(t, merged, "model.safetensors"))
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	merge := func(model, adapter string, more ...string) []string {
		return append([]string{"merge", "--model", at(model), "--adapter", adapter, "--out", out}, more...)
	}
	adapters := map[string]string{}
	for _, k := range []*dept.Kind{&dept.DePT, &dept.PromptTuning, &dept.LoRA} {
		adapters[k.Name] = filepath.Join(dir, k.Name)
		succeed(t, methodArgs(k, adapters[k.Name], "--steps", "1")...)
	}
	assert.Contains(t, fail(t, exitError, merge("model", adapters["dept"])...), "an adapter of dept cannot be merged: it changes what the encoder reads of each text, and no weight of the model")
	assert.Contains(t, fail(t, exitError, merge("model", adapters["pt"])...), ": keep it beside the model")
	assert.Contains(t, fail(t, exitError, merge("wider", adapters["lora"])...), "give the model it was trained on")
	assert.Contains(t, fail(t, exitError, merge("model", at("tokenizer"))...), "adapter_config.json")
	require.NoDirExists(t, out)
	assert.Contains(t, fail(t, exitUsage, merge("model", adapters["lora"], "--out", at("model"))...), "the folder of --model")
	assert.Contains(t, fail(t, exitUsage, merge("model", adapters["lora"], "--out", adapters["lora"])...), "the folder of --adapter")
	assert.Contains(t, fail(t, exitUsage, merge("model", adapters["lora"], "--out", adapters["pt"], "--overwrite")...), "holds a run or an adapter")
	assert.Contains(t, fail(t, exitUsage, "merge", "--model", at("model")), "required flag")
	assert.Contains(t, succeed(t, merge("other", adapters["lora"])...).stderr, "was trained on another model")
}
