package t5

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/allocation"
	"github.com/go-dept/dept/internal/reference"
	"github.com/go-dept/dept/safetensors"
)

// weights are a checkpoint's tensors that a test can change before writing them.
type weights map[string]safetensors.Tensor

func randomWeights(t *testing.T, c *Config) weights {
	t.Helper()
	w := weights{}
	values := RandomTensors(c, 1)
	for _, spec := range c.Tensors() {
		v, err := values(spec.Name)
		require.NoError(t, err)
		w[spec.Name] = safetensors.Float32(spec.Name, safetensors.F32, spec.Shape, v)
	}
	return w
}

func (w weights) put(name string, shape ...int) {
	n := 1
	for _, s := range shape {
		n *= s
	}
	w[name] = safetensors.Float32(name, safetensors.F32, shape, make([]float32, n))
}

func (w weights) rename(from, to string) {
	tensor := w[from]
	delete(w, from)
	tensor.Name = to
	w[to] = tensor
}

// write makes a checkpoint folder.
func (w weights) write(t *testing.T, c *Config) string {
	t.Helper()
	dir := t.TempDir()
	writeConfig(t, dir, c)
	tensors := slices.Collect(maps.Values(w))
	require.NoError(t, safetensors.WriteFile(filepath.Join(dir, "model.safetensors"), tensors, nil))
	return dir
}

func writeConfig(t *testing.T, dir string, c *Config) {
	t.Helper()
	data, err := json.Marshal(c)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644))
}

func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	c, err := OpenCheckpoint(dir)
	require.NoError(t, err)
	defer c.Close()
	sum, err := c.Fingerprint()
	require.NoError(t, err)
	return sum
}

func TestCheckpointWriteThenOpen(t *testing.T) {
	cfg := smallConfig()
	values := RandomTensors(cfg, 7)
	for _, c := range []struct {
		dtype     safetensors.DType
		torch     string
		tolerance float64 // half the distance between neighbours of 1, relative
	}{{safetensors.F32, "float32", 0}, {safetensors.F16, "float16", 0x1p-11}, {safetensors.BF16, "bfloat16", 0x1p-8}} {
		t.Run(string(c.dtype), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "made", "by", "it")
			require.NoError(t, WriteCheckpoint(dir, cfg, c.dtype, values))
			ck, err := OpenCheckpoint(dir)
			require.NoError(t, err)
			defer ck.Close()
			assert.Len(t, ck.Names(), len(cfg.Tensors()))
			for _, spec := range cfg.Tensors() {
				want, err := values(spec.Name)
				require.NoError(t, err)
				got, err := ck.Float32(spec.Name)
				require.NoError(t, err)
				require.Len(t, got, len(want))
				for i := range want {
					// 2^-25 is half the distance between F16's smallest numbers.
					require.InDelta(t, want[i], got[i], c.tolerance*math.Abs(float64(want[i]))+c.tolerance*0x1p-14, "%s[%d]", spec.Name, i)
				}
				dtype, data, err := ck.Bytes(spec.Name)
				require.NoError(t, err)
				assert.Equal(t, c.dtype, dtype)
				assert.Len(t, data, len(want)*c.dtype.Size())
			}
			var file map[string]any
			data, err := os.ReadFile(filepath.Join(dir, "config.json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(data, &file))
			assert.Equal(t, c.torch, file["torch_dtype"])
		})
	}
}

