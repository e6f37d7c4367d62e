//go:build !js

package hub

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Weights are the first form that the repository has, and only what is needed comes.
func TestOnlyWhatIsNeeded(t *testing.T) {
	index := `{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors", "c": "model-00001-of-00002.safetensors"}}`
	for name, c := range map[string]struct{ has, comes []string }{
		"safetensors": {
			[]string{"config.json", "tokenizer.json", "spiece.model", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "flax_model.msgpack"},
			[]string{"config.json", "tokenizer.json", "model.safetensors"},
		},
		"shards": {
			[]string{"config.json", "tokenizer.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "pytorch_model.bin"},
			[]string{"config.json", "tokenizer.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"},
		},
		"bin": {
			[]string{"config.json", "spiece.model", "pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5"},
			[]string{"config.json", "spiece.model", "pytorch_model.bin"},
		},
		"bytes": { // ByT5 has no vocabulary
			[]string{"config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "model.safetensors"},
			[]string{"config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "model.safetensors"},
		},
	} {
		h := newHarness(t, 1)
		h.files = map[string]string{}
		for i, file := range c.has {
			if h.files[file] = noise(100, uint64(i)); strings.HasSuffix(file, ".index.json") {
				h.files[file] = index
			}
		}
		h.commit = h.Add("model", "org/tiny", "main", h.files)
		s, err := h.Model(t.Context(), ref(t, "org/tiny"))
		require.NoError(t, err, name)
		h.whole(t, s, c.comes...)
		// All of it is known now: what a commit does not have is not asked for again.
		h.Requests()
		_, err = h.Model(t.Context(), ref(t, "org/tiny"))
		require.NoError(t, err, name)
		require.Len(t, h.Requests(), 1, name)
		s, err = h.Model(t.Context(), ref(t, "org/tiny@"+h.commit))
		require.NoError(t, err, name)
		h.whole(t, s, c.comes...)
		require.Empty(t, h.Requests(), name)
	}
}

func TestOtherKinds(t *testing.T) {
	h := newHarness(t, 1)
	h.Add("model", "org/lora", "main", map[string]string{"adapter_config.json": "{}", "adapter_model.safetensors": "a", "adapter_model.bin": "b", "README.md": "c"})
	h.Add("model", "org/gguf", "main", map[string]string{"model.Q4.gguf": "a"})
	h.Add("model", "org/flax", "main", map[string]string{"config.json": "{}", "flax_model.msgpack": "a"})
	h.Add("model", "org/index", "main", map[string]string{"config.json": "{}", "model.safetensors.index.json": `{"weight_map": 3}`})
	s, err := h.Adapter(t.Context(), ref(t, "org/lora"))
	require.NoError(t, err)
	names, err := s.present()
	require.NoError(t, err)
	require.Equal(t, []string{"adapter_config.json", "adapter_model.safetensors"}, names)
	any, err := h.Any(t.Context(), ref(t, "org/lora"))
	require.NoError(t, err)
	require.Equal(t, s.Dir, any.Dir)
	any, err = h.Any(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, any, needed...)
	s, err = h.Config(t.Context(), ref(t, "org/flax"))
	require.NoError(t, err)
	require.True(t, s.has("config.json"))
	_, err = h.Model(t.Context(), ref(t, "org/lora"))
	require.ErrorContains(t, err, "org/lora has no config.json but adapter_config.json: it is an adapter: give it with --adapter")
	_, err = h.Adapter(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "org/tiny has no adapter_config.json but config.json: it is a model: give it with --model")
	_, err = h.Model(t.Context(), ref(t, "org/gguf"))
	require.EqualError(t, err, "org/gguf has no config.json; it has model.Q4.gguf")
	_, err = h.Model(t.Context(), ref(t, "org/flax"))
	require.ErrorContains(t, err, "org/flax has no weights that dept reads (model.safetensors, ")
	require.ErrorContains(t, err, "it has config.json, flax_model.msgpack")
	_, err = h.Model(t.Context(), ref(t, "org/index"))
	require.ErrorContains(t, err, "model.safetensors.index.json of org/index: it is no index of weights")
	require.NotContains(t, err.Error(), "struct")
}

// A branch that moves is followed, files that stay the same are not downloaded again, and the old
// commit is still there.
func TestMovedBranch(t *testing.T) {
	h := newHarness(t, 20_000)
	old, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.files = maps.Clone(h.files)
	h.files["config.json"] = `{"model_type": "t5", "d_model": 8}`
	h.commit = h.Add("model", "org/tiny", "main", h.files)
	h.Requests()
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	n, _ := bodies(h)
	require.Zero(t, n)
	require.NotEqual(t, old.Dir, s.Dir)
	h.Offline = true
	again, err := h.Model(t.Context(), ref(t, "org/tiny@"+old.Commit))
	require.NoError(t, err)
	require.Equal(t, old.Dir, again.Dir)
	again, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	require.Equal(t, s.Dir, again.Dir)
}

// Where the system has no links the files themselves are in the snapshot, or copies of blobs.
func TestWithoutLinks(t *testing.T) {
	symlink = func(string, string) error { return errors.New("no links here") }
	t.Cleanup(func() { symlink = os.Symlink })
	h := newHarness(t, 20_000)
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	require.NoError(t, filepath.WalkDir(h.Cache, func(path string, d os.DirEntry, err error) error {
		require.Zero(t, d.Type()&os.ModeSymlink, path)
		return err
	}))
	require.Empty(t, partials(t, h.Client))
	symlink = os.Symlink
	h.Cache = t.TempDir()
	_, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(h.Cache, "models--org--tiny", "snapshots")))
	symlink = func(string, string) error { return errors.New("no links here") }
	h.Requests()
	s, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	n, _ := bodies(h)
	require.Zero(t, n, "the blobs were there")
}

// A link whose blob was lost, and a blob that was cut short, are made whole.
func TestMended(t *testing.T) {
	h := newHarness(t, 20_000)
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	blob, err := filepath.EvalSymlinks(filepath.Join(s.Dir, "model.safetensors"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(blob))
	list, err := h.List()
	require.NoError(t, err)
	v, err := list[0].Verify(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(s.Dir, "model.safetensors") + ": it leads to a blob that is not there"}, v.Wrong)
	s, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)

	require.NoError(t, os.Truncate(blob, 10))
	require.NoError(t, os.Remove(filepath.Join(s.Dir, "model.safetensors")))
	s, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	require.Contains(t, strings.Join(*h.warnings, "\n"), "has 10 bytes and the hub's 20000: it is replaced")
}

