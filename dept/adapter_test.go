package dept

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/reference"
	"github.com/go-dept/dept/safetensors"
)

// testAdapter is an adapter of random numbers.
func testAdapter(m, r, s, d int, seed uint64) *Adapter {
	random := rand.New(rand.NewPCG(seed, 0))
	uniform := func(n int) []float32 {
		values := make([]float32, n)
		for i := range values {
			values[i] = random.Float32() - 0.5
		}
		return values
	}
	c := &PromptConfig{PromptLength: m, Rank: r, MaxSourceLength: s, Width: d, Submodules: 1}
	if r > 0 {
		c.LoraAlpha = DefaultLoraAlpha
	}
	a := &Adapter{Config: c, Base: Base{"models/tiny <&>", "f00d"}, Tensors: c.list()}
	for i, t := range a.Tensors {
		a.Tensors[i].Values = uniform(t.len())
	}
	return a
}

func TestAdapterRoundTrip(t *testing.T) {
	for _, tc := range []struct {
		name       string
		m, r, s, d int
	}{
		{"DePT", 3, 2, 5, 4},
		{"prompt tuning", 3, 0, 5, 4},
		{"the shift alone", 0, 2, 5, 4},
		{"nothing", 0, 0, 0, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := testAdapter(tc.m, tc.r, tc.s, tc.d, 1)
			dir := filepath.Join(t.TempDir(), "made")
			require.NoError(t, a.Write(dir))
			back, err := ReadAdapter(dir)
			require.NoError(t, err)
			assert.Equal(t, a, back)

			files, err := a.Files()
			require.NoError(t, err)
			again, err := back.Files()
			require.NoError(t, err)
			assert.Equal(t, files, again, "the same adapter, the same bytes")
			for name, content := range files {
				written, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				assert.Equal(t, content, written)
			}
		})
	}
}

// The files' keys and tensors are those of the DePT authors and, with r = 0, of PEFT.
func TestAdapterFileNames(t *testing.T) {
	for _, tc := range []struct {
		r       int
		keys    map[string]any
		tensors []string
	}{
		{2, map[string]any{
			"peft_type": "PROMPT_TUNING_LORA", "task_type": "SEQ_2_SEQ_LM", "num_transformer_submodules": 1., "inference_mode": true,
			"base_model_name_or_path": "models/tiny <&>", "num_virtual_tokens": 3., "r": 2., "max_length": 5., "token_dim": 4., "lora_alpha": 8.,
		}, []string{"prompt_embeddings", "prompt_encoder.lora_embedding_A", "prompt_encoder.lora_embedding_B"}},
		{0, map[string]any{
			"peft_type": "PROMPT_TUNING", "task_type": "SEQ_2_SEQ_LM", "num_transformer_submodules": 1., "inference_mode": true,
			"base_model_name_or_path": "models/tiny <&>", "num_virtual_tokens": 3., "token_dim": 4.,
		}, []string{"prompt_embeddings"}},
	} {
		files, err := testAdapter(3, tc.r, 5, 4, 1).Files()
		require.NoError(t, err)
		var keys map[string]any
		require.NoError(t, json.Unmarshal(files[AdapterConfigFile], &keys))
		assert.Equal(t, tc.keys, keys)
		weights, err := safetensors.Parse(files[AdapterWeightsFile])
		require.NoError(t, err)
		var names []string
		for _, info := range weights.Tensors() {
			assert.Equal(t, safetensors.F32, info.DType)
			names = append(names, info.Name)
		}
		assert.Equal(t, tc.tensors, names)
		assert.Equal(t, map[string]string{"format": "pt", "base_model_fingerprint": "f00d", "max_length": "5"}, weights.Metadata())
	}
}

func TestAdapterScale(t *testing.T) {
	config := PromptConfig{Rank: 3, LoraAlpha: 8}
	assert.Equal(t, 4.618802153517007, config.Scale(), "8/√3")
	for r := range 300 {
		paper := PromptConfig{Rank: r, LoraAlpha: math.Sqrt(float64(r))}
		assert.Equal(t, float64(min(r, 1)), paper.Scale(), "r %d", r)
	}
}