// Halved, a checkpoint gives the bytes that float16 has in a file, in whatever pieces they are
// read; its numbers and its fingerprint stay those of the file.
func TestHalve(t *testing.T) {
	cfg := smallConfig()
	open := func(dtype safetensors.DType, values func(string) ([]float32, error)) *Checkpoint {
		dir := t.TempDir()
		require.NoError(t, WriteCheckpoint(dir, cfg, dtype, values))
		ck, err := OpenCheckpoint(dir)
		require.NoError(t, err)
		t.Cleanup(func() { ck.Close() })
		return ck
	}
	values := RandomTensors(cfg, 7)
	whole, ck, half := open(safetensors.F32, values), open(safetensors.F32, values), open(safetensors.F16, values)
	ck.Halve()
	for _, name := range ck.Names() {
		dtype, got, err := ck.Bytes(name)
		require.NoError(t, err)
		_, want, err := half.Bytes(name)
		require.NoError(t, err)
		require.Equal(t, safetensors.F16, dtype)
		require.Equal(t, want, got, name)
		_, r, err := ck.Reader(name)
		require.NoError(t, err)
		require.NoError(t, iotest.TestReader(r, want), name)
		exact, err := whole.Float32(name)
		require.NoError(t, err)
		numbers, err := ck.Float32(name)
		require.NoError(t, err)
		require.Equal(t, exact, numbers)
	}
	fingerprint, err := whole.Fingerprint()
	require.NoError(t, err)
	same, err := ck.Fingerprint()
	require.NoError(t, err)
	assert.Equal(t, fingerprint, same)

	name := ck.Names()[1]
	large := open(safetensors.F32, func(n string) ([]float32, error) {
		x, err := values(n)
		if n == name {
			x[3] = 1e5
		}
		return x, err
	})
	large.Halve()
	_, _, err = large.Bytes(name)
	assert.ErrorContains(t, err, "halving tensor \""+name+"\"")
	assert.ErrorContains(t, err, "100000")
}

func TestCheckpointUnknownName(t *testing.T) {
	ck, err := OpenCheckpoint(randomWeights(t, smallConfig()).write(t, smallConfig()))
	require.NoError(t, err)
	defer ck.Close()
	_, err = ck.Float32("nothing")
	assert.ErrorContains(t, err, `"nothing"`)
	_, _, err = ck.Bytes("nothing")
	assert.ErrorContains(t, err, `"nothing"`)
}

// Whatever the storage, equal values have one fingerprint; another value, or the same values under
// other names, have another.
func TestFingerprint(t *testing.T) {
	cfg := smallConfig()
	// Numbers that all three types hold exactly.
	values := func(name string) ([]float32, error) {
		v, err := RandomTensors(cfg, 3)(name)
		for i := range v {
			v[i] = float32(math.Round(float64(v[i])*8)) / 8
		}
		return v, err
	}
	write := func(dtype safetensors.DType, values func(string) ([]float32, error)) string {
		dir := t.TempDir()
		require.NoError(t, WriteCheckpoint(dir, cfg, dtype, values))
		return fingerprint(t, dir)
	}
	want := write(safetensors.F32, values)
	assert.Len(t, want, 64)
	assert.Equal(t, want, write(safetensors.F16, values))
	assert.Equal(t, want, write(safetensors.BF16, values))

	changed := func(name string) ([]float32, error) {
		v, err := values(name)
		if name == "decoder.final_layer_norm.weight" {
			v[5] += 0.125
		}
		return v, err
	}
	assert.NotEqual(t, want, write(safetensors.F32, changed))
	swapped := func(name string) ([]float32, error) {
		switch name {
		case "shared.weight":
			name = "lm_head.weight"
		case "lm_head.weight":
			name = "shared.weight"
		}
		return values(name)
	}
	assert.NotEqual(t, want, write(safetensors.F32, swapped))

	w := randomWeights(t, cfg)
	plain := fingerprint(t, w.write(t, cfg))
	w.put("classification_head.dense.weight", 3, 6)
	w.rename("shared.weight", "encoder.embed_tokens.weight")
	assert.Equal(t, plain, fingerprint(t, w.write(t, cfg)), "other tensors and names in the file")
	head, err := RandomTensors(cfg, 1)("lm_head.weight")
	require.NoError(t, err)
	w["lm_head.weight"] = safetensors.Tensor{Name: "lm_head.weight", DType: safetensors.F64, Shape: []int{37, 6}, Data: func() ([]byte, error) {
		var data []byte
		for _, v := range head {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(float64(v)))
		}
		return data, nil
	}}
	assert.Equal(t, plain, fingerprint(t, w.write(t, cfg)), "one tensor as F64")
}

