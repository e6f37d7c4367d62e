package hub

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRef(t *testing.T) {
	for text, want := range map[string]Ref{
		"t5-small":                               {Model, "t5-small", "main"},
		"google/flan-t5-small":                   {Model, "google/flan-t5-small", "main"},
		"hf:google/flan-t5-small":                {Model, "google/flan-t5-small", "main"},
		"google/flan-t5-small@v1.0":              {Model, "google/flan-t5-small", "v1.0"},
		"hf:t5-small@refs/pr/3":                  {Model, "t5-small", "refs/pr/3"},
		"a/b@" + strings.Repeat("0123456789", 4): {Model, "a/b", strings.Repeat("0123456789", 4)},
		"A_1/b.c-d_":                             {Model, "A_1/b.c-d_", "main"},
	} {
		got, err := ParseRef(Model, text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		require.Equal(t, strings.TrimPrefix(text, Prefix), got.String())
	}
	for _, text := range []string{
		"", "hf:", "/", "a/", "/a", "a//b", "a/b/c", ".", "..", "../a", "a/..", "a/../b", "./a", "a/.b", "-a", "a-", "a.", "a..b", "a--b", "a.git",
		"a b", "a/b\n", "a\\b", "C:a", "a%2f..", "ä/b", "a/b@", "a/b@..", "a/b@../x", "a/b@x/../y", "a/b@/x", "a/b@x/", "a/b@x//y", "a/b@.x", "a/b@x.lock",
		"a/b@x y", "a/b@x:y", "a/b@x@y", "a/b@x\\y", "a/b@-x", "a/b:c", strings.Repeat("a", 97), "https://huggingface.co/a/b",
	} {
		_, err := ParseRef(Model, text)
		require.Error(t, err, text)
		require.Contains(t, err.Error(), "is no name of a model on the hub", text)
	}
}

func TestParseDataset(t *testing.T) {
	for text, want := range map[string]string{
		"hf:org/rows": "", "hf:org/rows:train": "train", "hf:org/rows@v2:config/train": "config/train", "hf:org/rows:data/x.parquet": "data/x.parquet",
	} {
		r, part, err := ParseDataset(text)
		require.NoError(t, err, text)
		require.Equal(t, want, part)
		require.Equal(t, Dataset, r.Kind)
		require.Equal(t, "org/rows", r.Name)
	}
	for _, text := range []string{"hf:org/rows:", "hf:org/rows:../x", "hf:org/rows:/etc/passwd", "hf:org/rows:a/../../x", "hf:org/rows:a:b", "hf:org:rows/x@", "hf:a/b/c:train"} {
		_, _, err := ParseDataset(text)
		if text == "hf:org:rows/x@" {
			require.NoError(t, err, text) // a file of the data set org
			continue
		}
		require.Error(t, err, text)
	}
}

// Whatever is read as a name stays in the cache, each in a folder of its own.
func FuzzParseRef(f *testing.F) {
	for _, text := range []string{"google/flan-t5-small", "hf:t5-small@v1", "../x", "a/b@refs/../..", "a--b/c", "a/b:data/x.parquet"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, part, err := ParseDataset(text)
		if err != nil {
			return
		}
		inside := func(parts ...string) {
			path := filepath.Join(parts...)
			require.True(t, strings.HasPrefix(path, parts[0]+string(filepath.Separator)), path)
			require.True(t, filepath.IsLocal(strings.TrimPrefix(path, parts[0]+string(filepath.Separator))))
		}
		inside("/cache", r.folder())
		require.Equal(t, "/cache", filepath.Dir(filepath.Join("/cache", r.folder())))
		inside("/cache/refs", filepath.FromSlash(r.Revision))
		if part != "" {
			inside("/cache/snapshots", filepath.FromSlash(part))
		}
		kind, name, _ := strings.Cut(r.folder(), "--")
		require.Equal(t, "datasets", kind)
		require.Equal(t, r.Name, strings.ReplaceAll(name, "--", "/"), "the folder says which repository it is of")
		again, err := ParseRef(Dataset, r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

// The hub's answers are read without a panic, and what they name stays inside.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"sha": "0123456789012345678901234567890123456789", "siblings": [{"rfilename": "config.json"}, {"rfilename": "../x"}]}`))
	f.Add([]byte(`[{"type": "file", "path": "a/b.bin", "size": 3, "oid": "00", "lfs": {"oid": "11", "size": 3, "pointerSize": 1}}, {"type": "directory", "path": "a"}]`))
	f.Add([]byte(`{"weight_map": {"a": "../../x.safetensors", "b": "model-00001-of-00002.safetensors"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if sha, names, err := parseListing(data); err == nil {
			require.Regexp(t, "^[0-9a-f]{40}$", sha)
			for _, name := range names {
				require.True(t, filepath.IsLocal(filepath.FromSlash(name)), name)
			}
			for config, splits := range parquet(names) {
				for split := range splits {
					_, err := choose(parquet(names), config+"/"+split, nil)
					require.NoError(t, err)
				}
			}
		}
		if tree, err := parseTree(data); err == nil {
			for name, a := range tree {
				require.True(t, filepath.IsLocal(filepath.FromSlash(name)), name)
				require.True(t, validBlob(a.etag))
				require.GreaterOrEqual(t, a.size, int64(0))
			}
		}
		if shards, err := parseIndex(data); err == nil {
			require.NotEmpty(t, shards)
		}
	})
}
