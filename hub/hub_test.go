//go:build !js

package hub

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/hub/hubtest"
)

// files are a model's, its weights of a size.
func files(size int) map[string]string {
	return map[string]string{
		"config.json":             `{"model_type": "t5"}`,
		"generation_config.json":  `{}`,
		"tokenizer_config.json":   `{"tokenizer_class": "T5Tokenizer"}`,
		"special_tokens_map.json": `{}`,
		"tokenizer.json":          `{"model": {}}`,
		"spiece.model":            "pieces",
		"model.safetensors":       noise(size, 1),
		"pytorch_model.bin":       noise(size, 2),
		"tf_model.h5":             noise(100, 3),
		"README.md":               "# a model",
	}
}

// noise is a text of n random bytes.
func noise(n int, seed uint64) string {
	b := make([]byte, n)
	var key [32]byte
	key[0] = byte(seed)
	rand.NewChaCha8(key).Read(b)
	return string(b)
}

// harness is a hub with one model and a client with a cache of its own.
type harness struct {
	*hubtest.Server
	*Client
	commit   string
	files    map[string]string
	warnings *[]string
}

func newHarness(t *testing.T, size int) harness {
	server := hubtest.New(t)
	h := harness{Server: server, files: files(size), warnings: &[]string{}}
	h.commit = server.Add("model", "org/tiny", "main", h.files)
	h.Client = clientOf(server.URL, t.TempDir())
	h.OnWarning = func(text string) { *h.warnings = append(*h.warnings, text) }
	return h
}

// clientOf is a client that does not wait long.
func clientOf(endpoint, cache string) *Client {
	return &Client{
		Endpoint: endpoint, Cache: cache, Transport: defaultTransport(),
		AskTimeout: 10 * time.Second, StallTimeout: 10 * time.Second, RetryPause: time.Millisecond,
	}
}

func ref(t *testing.T, text string) Ref {
	t.Helper()
	r, err := ParseRef(Model, text)
	require.NoError(t, err)
	return r
}

// whole requires a snapshot that has the files named, as the server has them, and no others.
func (h harness) whole(t *testing.T, s *Snapshot, names ...string) {
	t.Helper()
	require.Equal(t, h.commit, s.Commit)
	for _, name := range names {
		got, err := os.ReadFile(filepath.Join(s.Dir, filepath.FromSlash(name)))
		require.NoError(t, err)
		require.Equal(t, h.files[name], string(got), name)
	}
	local, err := s.present()
	require.NoError(t, err)
	require.ElementsMatch(t, names, local)
}

// needed are the files of newHarness's model that dept reads.
var needed = []string{"config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json", "model.safetensors"}

func TestModel(t *testing.T) {
	h := newHarness(t, 300_000)
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)

	// The layout of the cache.
	repo := filepath.Join(h.Cache, "models--org--tiny")
	text, err := os.ReadFile(filepath.Join(repo, "refs", "main"))
	require.NoError(t, err)
	require.Equal(t, h.commit, string(text))
	for _, name := range needed {
		target, err := os.Readlink(filepath.Join(s.Dir, name))
		require.NoError(t, err)
		require.Equal(t, filepath.Join("..", "..", "blobs", hubtest.Checksum(name, []byte(h.files[name]))), target)
		require.FileExists(t, filepath.Join(h.Cache, ".locks", "models--org--tiny", filepath.Base(target)+".lock"))
	}
	require.FileExists(t, filepath.Join(h.Cache, "CACHEDIR.TAG"))
	blobs, err := os.ReadDir(filepath.Join(repo, "blobs"))
	require.NoError(t, err)
	require.Len(t, blobs, len(needed)-1, "two files are the same") // generation_config.json and special_tokens_map.json

	// The second time one question is enough, and none for a commit.
	h.Requests()
	_, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	require.Len(t, h.Requests(), 1)
	s, err = h.Model(t.Context(), ref(t, "org/tiny@"+h.commit))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	require.Empty(t, h.Requests())
}

func TestCut(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	h := newHarness(t, 100_000)
	var cuts []int
	for range 20 {
		cuts = append(cuts, 1+random.IntN(50_000))
	}
	h.Break("model.safetensors", hubtest.Fault{Cut: cuts})
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	ranges := 0
	for _, r := range h.Requests() {
		if r.Host == h.CDN && r.Range != "" {
			ranges++
		}
		if r.Host == h.CDN {
			require.Empty(t, r.Token)
		}
	}
	require.Positive(t, ranges)
}
