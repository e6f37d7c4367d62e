package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/stretchr/testify/require"
)

func TestPack(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "packed")
	put := func(name, content string) {
		t.Helper()
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(from, name), []byte(content), 0o666))
	}
	names := func(dir string) (all []string) {
		t.Helper()
		require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				name, _ := filepath.Rel(dir, path)
				all = append(all, filepath.ToSlash(name))
			}
			return err
		}))
		return all
	}
	weights := make([]byte, 4096)
	for i := range weights {
		weights[i] = byte(rand.Uint32())
	}
	script := strings.Repeat("train();\n", 500)
	put("main.js", script)
	put("model/model.safetensors", string(weights))
	put("small.json", strings.Repeat(" ", leastPacked-1))
	put("gone.js.br", "of a file that is no more")
	put(".gitkeep", "")

	sizes, err := pack(from, to)
	require.NoError(t, err)
	require.Equal(t, []string{".gitkeep", "main.js", "main.js.br", "main.js.gz", "model/model.safetensors", "small.json"}, names(from))
	require.Equal(t, []string{"main.js.br", "main.js.gz", "model/model.safetensors", "small.json"}, names(to))
	require.Equal(t, size{"model/model.safetensors", 4096, 4096, 4096}, sizes[1])
	require.Equal(t, len(script), sizes[0].plain)
	require.Less(t, sizes[0].brotli, 200)
	unpacked := func(dir string) string {
		t.Helper()
		gz, err := os.ReadFile(filepath.Join(dir, "main.js.gz"))
		require.NoError(t, err)
		r, err := gzip.NewReader(bytes.NewReader(gz))
		require.NoError(t, err)
		a, err := io.ReadAll(r)
		require.NoError(t, err)
		br, err := os.ReadFile(filepath.Join(dir, "main.js.br"))
		require.NoError(t, err)
		b, err := io.ReadAll(brotli.NewReader(bytes.NewReader(br)))
		require.NoError(t, err)
		require.Equal(t, string(a), string(b))
		return string(a)
	}
	require.Equal(t, script, unpacked(from))
	require.Equal(t, script, unpacked(to))

	// A file that has changed, and one that is too small by now.
	script += "evaluate();\n"
	put("main.js", script)
	_, err = pack(from, to)
	require.NoError(t, err)
	require.Equal(t, script, unpacked(to))
	put("main.js", "train();")
	_, err = pack(from, to)
	require.NoError(t, err)
	require.Equal(t, []string{"main.js", "model/model.safetensors", "small.json"}, names(to))
	require.Equal(t, []string{".gitkeep", "main.js", "model/model.safetensors", "small.json"}, names(from))
}

// A build's version is that of its files: of all of them, and of nothing else.
func TestVersion(t *testing.T) {
	t.Chdir("../..") // where make web runs
	dist := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dist, name), []byte(content), 0o666))
	}
	build := func() (page, worker string) {
		t.Helper()
		write("index.html", `<link href="icon.svg"><link href="style.css"><script src="main.js"></script>`)
		require.NoError(t, version(dist))
		a, err := os.ReadFile(filepath.Join(dist, "index.html"))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(dist, "sw.js"))
		require.NoError(t, err)
		return string(a), string(b)
	}
	write("main.js", "train()")
	write("style.css", "b{}")
	write("icon.svg", "<svg/>")
	write("run.js", "watch()")
	page, worker := build()
	require.Regexp(t, `^<link href="icon\.svg\?([0-9a-f]{16})"><link href="style\.css\?[0-9a-f]{16}"><script src="main\.js\?[0-9a-f]{16}"></script>$`, page)
	for _, name := range []string{"main.js", "style.css", "icon.svg"} {
		require.Contains(t, worker, `"`+name+`": "`, "it keeps it")
	}
	require.NotContains(t, worker, `"run.js"`)

	again, _ := build()
	require.Equal(t, page, again)
	write("run.js", "look()") // which the worker keeps no copy of
	write("main.js.gz", "packed")
	again, _ = build()
	require.Equal(t, page, again)
	write("style.css", "i{}")
	other, otherWorker := build()
	require.NotEqual(t, page, other)
	require.NotEqual(t, worker, otherWorker)

	write("index.html", `<script src="app.js"></script>`)
	require.ErrorContains(t, version(dist), "index.html asks for app.js, which the build has not")
	write("index.html", `<script src="https://other.example/main.js"></script>`)
	require.ErrorContains(t, version(dist), "index.html asks for no file of the build")
}