// The paper's 76,800: T5-base, 100 vectors' worth.
func TestAdapterParameters(t *testing.T) {
	assert.Equal(t, 76800, (&PromptConfig{PromptLength: 60, Rank: 30, MaxSourceLength: 256, Width: 768}).Parameters())
	assert.Equal(t, 76800, (&PromptConfig{PromptLength: 100, MaxSourceLength: 256, Width: 768}).Parameters())
}

// Each part of DePT alone: what it is called and made of, before and behind its files.
func TestPartsAlone(t *testing.T) {
	for _, tc := range []struct {
		m, r       int
		kind       *Kind
		describe   string
		parameters int
		tensors    []string
	}{
		{3, 2, &DePT, "P [3, 4], A [5, 2], B [2, 4], scale 5.657 (lora_alpha 8 / √2)", 30, []string{TensorP, TensorA, TensorB}},
		{0, 2, &DePT, "A [5, 2], B [2, 4], scale 5.657 (lora_alpha 8 / √2)", 18, []string{TensorA, TensorB}},
		{3, 0, &PromptTuning, "P [3, 4]", 12, []string{TensorP}},
	} {
		written := testAdapter(tc.m, tc.r, 5, 4, 1)
		dir := t.TempDir()
		require.NoError(t, written.Write(dir))
		read, err := ReadAdapter(dir)
		require.NoError(t, err)
		for _, a := range []*Adapter{written, read} {
			assert.Equal(t, tc.kind, a.Config.Kind())
			assert.Equal(t, tc.describe, a.Config.Describe())
			assert.Equal(t, tc.parameters, a.Parameters())
			var names []string
			for _, x := range a.Tensors {
				names = append(names, x.Name)
			}
			assert.Equal(t, tc.tensors, names)
		}
	}
}

// change parses an adapter of m 3, r 2, s 5, d 4 after a change of its config and tensors.
func change(t *testing.T, keys map[string]any, tensors map[string]*safetensors.Tensor) (*Adapter, error) {
	a := testAdapter(3, 2, 5, 4, 1)
	files, err := a.Files()
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, json.Unmarshal(files[AdapterConfigFile], &config))
	for key, value := range keys {
		if config[key] = value; value == nil {
			delete(config, key)
		}
	}
	files[AdapterConfigFile], err = json.Marshal(config)
	require.NoError(t, err)

	var packed []safetensors.Tensor
	for _, own := range a.Tensors {
		if _, ok := tensors[own.Name]; !ok {
			packed = append(packed, safetensors.Float32(own.Name, safetensors.F32, own.Shape, own.Values))
		}
	}
	for _, tensor := range tensors {
		if tensor != nil {
			packed = append(packed, *tensor)
		}
	}
	path := filepath.Join(t.TempDir(), "w")
	require.NoError(t, safetensors.WriteFile(path, packed, nil))
	files[AdapterWeightsFile], err = os.ReadFile(path)
	require.NoError(t, err)
	return ParseAdapter(files)
}