func TestCheckpointAliases(t *testing.T) {
	tied := smallConfig()
	tied.TieWordEmbeddings = true
	untied := smallConfig()
	for name, c := range map[string]struct {
		cfg    *Config
		change func(w weights)
		want   string // of the error, "" for none
	}{
		"embedding under the encoder's name": {untied, func(w weights) { w.rename("shared.weight", "encoder.embed_tokens.weight") }, ""},
		"embedding under the decoder's name": {untied, func(w weights) { w.rename("shared.weight", "decoder.embed_tokens.weight") }, ""},
		"embedding three times": {untied, func(w weights) {
			w.put("encoder.embed_tokens.weight", 37, 6)
			w.put("decoder.embed_tokens.weight", 37, 6)
		}, ""},
		"no embedding":                          {untied, func(w weights) { delete(w, "shared.weight") }, `no tensor "shared.weight"`},
		"output table of a tied model":          {tied, func(w weights) { w.put("lm_head.weight", 37, 6) }, ""},
		"misshaped output table of a tied one":  {tied, func(w weights) { w.put("lm_head.weight", 38, 6) }, "shape [38 6]"},
		"misshaped alias":                       {untied, func(w weights) { w.put("encoder.embed_tokens.weight", 6, 37) }, "shape [6 37]"},
		"bias that the first T5s carry":         {untied, func(w weights) { w.put(unusedBias, 8, 4) }, ""},
		"head of another task":                  {untied, func(w weights) { w.put("classification_head.out_proj.weight", 3, 6) }, ""},
		"a block too many":                      {untied, func(w weights) { w.put("encoder.block.2.layer.0.layer_norm.weight", 6) }, "encoder.block.2.layer.0.layer_norm.weight"},
		"feed-forward of the other generation":  {tied, func(w weights) { w.put("decoder.block.0.layer.2.DenseReluDense.wi.weight", 10, 6) }, "has no place"},
		"integers":                              {tied, func(w weights) { w["shared.weight"] = integers(37, 6) }, "type I32"},
		"matrix transposed":                     {tied, func(w weights) { w.put("encoder.block.1.layer.1.DenseReluDense.wo.weight", 10, 6) }, "shape [10 6], but must have [6 10]"},
		"norm missing":                          {tied, func(w weights) { delete(w, "decoder.block.2.layer.1.layer_norm.weight") }, `no tensor "decoder.block.2.layer.1.layer_norm.weight", which must have shape [6]`},
		"bias of a block that is not the first": {tied, func(w weights) { w.put("encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight", 8, 4) }, "has no place"},
	} {
		t.Run(name, func(t *testing.T) {
			w := randomWeights(t, c.cfg)
			c.change(w)
			dir := w.write(t, c.cfg)
			ck, err := OpenCheckpoint(dir)
			if c.want == "" {
				require.NoError(t, err)
				_, err := ck.Float32("shared.weight")
				require.NoError(t, err)
				require.NoError(t, ck.Close())
				return
			}
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, dir)
		})
	}
}

