package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The program holds what make web wrote, each file as it is or compressed, or says
// that it was not run.
func TestFiles(t *testing.T) {
	files, err := Files()
	if _, missing := os.Stat("dist/index.html"); missing != nil {
		assert.ErrorContains(t, err, "make web")
		t.Logf("the page is not built here: %v", missing)
		return
	}
	require.NoError(t, err)
	held := map[string][]byte{}
	require.NoError(t, fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		if entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return nil
		}
		content, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		held[name] = content
		return nil
	}))
	require.NoError(t, filepath.WalkDir("dist", func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		name := filepath.ToSlash(strings.TrimPrefix(path, "dist"+string(filepath.Separator)))
		if entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return nil
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		if ext := filepath.Ext(name); ext == ".br" || ext == ".gz" {
			assert.True(t, bytes.Equal(content, held[name]), name)
			return nil
		}
		if plain, ok := held[name]; ok {
			assert.True(t, bytes.Equal(content, plain), name)
			return nil
		}
		gz, err := gzip.NewReader(bytes.NewReader(held[name+".gz"]))
		require.NoError(t, err, name)
		for _, r := range []io.Reader{gz, brotli.NewReader(bytes.NewReader(held[name+".br"]))} {
			unpacked, err := io.ReadAll(r)
			require.NoError(t, err, name)
			assert.True(t, bytes.Equal(content, unpacked), name)
		}
		return nil
	}))
}
