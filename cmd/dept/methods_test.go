package main

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
)

// Every method of the table trains, is inspected and measured, and logs the rates of
// its groups.
func TestEveryMethod(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := map[string]float64{} // losses
	// From their folders, one of each kind of files; at its end each run has evaluated what it has.
	evaluated := map[string]bool{"dept": true, "adept": true, "lora": true, "adapter": true, "residual": true, "full": true}
	for _, k := range dept.Kinds {
		out := filepath.Join(dir, k.Name)
		r := succeed(t, methodArgs(k, out, "--dev", at("dev.tsv"), "--eval-every", "0")...)
		assert.Contains(t, r.stdout, "method     "+k.Name+": ")
		assert.Contains(t, r.stdout, "done       6 steps")
		assert.Empty(t, r.stderr, k.Name)

		want := []string{"grad_norm", "loss", "seconds", "step", "tokens"}
		for group := range k.Rates(k.Defaults()) {
			want = append(want, map[string]string{"": "lr", "prompt": "lr_prompt", "lowrank": "lr_lowrank"}[group])
		}
		assert.Equal(t, slices.Sorted(slices.Values(want)), stepKeys(t, out), k.Name)
		log := readLog(t, out)
		require.Len(t, log, 8, k.Name)
		first[k.Name] = *log[1].Loss

		inspected := succeed(t, "inspect", out).stdout
		if !k.Checkpoints() {
			assert.Contains(t, inspected, k.Title)
			assert.Contains(t, inspected, "method "+k.Name)
			assert.Contains(t, inspected, "max-source-length 16")
		}
		if evaluated[k.Name] {
			scores := succeed(t, readArgs(k, "eval", out)...).stdout
			assert.Contains(t, scores, scoreLine(log[7].Metrics), "the last evaluation's")
		}
	}
	for _, name := range []string{"lora", "ia3", "norms", "biases"} {
		assert.Equal(t, first["full"], first[name], "%s starts from the model as it is", name)
	}
}

// stepKeys are the keys of a step's line in the log.
func stepKeys(t *testing.T, dir string) []string {
	for line := range strings.Lines(string(readFile(t, dir, "log.jsonl"))) {
		var keys map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &keys))
		if _, ok := keys["loss"]; ok {
			return slices.Sorted(maps.Keys(keys))
		}
	}
	return nil
}

// An adapter trained on with --init has the settings of the first.
func TestInitOfEveryMethod(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		kind   *dept.Kind
		asked  []string // of the first
		same   string   // what both say
		refuse []string // of the second
		why    string
	}{
		{&dept.PromptTuning, nil, "prompt-length 5", []string{"--prompt-length", "6"}, "--prompt-length 6: the adapter in"},
		{&dept.LoRA, []string{"--target-modules", "o,q", "--use-rslora"}, "rank 3, lora-alpha 8, lora-dropout 0, use-rslora true, use-dora false, target-modules o, q",
			[]string{"--target-modules", "q,v"}, "--target-modules q, v: the adapter in"},
		{&dept.Bottleneck, []string{"--placement", "parallel", "--reduction", "2", "--non-linearity", "gelu"}, "placement parallel, reduction 2, non-linearity gelu",
			[]string{"--placement", "houlsby"}, "--placement houlsby: the adapter in"},
		{&dept.IA3, []string{"--target-modules", "v,wo"}, "target-modules v, wo, feedforward-modules wo", []string{"--feedforward-modules", "v"}, "--feedforward-modules v: the adapter in"},
	} {
		first, second := filepath.Join(dir, c.kind.Name), filepath.Join(dir, c.kind.Name+" again")
		succeed(t, methodArgs(c.kind, first, c.asked...)...)
		// Nothing in these adapters depends on the longest text.
		succeed(t, drop(drop(methodArgs(c.kind, second, "--init", first, "--max-source-length", "12"), "--rank"), "--prompt-length")...)
		assert.Contains(t, succeed(t, "inspect", second).stdout, c.same+", max-source-length 12")
		assert.NotEqual(t, readFile(t, first, c.kind.WeightsFile()), readFile(t, second, c.kind.WeightsFile()))
		third := filepath.Join(dir, "third")
		assert.Contains(t, fail(t, exitUsage, methodArgs(c.kind, third, append(c.refuse, "--init", first)...)...), c.why)
		assert.Contains(t, fail(t, exitUsage, trainArgs(third, "--init", first)...), "train it on with --method "+c.kind.Name)
	}
}

// Methods that share a setting's name share its flag, which has one type.
func TestMethodFlags(t *testing.T) {
	t.Parallel()
	for _, k := range dept.Kinds {
		for _, s := range k.Settings {
			assert.Equal(t, reflect.TypeOf(settingNamed(s.Name).Default), reflect.TypeOf(s.Default), "%s of %s", s.Name, k.Name)
		}
	}
	assert.Equal(t, "r, the rank of the shift A·B (dept 45); r, the width of the network that shifts a word (adept 19); r, the rank of the changes (lora 8)", settingUsage("rank"))
	assert.Contains(t, settingUsage("lr"), "learning rate (residual 0.3; lora, norms, biases, full 0.001; ia3 0.003")
	assert.Equal(t, "names of the modules that are changed, such as q,v (lora q,v; ia3 k,v,wo); names of the norms that are trained (norms final_layer_norm,layer_norm)", settingUsage("target-modules"))

	// What is not given is each method's own.
	m := methodFlags{}
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	m.add(f)
	require.NoError(t, f.Parse([]string{"--rank=7", "--target-modules=o,k", "--use-dora"}))
	v, given, err := m.values(&dept.LoRA)
	require.NoError(t, err)
	assert.Equal(t, []string{"rank", "use-dora", "target-modules"}, given)
	assert.Equal(t, dept.Values{
		"rank": 7, "lora-alpha": 8., "lora-dropout": 0., "use-rslora": false, "use-dora": true, "target-modules": []string{"o", "k"}, "lr": 1e-3,
	}, v)
	v, given, err = m.values(&dept.IA3)
	require.NoError(t, err)
	assert.Equal(t, []string{"target-modules"}, given)
	assert.Equal(t, dept.Values{"target-modules": []string{"o", "k"}, "feedforward-modules": []string{"wo"}, "lr": 3e-3}, v)
}