// The output table and the scaling are transformers 5's, whichever version wrote the file, and a
// table that is left aside though it holds other values is said. What is written again is of the
// same kind.
func TestTables(t *testing.T) {
	yes, no := new(bool), new(bool)
	*yes = true
	const random, copied, absent = "another", "a copy", "none"
	for _, c := range []struct {
		name, model, version string
		tie                  bool
		scale                *bool
		head                 string

		own, scaled bool
		warning     string
	}{
		{name: "T5 1.0", tie: true, head: absent, scaled: true},
		{name: "T5 1.0 that repeats its table", tie: true, head: copied, scaled: true},
		{name: "T5 1.0 beside another table", tie: true, head: random, own: true, scaled: true, warning: "transformers 4 uses the embedding"},
		{name: "T5 1.1", head: random, own: true},
		{name: "T5 1.1 of two equal tables", head: copied, own: true},
		{name: "T5 1.1 without its table", head: absent, warning: "there is no lm_head.weight: the embedding is used"},
		{name: "T5 1.1 saved by 5", tie: true, scale: no, head: random, own: true},
		{name: "T5 1.1 made by 5", tie: true, scale: no, head: absent},
		{name: "T5 1.0 saved by 5", tie: true, scale: yes, head: absent, scaled: true},
		{name: "T5 1.0 merged by PEFT with lm_head", scale: yes, head: random, own: true, scaled: true},
		{name: "T5 1.1 merged by PEFT", scale: no, head: random, own: true},
		{name: "mT5", model: "mt5", version: "4.57.6", head: random, own: true},
		{name: "mT5 saved by 5", model: "mt5", version: "5.24.0", tie: true, head: random, own: true},
		{name: "mT5 made by 5", model: "mt5", version: "5.24.0", tie: true, head: absent},
		{name: "mT5 whatever it says of scaling", model: "mt5", tie: true, scale: yes, head: absent},
		{name: "mT5 that 4 ties", model: "mt5", version: "4.57.6", tie: true, head: random, own: true, warning: "transformers 4 uses the embedding"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := smallConfig()
			cfg.ModelType = cmp.Or(c.model, "t5")
			cfg.TieWordEmbeddings, cfg.ScaleDecoderOutputs = c.tie, c.scale
			cfg.unknown = map[string]json.RawMessage{"transformers_version": json.RawMessage(`"` + c.version + `"`)}
			all := *cfg
			all.ownTable = yes
			w := randomWeights(t, &all)
			switch c.head {
			case absent:
				delete(w, headTensor)
			case copied:
				delete(w, headTensor)
				tensor := w[embeddingTensor]
				tensor.Name = headTensor
				w[headTensor] = tensor
			}
			ck, err := OpenCheckpoint(w.write(t, cfg))
			require.NoError(t, err)
			defer ck.Close()
			if c.warning == "" {
				assert.Empty(t, ck.Warnings())
			} else {
				require.Len(t, ck.Warnings(), 1)
				assert.Contains(t, ck.Warnings()[0], c.warning)
			}
			d := ck.Config.Describe()
			scale := float32(1)
			if c.scaled {
				scale = float32(1 / math.Sqrt(6))
			}
			assert.Equal(t, scale, d.HeadScale)
			assert.Equal(t, c.own, d.Head == headTensor)

			again := t.TempDir()
			require.NoError(t, WriteCheckpoint(again, ck.Config, safetensors.F32, ck.Float32))
			back, err := OpenCheckpoint(again)
			require.NoError(t, err)
			defer back.Close()
			assert.Empty(t, back.Warnings())
			assert.Equal(t, d, back.Config.Describe())
			assert.Equal(t, cfg.ModelType, back.Config.ModelType)
			assert.Equal(t, !c.own, back.Config.TieWordEmbeddings, "what transformers 4 goes by")
			if c.scale != nil {
				assert.Equal(t, c.scale, back.Config.ScaleDecoderOutputs)
			}
			before, err := ck.Fingerprint()
			require.NoError(t, err)
			after, err := back.Fingerprint()
			require.NoError(t, err)
			assert.Equal(t, before, after)
		})
	}

	cfg := smallConfig()
	w := randomWeights(t, cfg)
	w.put("encoder.embed_tokens.weight", 37, 6)
	ck, err := OpenCheckpoint(w.write(t, cfg))
	require.NoError(t, err)
	defer ck.Close()
	require.Len(t, ck.Warnings(), 1)
	assert.Contains(t, ck.Warnings()[0], "shared.weight and encoder.embed_tokens.weight hold other values: the first is used")
}