func TestCache(t *testing.T) {
	h := newHarness(t, 20_000)
	list, err := (&Client{Cache: filepath.Join(h.Cache, "nowhere")}).List()
	require.NoError(t, err)
	require.Empty(t, list)
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.Add("dataset", "rows", "main", map[string]string{"train.parquet": "rows"})
	_, err = h.Dataset(t.Context(), Ref{Dataset, "rows", "main"}, "train")
	require.NoError(t, err)
	for _, other := range []string{"spaces--org--x", "models----x", "version.txt", ".hidden"} {
		require.NoError(t, os.Mkdir(filepath.Join(h.Cache, other), 0o777))
	}
	require.NoError(t, os.WriteFile(filepath.Join(h.Cache, "models--org--tiny", "blobs", "abc"+incomplete), make([]byte, 1000), 0o666))
	list, err = h.List()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, []string{"rows"}, names(Find(list, "rows")))
	tiny := Find(list, "org/tiny")[0]
	require.Equal(t, []string{h.commit + " main"}, tiny.Revisions)
	require.EqualValues(t, 1000, tiny.Partial)
	require.Greater(t, tiny.Size, int64(21_000))
	v, err := tiny.Verify(t.Context())
	require.NoError(t, err)
	require.Equal(t, Verified{Right: 5}, v)

	blob, err := filepath.EvalSymlinks(filepath.Join(s.Dir, "config.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(blob, []byte("{}"), 0o666))
	v, err = tiny.Verify(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, v.Right)
	require.Len(t, v.Wrong, 1)
	require.Contains(t, v.Wrong[0], blob+": its checksum is ")

	require.NoError(t, h.Remove(tiny))
	list, err = h.List()
	require.NoError(t, err)
	require.Equal(t, []string{"rows"}, names(list))
	require.NoDirExists(t, filepath.Join(h.Cache, ".locks", "models--org--tiny"))
}

func names(list []Stored) (names []string) {
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names
}

func TestDataset(t *testing.T) {
	h := newHarness(t, 1)
	data := func(name, revision string, files ...string) {
		content := map[string]string{}
		for _, file := range files {
			content[file] = name + file
		}
		h.Add("dataset", name, revision, content)
	}
	data("one", "main", "README.md", "train.parquet", "validation.parquet")
	data("org/shards", "main", "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000-of-00001-0123abcd.parquet")
	data("org/configs", "main", "a/train-00000-of-00001.parquet", "b/train-00000-of-00001.parquet")
	data("org/csv", "main", "rows.csv", "other.csv")
	data("org/csv", ConvertedRevision, "default/train/0000.parquet", "default/train/0001.parquet", "default/partial-test/0000.parquet")
	data("org/bare", "main", "rows.csv")
	for _, c := range []struct {
		name   string
		splits []string
		want   string // the files' names, or, behind a !, a part of the error
	}{
		{"one", []string{"train"}, "train.parquet"},
		{"one", []string{"dev", "validation"}, "validation.parquet"},
		{"one:validation", []string{"train"}, "validation.parquet"},
		{"one:default/train", nil, "train.parquet"},
		{"one:README.md", nil, "README.md"},
		{"one", []string{"test", "dev"}, "!one: it has no split test or dev; there are train, validation: name one behind a colon"},
		{"one:x/train", nil, `!it has no file and no configuration for "x/train"; configurations are default`},
		{"org/shards", []string{"train"}, "data/train-00000-of-00002.parquet data/train-00001-of-00002.parquet"},
		{"org/shards:test", nil, "data/test-00000-of-00001-0123abcd.parquet"},
		{"org/configs", []string{"train"}, "!it has the configurations a, b: name one with its split behind a colon, as in :a/train"},
		{"org/configs:b/train", nil, "b/train-00000-of-00001.parquet"},
		{"org/csv", []string{"train"}, "default/train/0000.parquet default/train/0001.parquet"},
		{"org/csv:test", nil, "default/test/0000.parquet"},
		{"org/csv:other.csv", nil, "other.csv"},
		{"org/bare", []string{"train"}, "!org/bare has no parquet files of its own, and of converted ones: dataset org/bare has no revision refs/convert/parquet"},
		{"org/none", []string{"train"}, "!has no dataset org/none"},
	} {
		for _, offline := range []bool{false, true} { // what was brought is there without a network
			h.Offline = offline
			r, part, err := ParseDataset("hf:" + c.name)
			require.NoError(t, err)
			paths, err := h.Client.Dataset(t.Context(), r, part, c.splits...)
			if message, fails := strings.CutPrefix(c.want, "!"); fails {
				if !offline {
					require.ErrorContains(t, err, message)
				}
				require.Error(t, err)
				continue
			}
			require.NoError(t, err, c.name)
			var got []string
			for _, path := range paths {
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				file := strings.ReplaceAll(strings.TrimPrefix(string(text), r.Name), "partial-", "")
				require.True(t, strings.HasSuffix(path, filepath.Base(file)))
				got = append(got, file)
			}
			require.Equal(t, c.want, strings.Join(got, " "), c.name)
		}
	}

	// Of a split that came in part, the rest is missing; Python's list of files says so too.
	h.Offline = false
	r := Ref{Dataset, "org/shards", "main"}
	paths, err := h.Client.Dataset(t.Context(), r, "train")
	require.NoError(t, err)
	require.NoError(t, os.Remove(paths[1]))
	h.Offline = true
	_, err = h.Client.Dataset(t.Context(), r, "train")
	require.ErrorContains(t, err, "data/train-00001-of-00002.parquet of dataset org/shards is not in the cache")
	require.ErrorContains(t, err, "dept download --dataset org/shards, or: hf download org/shards --repo-type dataset")
	repo := filepath.Join(h.Cache, r.folder())
	sha := h.refCommit(r)
	require.NoError(t, os.RemoveAll(filepath.Join(repo, "listings")))
	require.NoError(t, os.Mkdir(filepath.Join(repo, "trees"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(repo, "trees", sha+".json"), []byte(`{"format_version": 1, "files": {"data/train-00000-of-00002.parquet": {}, "data/train-00001-of-00002.parquet": {}}}`), 0o666))
	_, err = h.Client.Dataset(t.Context(), r, "train")
	require.ErrorContains(t, err, "data/train-00001-of-00002.parquet of dataset org/shards is not in the cache")

	h.Offline = false
	s, err := h.Parquet(t.Context(), Ref{Dataset, "org/csv", "main"})
	require.NoError(t, err)
	present, err := s.present()
	require.NoError(t, err)
	require.Len(t, present, 3)
	s, err = h.Files(t.Context(), Ref{Dataset, "org/csv", "main"}, "o*.csv", "nothing")
	require.NoError(t, err)
	require.True(t, s.has("other.csv"))
	_, err = h.Files(t.Context(), Ref{Dataset, "org/bare", "main"}, "*.json")
	require.ErrorContains(t, err, "org/bare has no file *.json; it has rows.csv")
	_, err = h.Files(t.Context(), Ref{Dataset, "org/bare", "main"}, "[")
	require.ErrorContains(t, err, `"[" is no pattern of file names`)
}

// What Python's client brought is found, in the layouts of its versions.
func TestPythonsCache(t *testing.T) {
	cache, sha := t.TempDir(), strings.Repeat("0a", 20)
	repo := filepath.Join(cache, "models--google--flan-t5-small")
	for path, text := range map[string]string{
		"refs/main": sha + "\n", "blobs/c": "{}", "blobs/w": "weights", "snapshots/" + sha + "/tokenizer.json": "{}",
		".no_exist/" + sha + "/added_tokens.json": "", "trees/" + sha + ".json": "{}", "blobs/x.0123abcd.incomplete": "x",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(repo, path)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(repo, path), []byte(text), 0o666))
	}
	require.NoError(t, os.Symlink("../../blobs/c", filepath.Join(repo, "snapshots", sha, "config.json")))
	require.NoError(t, os.Symlink("../../blobs/w", filepath.Join(repo, "snapshots", sha, "pytorch_model.bin")))
	c := &Client{Cache: cache, Offline: true}
	for _, name := range []string{"google/flan-t5-small", "google/flan-t5-small@" + sha} {
		s, err := c.Model(t.Context(), ref(t, name))
		require.NoError(t, err)
		require.Equal(t, filepath.Join(repo, "snapshots", sha), s.Dir)
	}

	// Of a commit without its tokenizer the tokenizer is asked for, unless it is known to have none.
	h := newHarness(t, 1000)
	first, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(first.Dir, "tokenizer.json")))
	s, err := h.Model(t.Context(), ref(t, "org/tiny@"+h.commit))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	require.NoError(t, os.Remove(filepath.Join(first.Dir, "tokenizer.json")))
	trees := filepath.Join(h.Cache, "models--org--tiny", "trees")
	require.NoError(t, os.Mkdir(trees, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(trees, h.commit+".json"), []byte(`{"files": {"config.json": {}, "model.safetensors": {}}}`), 0o666))
	h.Requests()
	_, err = h.Model(t.Context(), ref(t, "org/tiny@"+h.commit))
	require.NoError(t, err)
	require.Empty(t, h.Requests())
}
