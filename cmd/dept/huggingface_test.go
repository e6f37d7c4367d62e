//go:build huggingface

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/hub/hubtest"
)

// TestHuggingFace lets Python's huggingface_hub and dept share a cache, through a hub on this
// machine. HUB_PYTHON is a Python that has it; make check-long PART=hub sets it.
func TestHuggingFace(t *testing.T) {
	require.NotEmpty(t, os.Getenv("HUB_PYTHON"), "set HUB_PYTHON, or run make check-long PART=hub")
	version := python(t, "import huggingface_hub; print(huggingface_hub.__version__)")
	say := func(format string, args ...any) {
		fmt.Printf("huggingface_hub %s: %s\n", version, fmt.Sprintf(format, args...))
	}
	files := folderFiles(t, at("model"))
	predict := []string{"predict", "--data", at("texts.txt"), "--max-target-length", "4", "--model"}
	want := succeed(t, append(predict, at("model"))...).stdout
	bodies := func(server *hubtest.Server) (n int) {
		for _, r := range server.Requests() {
			if r.Method == "GET" && (r.Host == server.CDN || strings.Contains(r.Path, "/resolve/")) {
				n++
			}
		}
		return n
	}

	t.Run("Python first", func(t *testing.T) {
		server, commit := newHub(t)
		dir := python(t, snapshot)
		require.Equal(t, commit, filepath.Base(dir))
		server.Requests()
		require.Equal(t, dir, strings.TrimSpace(succeed(t, "download", "org/tiny").stdout))
		require.Zero(t, bodies(server))
		offline(t)
		for _, name := range []string{"org/tiny", "org/tiny@" + commit} {
			require.Equal(t, want, succeed(t, append(predict, name)...).stdout)
		}
		say("what Python brought, dept finds: no file is sent again, and offline it predicts the same")
	})

	t.Run("dept first", func(t *testing.T) {
		server, commit := newHub(t)
		dir := strings.TrimSpace(succeed(t, "download", "org/tiny").stdout)
		server.Requests()
		require.Equal(t, dir, python(t, snapshot))
		require.Zero(t, bodies(server))
		require.Equal(t, "True", python(t, `
from huggingface_hub import try_to_load_from_cache, _CACHED_NO_EXIST
print(try_to_load_from_cache("org/tiny", "added_tokens.json") is _CACHED_NO_EXIST)`))
		require.Equal(t, "1 model org/tiny "+commit+" main, 0 warnings", python(t, scan))
		offline(t)
		require.Equal(t, dir, python(t, snapshot))
		for name, content := range files {
			path := python(t, fmt.Sprintf("import huggingface_hub; print(huggingface_hub.hf_hub_download('org/tiny', %q))", name))
			require.Equal(t, content, string(readFile(t, path)))
		}
		say("what dept brought, Python finds: no file is sent again, files that are missing are known, and scan_cache_dir has no warnings")
	})

	t.Run("a data set", func(t *testing.T) {
		server, _ := newHub(t)
		server.Add("dataset", "org/rows", "main", map[string]string{"data/train-00000-of-00001.parquet": "rows", "rows.tsv": string(readFile(t, at("train.tsv")))})
		python(t, `import huggingface_hub; print(huggingface_hub.snapshot_download("org/rows", repo_type="dataset"))`)
		offline(t)
		succeed(t, trainArgs(t.TempDir(), "--train", "hf:org/rows:rows.tsv", "--steps", "1")...)
		dir := strings.TrimSpace(succeed(t, "download", "--dataset", "org/rows").stdout)
		require.FileExists(t, filepath.Join(dir, "data", "train-00000-of-00001.parquet"))
		say("a data set of Python's is read offline")
	})

	t.Run("a card", func(t *testing.T) {
		newHub(t)
		out := t.TempDir()
		succeed(t, methodArgs(&dept.LoRA, out, "--model", "org/tiny", "--dev", at("dev.tsv"))...)
		succeed(t, "export", "--hub-card", "--adapter", out)
		got := python(t, fmt.Sprintf(`
from huggingface_hub import ModelCard
d = ModelCard.load(%q).data
print(d.base_model, d.library_name, d.eval_results[0].metric_type, d.eval_results[0].dataset_name)`, filepath.Join(out, "README.md")))
		require.Equal(t, "org/tiny peft accuracy sst2", got)
		say("the card that dept writes is read by ModelCard")
	})

	t.Run("at once", func(t *testing.T) {
		for range 5 {
			server, _ := newHub(t)
			server.Break("model.safetensors", hubtest.Fault{Slow: 2 * time.Millisecond})
			var all sync.WaitGroup
			dirs := make([]string, 6)
			for i := range dirs {
				all.Add(1)
				go func() {
					defer all.Done()
					if i%2 == 0 {
						dirs[i] = python(t, snapshot)
					} else {
						dirs[i] = strings.TrimSpace(succeed(t, "download", "org/tiny").stdout)
					}
				}()
			}
			all.Wait()
			for _, dir := range dirs {
				require.Equal(t, dirs[0], dir)
			}
			large := 0
			for _, r := range server.Requests() {
				if r.Method == "GET" && r.Host == server.CDN {
					large++
				}
			}
			require.Equal(t, 1, large)
			for name, content := range files {
				require.Equal(t, content, string(readFile(t, dirs[0], name)))
			}
			require.Contains(t, python(t, scan), "0 warnings")
			require.Contains(t, succeed(t, "cache", "verify").stdout, "right")
		}
		say("three of each at once, 5 times: the large file is sent once, all files are right")
	})

	t.Run("killed", func(t *testing.T) {
		const kills = 10
		for i := range kills {
			server, _ := newHub(t)
			server.Break("model.safetensors", hubtest.Fault{Slow: 5 * time.Millisecond})
			first := exec.Command(program, "download", "org/tiny")
			enough := int64(10_000 * (1 + i/2))
			if i%2 == 1 { // Python's keeps in memory what a small file has
				first, enough = exec.Command(os.Getenv("HUB_PYTHON"), "-c", snapshot), 0
			}
			require.NoError(t, first.Start())
			require.Eventually(t, func() bool {
				found, _ := filepath.Glob(filepath.Join(os.Getenv("HF_HOME"), "hub", "*", "blobs", "*.incomplete"))
				for _, path := range found {
					if stat, err := os.Stat(path); err == nil && stat.Size() >= enough {
						return true
					}
				}
				return false
			}, 30*time.Second, time.Millisecond)
			require.NoError(t, first.Process.Kill())
			first.Wait()
			server.Break("model.safetensors", hubtest.Fault{})
			var dir string
			if i%2 == 1 {
				dir = strings.TrimSpace(succeed(t, "download", "org/tiny").stdout)
			} else {
				require.Contains(t, python(t, scan), "0 warnings")
				dir = python(t, snapshot)
			}
			for name, content := range files {
				require.Equal(t, content, string(readFile(t, dir, name)))
			}
			succeed(t, "cache", "verify")
		}
		say("one killed in the middle of the large file, %d times: the other finishes", kills)
	})
}

const (
	snapshot = `import huggingface_hub; print(huggingface_hub.snapshot_download("org/tiny"))`
	scan     = `
from huggingface_hub import scan_cache_dir
info = scan_cache_dir()
print(len(info.repos), *[f"{r.repo_type} {r.repo_id} {v.commit_hash} {' '.join(sorted(v.refs))}" for r in info.repos for v in r.revisions], end="")
known = [w for w in info.warnings if "CACHEDIR.TAG" not in str(w)] # which older versions do not know
print(f", {len(known)} warnings")`
)

// offline forbids requests, Python's too.
func offline(t *testing.T) { t.Setenv("HF_HUB_OFFLINE", "1") }

// python runs a program of Python's and returns what it prints.
func python(t *testing.T, program string) string {
	cmd := exec.Command(os.Getenv("HUB_PYTHON"), "-c", program)
	cmd.Env = append(os.Environ(), "HF_HUB_DISABLE_PROGRESS_BARS=1", "HF_HUB_DISABLE_TELEMETRY=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), stderr.String())
	return strings.TrimSpace(stdout.String())
}
