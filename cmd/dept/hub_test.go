package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/hub/hubtest"
)

// folderFiles are the files of a folder by name.
func folderFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := map[string]string{}
	for _, e := range entries {
		files[e.Name()] = string(readFile(t, dir, e.Name()))
	}
	return files
}

// newHub is a hub with the tests' model as org/tiny, which the program asks and whose
// cache is new.
func newHub(t *testing.T) (server *hubtest.Server, commit string) {
	t.Helper()
	server = hubtest.New(t)
	commit = server.Add("model", "org/tiny", "main", folderFiles(t, at("model")))
	t.Setenv("HF_ENDPOINT", server.URL)
	t.Setenv("HF_HOME", t.TempDir())
	t.Setenv("HF_HUB_OFFLINE", "0")
	return server, commit
}

func TestHubName(t *testing.T) {
	_, commit := newHub(t)
	predict := []string{"predict", "--data", at("texts.txt"), "--max-target-length", "4"}
	want := succeed(t, append(predict, "--model", at("model"))...).stdout

	// Offline and not in the cache: which model, and how to bring it.
	t.Setenv("HF_HUB_OFFLINE", "1")
	line := fail(t, exitError, append(predict, "--model", "org/tiny")...)
	for _, part := range []string{"--model org/tiny", "no such folder", "not in the cache " + filepath.Join(os.Getenv("HF_HOME"), "hub"), "HF_HUB_OFFLINE", "dept download org/tiny", "hf download org/tiny"} {
		assert.Contains(t, line, part)
	}

	// From the hub, then from the cache.
	t.Setenv("HF_HUB_OFFLINE", "0")
	r := succeed(t, append(predict, "--model", "org/tiny")...)
	assert.Equal(t, want, r.stdout)
	assert.Contains(t, r.stderr, "downloading model.safetensors")
	t.Setenv("HF_HUB_OFFLINE", "1")
	for _, name := range []string{"org/tiny", "hf:org/tiny", "org/tiny@" + commit} {
		r = succeed(t, append(predict, "--model", name)...)
		assert.Equal(t, want, r.stdout)
		assert.Empty(t, r.stderr)
	}
	assert.Contains(t, succeed(t, "inspect", "org/tiny").stdout, "T5 1.1 or Flan")
}

// A folder of the name is taken, and nobody is asked; nor is anybody for a path.
func TestHubFolderFirst(t *testing.T) {
	server, _ := newHub(t)
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("org", 0o777))
	require.NoError(t, os.Symlink(at("model"), filepath.Join("org", "tiny")))
	succeed(t, "predict", "--model", "org/tiny", "--data", at("texts.txt"), "--max-target-length", "2")
	for _, path := range []string{"./org/other", filepath.Join(folder, "other2"), "org/other/", "../x"} {
		assert.Contains(t, fail(t, exitError, "predict", "--model", path, "--data", at("texts.txt")), path+": there is no such folder")
	}
	assert.Empty(t, server.Requests())
}

// Whatever takes a model or an adapter takes its name.
func TestHubNames(t *testing.T) {
	server, commit := newHub(t)
	out := t.TempDir()
	succeed(t, "train", "--model", "org/tiny", "--train", at("train.tsv"), "--task", "sst2", "--out", out, "--method", "lora", "--rank", "2",
		"--steps", "4", "--batch-size", "4", "--max-source-length", "16", "--warmup-steps", "1")
	var config struct {
		Base string `json:"base_model_name_or_path"`
	}
	require.NoError(t, json.Unmarshal(readFile(t, out, dept.AdapterConfigFile), &config))
	assert.Equal(t, "org/tiny", config.Base)
	assert.Equal(t, &train.Base{Name: "org/tiny", Commit: commit}, train.RunBase(out))

	server.Add("model", "org/lora", "main", folderFiles(t, out))
	evaluate := func(model, adapter string) string {
		return succeed(t, "eval", "--model", model, "--adapter", adapter, "--data", at("dev.tsv"), "--task", "sst2", "--json").stdout
	}
	assert.Equal(t, evaluate(at("model"), out), evaluate("org/tiny", "org/lora"))
	assert.Contains(t, succeed(t, "inspect", "org/lora").stdout, "LoRA: A [2, in]")
	merged := filepath.Join(t.TempDir(), "merged")
	succeed(t, "merge", "--model", "org/tiny", "--adapter", "org/lora", "--out", merged)
	again := t.TempDir()
	succeed(t, methodArgs(&dept.LoRA, again, "--model", "org/tiny", "--init", "org/lora", "--rank", "2", "--steps", "1")...)
	succeed(t, "shaders", "--model", "org/tiny", "--write", t.TempDir())

	// An adapter is no model, nor the reverse.
	assert.Contains(t, fail(t, exitError, "predict", "--model", "org/lora", "--data", at("texts.txt")), "it is an adapter: give it with --adapter")
	assert.Contains(t, fail(t, exitError, "predict", "--model", "org/tiny", "--adapter", "org/tiny", "--data", at("texts.txt")), "it is a model: give it with --model")
	line := fail(t, exitError, "predict", "--model", "org/nothing", "--data", at("texts.txt"))
	assert.Contains(t, line, "there is no such folder, and "+server.URL+" has no model org/nothing")
}