// A Flan saved again by transformers 5 says that it ties its tables, and computes what it did.
func TestFlanSavedByTransformers5(t *testing.T) {
	old := smallConfig()
	w := randomWeights(t, old)
	four, err := OpenCheckpoint(w.write(t, old))
	require.NoError(t, err)
	defer four.Close()
	no, saved := false, *old
	saved.TieWordEmbeddings, saved.ScaleDecoderOutputs = true, &no
	five, err := OpenCheckpoint(w.write(t, &saved))
	require.NoError(t, err)
	defer five.Close()
	assert.Equal(t, four.Config.Describe(), five.Config.Describe())
	assert.Empty(t, five.Warnings())
	dir := t.TempDir()
	require.NoError(t, WriteCheckpoint(dir, five.Config, safetensors.F32, five.Float32))
	file, err := safetensors.Open(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	defer file.Close()
	_, ok := file.Lookup(headTensor)
	assert.True(t, ok)
}

// Transformers 5 refuses a whole number where it expects a float.
func TestInteropConfigNumbers(t *testing.T) {
	cfg := smallConfig()
	cfg.DropoutRate, cfg.LayerNormEpsilon = 0, 1e-6
	dir := t.TempDir()
	require.NoError(t, WriteCheckpoint(dir, cfg, safetensors.F32, RandomTensors(cfg, 1)))
	for _, path := range []string{filepath.Join(dir, "config.json"), filepath.Join("backbone", "config.json")} {
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, line := range []string{`"initializer_factor": 1.0,`, `"layer_norm_epsilon": 1e-06,`, `"dropout_rate": 0.0,`, `"d_model": `} {
			assert.Contains(t, string(file), line, path)
		}
	}
}

func integers(shape ...int) safetensors.Tensor {
	return safetensors.Tensor{Name: "shared.weight", DType: safetensors.I32, Shape: shape, Data: func() ([]byte, error) {
		return make([]byte, 4*shape[0]*shape[1]), nil
	}}
}

// shards writes w as two shards and an index.
func shards(t *testing.T, w weights, c *Config) string {
	t.Helper()
	dir := t.TempDir()
	writeConfig(t, dir, c)
	parts := map[string][]safetensors.Tensor{}
	index := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(w)) {
		file := []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}[i%2]
		parts[file] = append(parts[file], w[name])
		index[name] = file
	}
	for file, tensors := range parts {
		require.NoError(t, safetensors.WriteFile(filepath.Join(dir, file), tensors, nil))
	}
	writeIndex(t, dir, index)
	return dir
}

func writeIndex(t *testing.T, dir string, weightMap map[string]string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": weightMap})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), data, 0o644))
}

func TestShardedCheckpoint(t *testing.T) {
	cfg := smallConfig()
	w := randomWeights(t, cfg)
	dir := shards(t, w, cfg)
	assert.Equal(t, fingerprint(t, w.write(t, cfg)), fingerprint(t, dir))

	for _, shard := range []string{"../model.safetensors", "/etc/passwd", `..\x.safetensors`, "", "..", "config.json"} {
		writeIndex(t, dir, map[string]string{"shared.weight": shard})
		_, err := OpenCheckpoint(dir)
		assert.ErrorContains(t, err, "no name of a shard", shard)
	}
	writeIndex(t, dir, map[string]string{"shared.weight": "model-00003-of-00002.safetensors"})
	_, err := OpenCheckpoint(dir)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "model-00003-of-00002.safetensors")
	writeIndex(t, dir, map[string]string{"missing": "model-00001-of-00002.safetensors"})
	_, err = OpenCheckpoint(dir)
	assert.ErrorContains(t, err, `has tensor "missing", but it does not`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), []byte("{"), 0o644))
	_, err = OpenCheckpoint(dir)
	assert.ErrorContains(t, err, "model.safetensors.index.json")
}

