package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The wrong kind of thing is answered, in each place that one is named, with what it is and what to
// do; a checkpoint that leaves a doubt, with a warning.
func TestTheWrongKindOfThing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, content string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(in(name)), 0o777))
		require.NoError(t, os.WriteFile(in(name), []byte(content), 0o666))
	}
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 308000000\n"
	require.NoError(t, os.CopyFS(in("cache/models--org--tiny/snapshots/c1"), os.DirFS(at("model"))))
	write("cache/models--org--tiny/refs/main", "c1")
	require.NoError(t, os.CopyFS(in("pointer"), os.DirFS(at("model"))))
	write("pointer/model.safetensors", pointer)
	require.NoError(t, os.CopyFS(in("page"), os.DirFS(at("model"))))
	write("page/tokenizer.json", "<!DOCTYPE html><html>")
	write("adapter/adapter_config.json", `{"peft_type": "LORA", "base_model_name_or_path": "org/tiny"}`)
	write("loose/x.gguf", "GGUF\x03\x00\x00\x00")
	write("rows.jsonl", pointer)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"predict", "--model", in("pointer")}, "model.safetensors: it is a Git LFS pointer, not the file: run git lfs pull"},
		{[]string{"predict", "--model", in("page")}, "tokenizer.json: it is an HTML page, not the file"},
		{[]string{"predict", "--model", in("adapter")}, "it is an adapter, not a model: give it as --adapter, and as --model the model that it was trained on, org/tiny"},
		{[]string{"predict", "--model", at("model"), "--adapter", at("other")}, "it is a whole model, not an adapter: give it as --model"},
		{[]string{"inspect", in("cache")}, "it is a Hugging Face cache: give the model by its name: org/tiny"},
		{[]string{"merge", "--model", in("cache/models--org--tiny"), "--adapter", at("other"), "--out", in("out")}, "it is a whole model, not an adapter"},
		{[]string{"inspect", in("cache/models--org--tiny")}, "give the snapshot in it, snapshots/c1"},
		{[]string{"inspect", dir}, "its folders page and pointer hold models: give one of them"},
		{[]string{"inspect", in("loose/x.gguf")}, "it is a GGUF file"},
		{[]string{"predict", "--model", at("model"), "--data", in("loose/x.gguf")}, "x.gguf: it is a GGUF file"},
		{[]string{"predict", "--model", at("model"), "--data", in("rows.jsonl")}, "rows.jsonl: it is a Git LFS pointer"},
	} {
		assert.Contains(t, fail(t, exitError, c.args...), c.want, strings.Join(c.args, " "))
	}

	config := readFile(t, at("model"), "config.json")
	require.NoError(t, os.CopyFS(in("doubt"), os.DirFS(at("model"))))
	untied := strings.Replace(string(config), `"tie_word_embeddings": true`, `"tie_word_embeddings": false`, 1)
	require.NotEqual(t, string(config), untied)
	write("doubt/config.json", untied)
	r := succeed(t, "inspect", in("doubt"))
	assert.Contains(t, r.stderr, "warning: "+in("doubt")+": config.json asks for an output table of its own, but there is no lm_head.weight: the embedding is used")
	assert.Contains(t, r.stdout, "output table: the embedding\n")
	assert.Contains(t, succeed(t, "inspect", at("model")).stdout, "output table: the embedding (scaled)\n")
}
