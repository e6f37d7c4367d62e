package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKernelsHoldTheParts compares every kernel with what splicing makes of it, and
// every part with the kernels, since one that none holds is dead.
func TestKernelsHoldTheParts(t *testing.T) {
	kernels, err := filepath.Glob("../*.wgsl")
	require.NoError(t, err)
	require.NotEmpty(t, kernels)
	used := ""
	for _, name := range kernels {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		whole, err := splice("..", string(text))
		require.NoError(t, err, name)
		assert.Equal(t, whole, string(text), "%s holds another version of a shared part: run go generate ./shaders", name)
		used += string(text)
	}
	parts, err := filepath.Glob("../shared/*.wgsl")
	require.NoError(t, err)
	for _, part := range parts {
		name := filepath.Base(part)
		assert.Contains(t, used, begin+name[:len(name)-len(".wgsl")]+"\n")
	}
}

func TestSplice(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "shared"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shared", "part.wgsl"), []byte("new\n"), 0o644))
	kernel := filepath.Join(dir, "kernel.wgsl")
	require.NoError(t, os.WriteFile(kernel, []byte("a\n// shared: part\nold\n\nold\n// end shared\nb\n"), 0o644))
	for range 2 {
		require.NoError(t, run(dir))
		text, err := os.ReadFile(kernel)
		require.NoError(t, err)
		assert.Equal(t, "a\n// shared: part\nnew\n// end shared\nb\n", string(text))
	}
	for text, message := range map[string]string{
		"// shared: none\n// end shared\n":                  "1: open",
		"a\n// end shared\n":                                "2: \"// end shared\" without a beginning",
		"// shared: part\n":                                 "1: the part has no \"// end shared\"",
		"// shared: part\n// shared: part\n// end shared\n": "2: part part begins inside the part of line 1",
	} {
		_, err := splice(dir, text)
		assert.ErrorContains(t, err, message)
	}
}