func TestOpenCheckpointErrors(t *testing.T) {
	cfg := smallConfig()
	dir := t.TempDir()
	_, err := OpenCheckpoint(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, fs.ErrNotExist)

	_, err = OpenCheckpoint(dir)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "there is no config.json: give a folder with a checkpoint")

	writeConfig(t, dir, cfg)
	_, err = OpenCheckpoint(filepath.Join(dir, "config.json"))
	assert.ErrorContains(t, err, "it is no folder")
	_, err = OpenCheckpoint(dir)
	assert.ErrorContains(t, err, "neither model.safetensors nor pytorch_model.bin")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "pytorch_model.bin"), nil, 0o644))
	_, err = OpenCheckpoint(dir)
	assert.ErrorContains(t, err, "reading pytorch_model.bin: not a zip as torch.save writes it")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte("not one"), 0o644))
	_, err = OpenCheckpoint(dir)
	assert.ErrorContains(t, err, "model.safetensors")
	assert.ErrorContains(t, err, dir)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"model_type":"bart"}`), 0o644))
	_, err = OpenCheckpoint(dir)
	assert.ErrorContains(t, err, "bart")
}

// A checkout without git lfs has pointers for files, and a download may be a page.
func TestGitLFSPointer(t *testing.T) {
	pointer := []byte("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 308000000\n")
	cfg := smallConfig()
	for _, name := range []string{"config.json", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"} {
		dir := t.TempDir()
		writeConfig(t, dir, cfg)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pointer, 0o644))
		_, err := OpenCheckpoint(dir)
		assert.ErrorContains(t, err, name+": it is a Git LFS pointer, not the file: run git lfs pull")
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("<!doctype html>"), 0o644))
		_, err = OpenCheckpoint(dir)
		assert.ErrorContains(t, err, name+": it is an HTML page, not the file")
	}
}

func TestWeightsInAnotherForm(t *testing.T) {
	dir := t.TempDir()
	writeConfig(t, dir, smallConfig())
	for name, want := range map[string]string{
		"tf_model.h5":            "the weights are missing: there is tf_model.h5, weights of TensorFlow",
		"flax_model.msgpack":     "there is flax_model.msgpack, weights of Flax",
		"model.fp16.safetensors": "there is model.fp16.safetensors, a variant of the weights",
		"adapter_config.json":    "it is an adapter, not a model",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte("{}"), 0o644))
		_, err := OpenCheckpoint(dir)
		assert.ErrorContains(t, err, want)
		require.NoError(t, os.Remove(path))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte("\x89HDF\r\n\x1a\n"), 0o644))
	_, err := OpenCheckpoint(dir)
	assert.ErrorContains(t, err, "model.safetensors: it is an HDF5 file")
	_, err = OpenCheckpoint(filepath.Join(dir, "model.safetensors"))
	assert.ErrorContains(t, err, "it is an HDF5 file")
}

// streamFS is a file system whose files can only be read from front to back.
type streamFS struct{ fs.FS }

func (s streamFS) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return struct{ fs.File }{f}, nil
}

func TestOpenCheckpointFS(t *testing.T) {
	cfg := smallConfig()
	dir := randomWeights(t, cfg).write(t, cfg)
	memory := fstest.MapFS{}
	for _, name := range []string{"config.json", "model.safetensors"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		memory[name] = &fstest.MapFile{Data: data}
	}
	want := fingerprint(t, dir)
	for name, fsys := range map[string]fs.FS{"memory": memory, "stream": streamFS{memory}} {
		ck, err := OpenCheckpointFS(fsys)
		require.NoError(t, err, name)
		got, err := ck.Fingerprint()
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
		assert.NoError(t, ck.Close())
	}
}

func TestWriteCheckpointErrors(t *testing.T) {
	cfg := smallConfig()
	dir := filepath.Join(t.TempDir(), "out")
	values := RandomTensors(cfg, 1)
	assert.ErrorContains(t, WriteCheckpoint(dir, cfg, safetensors.F64, values), "F64")
	bad := *cfg
	bad.DModel = 0
	assert.ErrorContains(t, WriteCheckpoint(dir, &bad, safetensors.F32, values), "d_model")
	assert.NoDirExists(t, dir)

	cause := errors.New("the device is gone")
	err := WriteCheckpoint(dir, cfg, safetensors.F32, func(name string) ([]float32, error) {
		if strings.HasPrefix(name, "lm_head") {
			return nil, cause
		}
		return values(name)
	})
	assert.ErrorIs(t, err, cause)
	assert.ErrorContains(t, err, "lm_head.weight")
	short := func(string) ([]float32, error) { return make([]float32, 1), nil }
	assert.ErrorContains(t, WriteCheckpoint(dir, cfg, safetensors.F32, short), "needs")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries, "nothing half-written stays")
}

// A checkpoint of zeros has all tensors of a model of any size.
func TestZeroCheckpoint(t *testing.T) {
	cfg, err := ParseConfig([]byte(`{"model_type": "t5", "d_model": 1024, "d_kv": 128, "d_ff": 16384, "num_heads": 32, "num_layers": 24, "vocab_size": 32128}`))
	require.NoError(t, err)
	ck, err := ZeroCheckpoint(cfg, safetensors.F32)
	require.NoError(t, err)
	var bytes int64
	for _, spec := range cfg.Tensors() {
		_, r, err := ck.Reader(spec.Name)
		require.NoError(t, err)
		bytes += r.Size()
	}
	assert.Greater(t, bytes, int64(10<<30), "T5-3B in float32")
	last := ck.Names()[len(ck.Names())-1]
	values, err := ck.Float32(last)
	require.NoError(t, err)
	for _, v := range values {
		require.Zero(t, v)
	}
	row, err := ck.Row("shared.weight", 32127)
	require.NoError(t, err)
	assert.Equal(t, make([]float32, 1024), row)
}

func TestRandomTensors(t *testing.T) {
	cfg := smallConfig()
	cfg.DModel, cfg.DKV, cfg.NumHeads, cfg.DFF, cfg.VocabSize = 64, 8, 4, 96, 200
	values := RandomTensors(cfg, 1)
	other := RandomTensors(cfg, 2)
	for _, spec := range cfg.Tensors() {
		v, err := values(spec.Name)
		require.NoError(t, err)
		w, err := other(spec.Name)
		require.NoError(t, err)
		if strings.HasSuffix(spec.Name, "layer_norm.weight") {
			for _, x := range v {
				require.Equal(t, float32(1), x)
			}
			continue
		}
		require.NotEqual(t, v, w, "%s by another seed", spec.Name)
		var sum, squares float64
		for _, x := range v {
			sum += float64(x)
			squares += float64(x) * float64(x)
		}
		n := float64(len(v))
		// Hugging Face's T5PreTrainedModel._init_weights: q 1/√(d·dkv), k, v, wi and bias 1/√d, o 1/√(h·dkv), wo 1/√dff.
		want := 1.0
		for part, std := range map[string]float64{
			".q.": 1 / math.Sqrt(64*8), ".k.": 1.0 / 8, ".v.": 1.0 / 8, ".o.": 1 / math.Sqrt(32),
			".wi_0.": 1.0 / 8, ".wi_1.": 1.0 / 8, ".wo.": 1 / math.Sqrt(96), "attention_bias": 1.0 / 8,
		} {
			if strings.Contains(spec.Name, part) {
				want = std
			}
		}
		// Five standard errors of the mean and of the deviation.
		assert.InDelta(t, 0, sum/n, 5*want/math.Sqrt(n), spec.Name)
		assert.InDelta(t, want, math.Sqrt(squares/n), 5*want/math.Sqrt(2*n), spec.Name)
	}
	q0, err := values("encoder.block.0.layer.0.SelfAttention.q.weight")
	require.NoError(t, err)
	q1, err := values("encoder.block.1.layer.0.SelfAttention.q.weight")
	require.NoError(t, err)
	assert.NotEqual(t, q0, q1)
	deeper := *cfg
	deeper.NumLayers++
	same, err := RandomTensors(&deeper, 1)("encoder.block.1.layer.0.SelfAttention.q.weight")
	require.NoError(t, err)
	assert.Equal(t, q1, same, "a deeper model has the same first blocks")
	_, err = values("encoder.block.2.layer.0.SelfAttention.q.weight")
	assert.ErrorContains(t, err, "no tensor")
}

// The first values of seed 42, so that a seed means the same model tomorrow.
func TestRandomTensorsArePinned(t *testing.T) {
	v, err := RandomTensors(smallConfig(), 42)("shared.weight")
	require.NoError(t, err)
	assert.Equal(t, []float32{0.17861201, -0.9661166, 0.28354084}, v[:3])
}

func TestReferenceCheckpointsOpen(t *testing.T) {
	var dirs []string
	if golden, ok := reference.Path(t, "golden"); ok {
		found, err := filepath.Glob(filepath.Join(golden, "*"))
		require.NoError(t, err)
		dirs = append(dirs, found...)
	}
	if tiny, ok := reference.Path(t, "data", "tiny_t5", "ort_tiny_t5"); ok {
		dirs = append(dirs, tiny)
	}
	seen := map[string]bool{}
	for _, dir := range dirs {
		ck, err := OpenCheckpoint(dir)
		require.NoError(t, err)
		file, err := safetensors.Open(filepath.Join(dir, "model.safetensors"))
		require.NoError(t, err)
		assert.Len(t, ck.Names(), len(file.Tensors()), dir)
		for _, name := range ck.Names() {
			_, err := ck.Float32(name)
			require.NoError(t, err)
		}
		sum := fingerprint(t, dir)
		assert.False(t, seen[sum], "two checkpoints have one fingerprint")
		seen[sum] = true

		// Written again in the same layout, the weights are the same.
		copied := t.TempDir()
		require.NoError(t, WriteCheckpoint(copied, ck.Config, safetensors.F32, ck.Float32))
		assert.Equal(t, sum, fingerprint(t, copied))
		require.NoError(t, file.Close())
		require.NoError(t, ck.Close())
	}
}

// FuzzOpenCheckpoint: a folder of any config.json, index and weights is refused with an error or has
// all tensors of its model.
func FuzzOpenCheckpoint(f *testing.F) {
	cfg := smallConfig()
	config, err := json.Marshal(cfg)
	require.NoError(f, err)
	var weights bytes.Buffer
	require.NoError(f, safetensors.Write(&weights, tensorList(cfg, safetensors.BF16, RandomTensors(cfg, 1)), nil))
	index := map[string]string{}
	for _, spec := range cfg.Tensors() {
		index[spec.Name] = "model-1.safetensors"
	}
	sharded, err := json.Marshal(map[string]any{"weight_map": index})
	require.NoError(f, err)
	f.Add(config, sharded, weights.Bytes())
	f.Add(config, []byte(nil), weights.Bytes())
	f.Add(config, []byte(`{"weight_map": {"shared.weight": "../x.safetensors"}}`), weights.Bytes())
	f.Add([]byte("version https://git-lfs.github.com/spec/v1\n"), []byte("<html>"), []byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, config, index, weights []byte) {
		folders := []fstest.MapFS{
			{"config.json": {Data: config}, "model.safetensors": {Data: weights}},
			{"config.json": {Data: config}, "model.safetensors.index.json": {Data: index}, "model-1.safetensors": {Data: weights}},
			{"config.json": {Data: config}, "pytorch_model.bin": {Data: weights}},
			{"config.json": {Data: config}, "pytorch_model.bin.index.json": {Data: index}, "model-1.bin": {Data: weights}},
		}
		for _, dir := range folders {
			var ck *Checkpoint
			var err error
			allocation.Check(t, len(config)+len(index)+len(weights), func() { ck, err = OpenCheckpointFS(dir) })
			if err != nil {
				require.NotContains(t, err.Error(), "Go struct")
				continue
			}
			for _, spec := range ck.Config.Tensors() {
				_, err := ck.Float32(spec.Name)
				require.NoError(t, err)
			}
		}
	})
}
