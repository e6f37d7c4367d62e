//go:build !js

package hub

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/hub/hubtest"
)

// treeClient has no cache, and a transport that follows redirects, as a page's client.
func treeClient(t *testing.T, s *hubtest.Server) *Client {
	t.Helper()
	c := clientOf(s.URL, "")
	c.Transport = following{http.DefaultClient}
	return c
}

func TestTreeBringsAModel(t *testing.T) {
	s := hubtest.New(t)
	weights := noise(300_000, 1)
	s.Add("model", "org/tiny", "main", map[string]string{
		"config.json": `{"d_model": 8}`, "spiece.model": "pieces", "README.md": "hello", "pytorch_model.bin": "old", "model.safetensors": weights,
	})
	c := treeClient(t, s)
	tree, err := c.Tree(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	require.Regexp(t, "^[0-9a-f]{40}$", tree.Commit)
	small, large, err := tree.Model()
	require.NoError(t, err)
	require.Equal(t, []string{"config.json", "spiece.model"}, small)
	require.Equal(t, []string{"model.safetensors"}, large)
	require.EqualValues(t, 300_000, tree.Size(large...))

	s.Requests()
	s.Break("model.safetensors", hubtest.Fault{Cut: []int{100_000, 100_000}, Status: []int{503}})
	path := filepath.Join(t.TempDir(), "weights")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, tree.Bring(t.Context(), "model.safetensors", f))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, weights, string(got))
	var ranges []string
	for _, r := range s.Requests() {
		if r.Host == s.CDN {
			ranges = append(ranges, r.Range)
		}
	}
	require.Equal(t, []string{"", "bytes=100000-", "bytes=200000-"}, ranges, "what has arrived is not sent again")
}

// What an earlier try left is gone on from, and found out where it is wrong.
func TestTreeBringsTheRest(t *testing.T) {
	s := hubtest.New(t)
	weights := noise(50_000, 1)
	s.Add("model", "org/tiny", "main", map[string]string{"config.json": "{}", "model.safetensors": weights})
	tree, err := treeClient(t, s).Tree(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	for _, left := range []string{weights[:20_000], "x" + weights[1:20_000], weights, weights + "more"} {
		f, err := os.CreateTemp(t.TempDir(), "")
		require.NoError(t, err)
		_, err = f.WriteString(left)
		require.NoError(t, err)
		require.NoError(t, tree.Bring(t.Context(), "model.safetensors", f))
		_, err = f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		got, err := io.ReadAll(f)
		require.NoError(t, err)
		require.Equal(t, weights, string(got))
		require.NoError(t, f.Close())
	}
}

func TestTreeRefuses(t *testing.T) {
	s := hubtest.New(t)
	s.Add("model", "org/tiny", "main", map[string]string{"config.json": "{}", "model.safetensors": noise(9000, 1)})
	s.Add("model", "org/adapter", "main", map[string]string{"adapter_config.json": "{}"})
	s.Add("model", "org/flax", "main", map[string]string{"config.json": "{}", "flax_model.msgpack": "x"})
	s.Add("model", "org/gated", "main", map[string]string{"config.json": "{}"})
	s.Restrict("model", "org/gated", true, false)
	c := treeClient(t, s)

	var refused *Refusal
	_, err := c.Tree(t.Context(), ref(t, "org/nowhere"))
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "RepoNotFound", refused.Code)
	_, err = c.Tree(t.Context(), ref(t, "org/gated"))
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "GatedRepo", refused.Code)

	for name, want := range map[string]string{
		"org/adapter": "org/adapter is an adapter, not a model", "org/flax": "org/flax has no weights that dept reads (model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json); it has config.json, flax_model.msgpack",
	} {
		tree, err := c.Tree(t.Context(), ref(t, name))
		require.NoError(t, err)
		_, _, err = tree.Model()
		require.ErrorContains(t, err, want)
	}

	tree, err := c.Tree(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	s.Break("model.safetensors", hubtest.Fault{Corrupt: 1})
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	err = tree.Bring(t.Context(), "model.safetensors", f)
	require.ErrorContains(t, err, "downloading model.safetensors of org/tiny: its checksum is")
	require.ErrorContains(t, err, "thrown away")
	size, err := f.Seek(0, io.SeekEnd)
	require.NoError(t, err)
	require.Zero(t, size)
	var missing *MissingFile
	require.ErrorAs(t, tree.Bring(t.Context(), "other", f), &missing)
}

func TestTreeOfShards(t *testing.T) {
	s := hubtest.New(t)
	s.Add("model", "org/large", "main", map[string]string{
		"config.json": "{}", "tokenizer.json": "{}", "spiece.model": "x", "pytorch_model.bin.index.json": "{}", "pytorch_model-00001-of-00002.bin": "a", "pytorch_model-00002-of-00002.bin": "bc",
		"model-00001-of-00002.safetensors": "not its own", "onnx/pytorch_model-00001-of-00002.bin": "not there",
	})
	tree, err := treeClient(t, s).Tree(t.Context(), ref(t, "org/large"))
	require.NoError(t, err)
	small, weights, err := tree.Model()
	require.NoError(t, err)
	require.Equal(t, []string{"config.json", "tokenizer.json", "pytorch_model.bin.index.json"}, small)
	require.Equal(t, []string{"pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"}, weights)
	require.EqualValues(t, 3, tree.Size(weights...))
}
