package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/go-dept/dept/dept"
)

func TestHubCard(t *testing.T) {
	_, commit := newHub(t)
	for _, k := range []*dept.Kind{&dept.DePT, &dept.LoRA, &dept.Bottleneck} {
		out := t.TempDir()
		succeed(t, methodArgs(k, out, "--model", "org/tiny", "--dev", at("dev.tsv"), "--eval-every", "3", "--seed", "7")...)
		path := strings.TrimSpace(succeed(t, "export", "--hub-card", "--adapter", out).stdout)
		require.Equal(t, filepath.Join(out, "README.md"), path)
		text := string(readFile(t, path))
		front, body, ok := strings.Cut(strings.TrimPrefix(text, "---\n"), "\n---\n")
		require.True(t, ok)
		var f frontMatter
		require.NoError(t, yaml.Unmarshal([]byte(front), &f))
		assert.Equal(t, "org/tiny", f.Base)
		assert.Contains(t, f.Tags, k.Name)
		assert.Equal(t, []string{"accuracy"}, f.Metrics)
		best := 0.
		for _, line := range readLog(t, out) {
			if line.Best {
				best = line.Metrics["accuracy"]
			}
		}
		require.Len(t, f.Index, 1)
		assert.Equal(t, best, f.Index[0].Results[0].Metrics[0].Value)
		assert.Equal(t, "sst2", f.Index[0].Results[0].Dataset["name"])
		for _, part := range []string{"at commit " + commit, "`--seed` | 7", "`--steps` | 6", "`sentence: {sentence}`", "dept predict --model org/tiny --adapter"} {
			assert.Contains(t, body, part)
		}
		switch k {
		case &dept.LoRA:
			assert.Equal(t, "peft", f.Library)
			assert.Contains(t, body, `revision="`+commit+`"`)
			assert.Contains(t, body, "`--rank` | 3")
		case &dept.Bottleneck:
			assert.Equal(t, "adapter-transformers", f.Library)
			assert.Contains(t, body, `from_pretrained("org/tiny", revision="`+commit+`")`)
			assert.Contains(t, body, "`--reduction` | 16")
		default:
			assert.Empty(t, f.Library)
			assert.NotContains(t, body, "PeftModel")
			assert.Contains(t, body, "[authors' code](https://github.com/ZhengxiangShi/DePT)")
		}
		assert.NotContains(t, body, "\n\n\n")

		// What is there is not lost, and goes on being an adapter.
		assert.Contains(t, fail(t, exitUsage, "export", "--hub-card", "--adapter", out), "replace it with --overwrite")
		succeed(t, "export", "--hub-card", "--adapter", out, "--overwrite")
		succeed(t, readArgs(k, "eval", out)...)
	}

	// A model in a folder is nobody else's.
	out := t.TempDir()
	succeed(t, trainArgs(out)...)
	r := succeed(t, "export", "--hub-card", "--adapter", out)
	assert.Contains(t, r.stderr, "no name on the hub ("+at("model")+")")
	assert.NotContains(t, string(readFile(t, out, "README.md")), "base_model")
	assert.Contains(t, fail(t, exitUsage, "export", "--adapter", out), "--hub-card")
	assert.Contains(t, fail(t, exitError, "export", "--hub-card", "--adapter", at("model")), "not an adapter")
}

func TestCacheCommand(t *testing.T) {
	_, commit := newHub(t)
	assert.NotContains(t, succeed(t, "cache", "list").stdout, "org/tiny")
	dir := strings.TrimSpace(succeed(t, "download", "org/tiny").stdout)
	r := succeed(t, "cache", "list").stdout
	assert.Contains(t, r, "org/tiny")
	assert.Contains(t, r, commit+" main")
	assert.Contains(t, succeed(t, "cache", "verify", "hf:org/tiny").stdout, "files right")
	blob, err := filepath.EvalSymlinks(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	change(t, blob)
	assert.Contains(t, fail(t, exitError, "cache", "verify"), "dept cache remove org/tiny")
	assert.Contains(t, fail(t, exitError, "cache", "remove", "org/nothing"), "org/nothing is not in the cache")
	succeed(t, "cache", "remove", "org/tiny")
	assert.NoDirExists(t, dir)
	succeed(t, "download", "org/tiny")
	succeed(t, "cache", "verify")
}

// change makes a byte of a file another one.
func change(t *testing.T, path string) {
	t.Helper()
	b := readFile(t, path)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o666))
}
