package shaders

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParams(t *testing.T) {
	whole := func() fields { return fields{"m": 1, "n": uint32(2), "k": 3, "scale": float32(1.5)} }
	assert.Equal(t, []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0xc0, 0x3f}, params("matmul_naive", whole()))
	for message, change := range map[string]func(fields){
		"shaders: matmul_naive.wgsl: Params.k is not given":                            func(f fields) { delete(f, "k") },
		"shaders: matmul_naive.wgsl: Params has no l, o":                               func(f fields) { f["o"], f["l"] = 1, 2 },
		"shaders: matmul_naive.wgsl: Params.scale is a f32, and the value 2 a int":     func(f fields) { f["scale"] = 2 },
		"shaders: matmul_naive.wgsl: Params.m is a u32, and the value 2 a float32":     func(f fields) { f["m"] = float32(2) },
		"shaders: matmul_naive.wgsl: Params.m is a u32, and the value -1 a int":        func(f fields) { f["m"] = -1 },
		"shaders: matmul_naive.wgsl: Params.scale is a f32, and the value true a bool": func(f fields) { f["scale"] = true },
		"shaders: matmul_naive.wgsl: Params.m is a u32, and the value 1 a float64":     func(f fields) { f["m"] = 1. },
	} {
		f := whole()
		change(f)
		assert.PanicsWithValue(t, message, func() { params("matmul_naive", f) })
	}
	assert.PanicsWithValue(t, "shaders: no file nope.wgsl", func() { params("nope", nil) })
}

// TestEveryKernelDeclaresParams reads the struct of every file, and counts its
// lines: a field that the reader does not see would shift those after it.
func TestEveryKernelDeclaresParams(t *testing.T) {
	names, err := fs.Glob(files, "*.wgsl")
	require.NoError(t, err)
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		_, body, found := strings.Cut(string(text), "struct Params {\n")
		require.True(t, found, name)
		body, _, _ = strings.Cut(body, "}")
		l := layout(strings.TrimSuffix(name, ".wgsl"))
		assert.Len(t, l, strings.Count(body, "\n"), name)
		for _, f := range l {
			assert.Contains(t, []string{"u32", "f32"}, f.kind, "%s: %s", name, f.name)
		}
	}
}