func TestParseAdapterErrors(t *testing.T) {
	type tensors = map[string]*safetensors.Tensor
	float := func(name string, dtype safetensors.DType, values []float32, shape ...int) tensors {
		tensor := safetensors.Float32(name, dtype, shape, values)
		return tensors{name: &tensor}
	}
	bad := make([]float32, 12)
	bad[6] = float32(math.NaN())
	long := make([]float32, 16)
	for _, tc := range []struct {
		name    string
		keys    map[string]any
		tensors tensors
		want    string
	}{
		{"m of others", map[string]any{"num_virtual_tokens": 4}, nil, "adapter_model.safetensors: tensor prompt_embeddings has shape [3 4], expected [4 4]"},
		{"r of others", map[string]any{"r": 3}, nil, "lora_embedding_A has shape [5 2], expected [5 3]"},
		{"s of others", map[string]any{"max_length": 6}, nil, "lora_embedding_A has shape [5 2], expected [6 2]"},
		{"d of others", map[string]any{"token_dim": 8}, nil, "prompt_embeddings has shape [3 4], expected [3 8]"},
		{"no rank", map[string]any{"r": 0}, nil, `tensor "prompt_encoder.lora_embedding_A" belongs to no such adapter`},
		{"negative m", map[string]any{"num_virtual_tokens": -1}, nil, "num_virtual_tokens is -1"},
		{"huge m", map[string]any{"num_virtual_tokens": 1 << 62}, nil, "num_virtual_tokens is 4611686018427387904"},
		{"no width", map[string]any{"token_dim": nil}, nil, "token_dim is 0, expected 1 to"},
		{"no max_length", map[string]any{"max_length": nil}, nil, "max_length is 0, expected 1 to"},
		{"no lora_alpha", map[string]any{"lora_alpha": nil}, nil, "lora_alpha is 0, expected a positive number"},
		{"an unknown method", map[string]any{"peft_type": "LOHA"}, nil, "it is an adapter of LoHa, low-rank Hadamard products (peft_type LOHA): the adapters that are read have peft_type PROMPT_TUNING_LORA, PROMPT_TUNING, "},
		{"two submodules", map[string]any{"num_transformer_submodules": 2}, nil, "prompt_embeddings has shape [3 4], expected [6 4]"},
		{"m is text", map[string]any{"num_virtual_tokens": "3"}, nil, "num_virtual_tokens is a text, expected a whole number"},
		{"A missing", nil, tensors{TensorA: nil}, "lora_embedding_A is missing, expected shape [5 2]"},
		{"P missing", nil, tensors{TensorP: nil}, "prompt_embeddings is missing, expected shape [3 4]"},
		{"one dimension", nil, float(TensorP, safetensors.F32, long[:12], 12), "prompt_embeddings has shape [12], expected [3 4]"},
		{"whole numbers", nil, tensors{TensorP: {Name: TensorP, DType: safetensors.I32, Shape: []int{3, 4}, Data: func() ([]byte, error) { return make([]byte, 48), nil }}},
			"cannot read elements of type I32"},
		{"not a number", nil, float(TensorP, safetensors.F32, bad, 3, 4), "prompt_embeddings has NaN at row 1, column 2"},
		{"a stranger", nil, float("prompt_encoder.bias", safetensors.F32, long, 16), `tensor "prompt_encoder.bias" belongs to no such adapter`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := change(t, tc.keys, tc.tensors)
			assert.ErrorContains(t, err, tc.want)
		})
	}

	_, err := change(t, map[string]any{"bias": "none", "revision": []int{1}}, nil)
	assert.NoError(t, err, "keys of no concern")
	a, err := change(t, nil, float(TensorP, safetensors.BF16, long[:12], 3, 4))
	require.NoError(t, err, "half precision")
	assert.Equal(t, long[:12], a.Values(TensorP))

	files, err := testAdapter(3, 2, 5, 4, 1).Files()
	require.NoError(t, err)
	_, err = ParseAdapter(map[string][]byte{AdapterWeightsFile: files[AdapterWeightsFile]})
	assert.ErrorContains(t, err, "no adapter_config.json")
	_, err = ParseAdapter(map[string][]byte{AdapterConfigFile: files[AdapterConfigFile]})
	assert.ErrorContains(t, err, "no adapter_model.safetensors")
	files[AdapterWeightsFile] = files[AdapterWeightsFile][:100]
	_, err = ParseAdapter(files)
	assert.ErrorContains(t, err, "adapter_model.safetensors: ")

	_, err = ReadAdapter(filepath.Join(t.TempDir(), "absent"))
	assert.ErrorContains(t, err, "absent: no adapter_config.json")
}

// PEFT's prompt tuning of T5 keeps a second prompt behind the first.
func TestReadPEFTPromptTuning(t *testing.T) {
	values := make([]float32, 6*4)
	for i := range values {
		values[i] = float32(i)
	}
	both := safetensors.Float32(TensorP, safetensors.F32, []int{6, 4}, values)
	a, err := change(t, map[string]any{
		"peft_type": "PROMPT_TUNING", "num_transformer_submodules": 2, "num_layers": 2,
		"r": nil, "max_length": nil, "lora_alpha": nil, "base_model_fingerprint": nil, "base_model_name_or_path": nil,
	}, map[string]*safetensors.Tensor{TensorP: &both, TensorA: nil, TensorB: nil})
	require.NoError(t, err)
	assert.Equal(t, &PromptConfig{PromptLength: 3, Width: 4, Submodules: 1}, a.Config)
	assert.Len(t, a.Tensors, 1)
	assert.Equal(t, values[:12], a.Values(TensorP))
	assert.Zero(t, a.Config.(*PromptConfig).Scale())
}

func TestAdapterWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	good := testAdapter(3, 2, 5, 4, 1)
	require.NoError(t, good.Write(dir))
	for want, spoil := range map[string]func(*Adapter){
		"tensor prompt_encoder.lora_embedding_B has +Inf at row 1, column 3": func(a *Adapter) { a.Values(TensorB)[7] = float32(math.Inf(1)) },
		"tensor prompt_embeddings has 8 values, expected shape [3 4]":        func(a *Adapter) { a.Tensors[0].Values = a.Tensors[0].Values[:8] },
		"lora_alpha is NaN": func(a *Adapter) { a.Config.(*PromptConfig).LoraAlpha = math.NaN() },
		"token_dim is 0":    func(a *Adapter) { a.Config.(*PromptConfig).Width = 0 },
	} {
		a := testAdapter(3, 2, 5, 4, 2)
		spoil(a)
		assert.ErrorContains(t, a.Write(dir), want)
	}
	back, err := ReadAdapter(dir)
	require.NoError(t, err)
	assert.Equal(t, good, back, "the last good one is still there")
}

// An adapter of another config takes the place of what was there, PyTorch's file included.
func TestAdapterWriteReplaces(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, testAdapter(3, 2, 5, 4, 1).Write(dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, AdapterTorchFile), []byte("old"), 0o666))
	next := testAdapter(2, 1, 6, 8, 2)
	require.NoError(t, next.Write(dir))
	back, err := ReadAdapter(dir)
	require.NoError(t, err)
	assert.Equal(t, next, back)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2)
}

// killedAdapter is adapter i of the process that is killed, about 300 KB of one number; its prompt
// length is that number, modulo the count of configs.
func killedAdapter(i uint64, configs string) *Adapter {
	n, _ := strconv.ParseUint(configs, 10, 64)
	a := testAdapter(100+int(i%n), 1, 2, 768, 0)
	p := a.Values(TensorP)
	for j := range p {
		p[j] = float32(i)
	}
	return a
}

// The test runs itself as the process that writes until it is killed.
func TestAdapterSurvivesKill(t *testing.T) {
	if dir := os.Getenv("DEPT_TEST_WRITE_FOREVER"); dir != "" {
		for i := uint64(0); ; i++ {
			require.NoError(t, killedAdapter(i, os.Getenv("DEPT_TEST_CONFIGS")).Write(dir))
		}
	}
	for _, configs := range []string{"1", "2"} {
		dir := t.TempDir()
		require.NoError(t, killedAdapter(0, configs).Write(dir))
		opened := 0
		for round := range 20 {
			process := exec.Command(os.Args[0], "-test.run=^TestAdapterSurvivesKill$")
			process.Env = append(os.Environ(), "DEPT_TEST_WRITE_FOREVER="+dir, "DEPT_TEST_CONFIGS="+configs)
			process.Stderr = os.Stderr
			require.NoError(t, process.Start())
			time.Sleep(time.Duration(20+rand.IntN(40)) * time.Millisecond)
			require.NoError(t, process.Process.Kill())
			process.Wait()

			a, err := ReadAdapter(dir)
			if configs != "1" && err != nil {
				// Between two configs there may be no weights for a moment.
				assert.ErrorContains(t, err, "no weights have been saved", "round %d", round)
				continue
			}
			require.NoError(t, err, "round %d", round)
			opened++
			p := a.Values(TensorP)
			for _, v := range p {
				require.Equal(t, p[0], v, "one adapter's weights")
			}
			assert.Equal(t, killedAdapter(uint64(p[0]), configs).Config, a.Config, "with its config")
		}
		t.Logf("%s configs: %d of 20 killed writers left an adapter", configs, opened)
	}
}