// A run goes on with the commit that it began with.
func TestHubResume(t *testing.T) {
	server, commit := newHub(t)
	out := t.TempDir()
	args := trainArgs(out, "--model", "org/tiny", "--steps", "12", "--save-every", "1")
	interrupt(t, "step 4/", args...)
	other := server.Add("model", "org/tiny", "main", folderFiles(t, at("other")))
	require.NotEqual(t, other, commit)
	r := succeed(t, append(args, "--resume")...)
	assert.Contains(t, r.stdout, "org/tiny@"+commit)
	assert.Contains(t, succeed(t, append(args, "--overwrite", "--dry-run")...).stdout, "org/tiny@"+other)
}

// Rows come from a data set's files, all the shards of a split.
func TestHubDataset(t *testing.T) {
	server, _ := newHub(t)
	rows := strings.SplitAfter(string(readFile(t, at("train.tsv"))), "\n")
	server.Add("dataset", "org/rows", "main", map[string]string{"rows.tsv": strings.Join(rows, ""), "README.md": "rows"})
	local, remote := t.TempDir(), t.TempDir()
	succeed(t, trainArgs(local)...)
	succeed(t, trainArgs(remote, "--train", "hf:org/rows:rows.tsv")...)
	assert.Equal(t, readFile(t, local, dept.AdapterWeightsFile), readFile(t, remote, dept.AdapterWeightsFile))
	parquet := func(codec string) string {
		return string(readFile(t, "..", "..", "dept", "data", "testdata", codec+".parquet"))
	}
	server.Add("dataset", "org/parquet", "main", map[string]string{
		"data/train-00000-of-00002.parquet": parquet("snappy"), "data/train-00001-of-00002.parquet": parquet("zstd"), "data/validation-00000-of-00001.parquet": parquet("gzip"),
	})
	dry := []string{"train", "--model", "org/tiny", "--dry-run", "--rank", "1", "--max-source-length", "8", "--batch-size", "2", "--task", "sst2", "--train"}
	one := succeed(t, append(dry, "hf:org/parquet:validation")...).stdout
	both := succeed(t, append(dry, "hf:org/parquet", "--dev", "hf:org/parquet")...).stdout
	assert.Contains(t, one, "hf:org/parquet:validation: 37 rows")
	assert.Contains(t, both, "hf:org/parquet: 74 rows")
	assert.Contains(t, both, "hf:org/parquet: 37 rows, best by")
	assert.Contains(t, fail(t, exitError, trainArgs(t.TempDir(), "--train", "hf:org/rows")...), "no parquet files of its own")
	assert.Contains(t, fail(t, exitUsage, trainArgs(t.TempDir(), "--train", "hf:org/rows:../x")...), "neither a split nor a file")
}

func TestDownload(t *testing.T) {
	server, commit := newHub(t)
	dir := strings.TrimSpace(succeed(t, "download", "org/tiny").stdout)
	assert.Equal(t, filepath.Join(os.Getenv("HF_HOME"), "hub", "models--org--tiny", "snapshots", commit), dir)
	assert.FileExists(t, filepath.Join(dir, "model.safetensors"))
	server.Requests()
	assert.Equal(t, dir, strings.TrimSpace(succeed(t, "download", "org/tiny", "--revision", commit).stdout))
	assert.Empty(t, server.Requests())
	server.Add("model", "org/other", "v1", map[string]string{"a.txt": "a", "deep/b.txt": "b", "c.bin": "c"})
	dir = strings.TrimSpace(succeed(t, "download", "org/other@v1", "--files", "*.txt").stdout)
	assert.FileExists(t, filepath.Join(dir, "deep", "b.txt"))
	assert.NoFileExists(t, filepath.Join(dir, "c.bin"))
	assert.Contains(t, fail(t, exitError, "download", "org/other"), "has no revision main")
	assert.Contains(t, fail(t, exitUsage, "download", "../other"), "no name of a model")
}