// The adapters of the golden runs and one by DePT's authors, as they are.
func TestReferenceAdapters(t *testing.T) {
	for path, want := range map[string]*PromptConfig{
		"golden/gated-untied":        {PromptLength: 5, Rank: 3, MaxSourceLength: 20, Width: 48, LoraAlpha: 8, Submodules: 1},
		"golden/relu-tied":           {PromptLength: 6, Rank: 4, MaxSourceLength: 32, Width: 64, LoraAlpha: 8, Submodules: 1},
		"data/dept_checkpoints/sst2": {PromptLength: 60, Rank: 30, MaxSourceLength: 256, Width: 768, LoraAlpha: 8, Submodules: 1},
	} {
		dir, ok := reference.Path(t, path)
		if !ok {
			continue
		}
		a, err := ReadAdapter(dir)
		require.NoError(t, err)
		assert.Equal(t, want, a.Config)
		assert.Equal(t, want.Parameters(), a.Parameters())

		// Rewritten, it is the same adapter.
		copied := t.TempDir()
		require.NoError(t, a.Write(copied))
		back, err := ReadAdapter(copied)
		require.NoError(t, err)
		assert.Equal(t, a, back)
	}
}

// An adapter of a method that is not read says what it is, as does one of the adapters library, a
// model in an adapter's place, and a file that is no weights.
func TestInteropAdapters(t *testing.T) {
	for config, want := range map[string]string{
		`{"peft_type": "PREFIX_TUNING"}`: "it is an adapter of PEFT's prefix tuning, half of whose numbers have no effect on a T5; that of the adapters library is read (peft_type PREFIX_TUNING): the adapters that are read have peft_type PROMPT_TUNING_LORA, PROMPT_TUNING, ",
		`{"peft_type": "ADALORA"}`:       "it is an adapter of AdaLoRA",
		`{"peft_type": "NEXT_YEARS"}`:    `it is an adapter of a method that is not known here (peft_type "NEXT_YEARS")`,
		`{"config": {"architecture": "reft"}, "model_class": "T5ForConditionalGeneration"}`:               `it is an adapter of the adapters library (AdapterHub) of a method that is not read (architecture "reft"`,
		`{"config": {"mh_adapter": true, "ln_before": true}}`:                                             "ln_before is true, which is not supported",
		`{"config": {"mh_adapter": true, "reduction_factor": {"default": 8}}}`:                            `reduction_factor is {"default": 8}, which is not supported`,
		`{"config": {"mh_adapter": true, "reduction_factor": 8}}`:                                         "hidden_size is 0, expected 1",
		`{"config": {"reduction_factor": 8, "non_linearity": "relu"}, "hidden_size": 9}`:                  "which leaves no place for adapters",
		`{"config": {"mh_adapter": true, "reduction_factor": 8, "non_linearity": "x"}, "hidden_size": 9}`: `no activation is named "x"`,
		`{}`: "it is no adapter of PEFT's, since it has no peft_type",
		"version https://git-lfs.github.com/spec/v1\n":                                             "adapter_config.json: it is a Git LFS pointer",
		"{\"peft_type\": \"LORA\", \"target_modules\": [\"q\"], \"layer_replication\": [\n  3\n]}": `layer_replication is [3], which is not supported`,
		`{"peft_type": ["LORA"]}`:            "adapter_config.json: peft_type is a list, expected a text",
		`{"peft_type": "LORA", "r": "four"}`: "adapter_config.json: r is a text, expected a whole number",
	} {
		_, err := ParseAdapter(map[string][]byte{AdapterConfigFile: []byte(config)})
		assert.ErrorContains(t, err, want)
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o644))
	_, err := ReadAdapter(dir)
	assert.ErrorContains(t, err, dir+": it is a whole model, not an adapter: give it as --model")
	_, err = ReadAdapter(filepath.Join(dir, "config.json"))
	assert.ErrorContains(t, err, "it is no folder; give the folder that holds adapter_config.json")
	_, err = ParseAdapter(map[string][]byte{AdapterConfigFile: []byte("\xef\xbb\xbf" + `{"peft_type": "IA3", "target_modules": ["k"], "feedforward_modules": []}`), AdapterWeightsFile: []byte("<html>")})
	assert.ErrorContains(t, err, "adapter_model.safetensors: it is an HTML page")
}
