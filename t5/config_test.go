package t5

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smallConfig has odd sizes: heads × head size is not the model's width, and the decoder is not as
// deep as the encoder.
func smallConfig() *Config {
	return &Config{
		ModelType: "t5", DModel: 6, DKV: 3, DFF: 10, NumHeads: 4, NumLayers: 2, NumDecoderLayers: 3, VocabSize: 37,
		FeedForwardProj: FeedForwardGatedGELU, LayerNormEpsilon: 1e-6,
		RelativeAttentionNumBuckets: 8, RelativeAttentionMaxDistance: 20,
		DropoutRate: 0.1, NPositions: 64, InitializerFactor: 1, EOSTokenID: 1,
	}
}

const sizes = `"model_type":"t5","d_model":8,"d_kv":2,"d_ff":16,"num_heads":3,"num_layers":5,"vocab_size":100`

func TestConfigDefaults(t *testing.T) {
	want := &Config{
		ModelType: "t5", DModel: 8, DKV: 2, DFF: 16, NumHeads: 3, NumLayers: 5, NumDecoderLayers: 5, VocabSize: 100,
		FeedForwardProj: "relu", TieWordEmbeddings: true, LayerNormEpsilon: 1e-6,
		RelativeAttentionNumBuckets: 32, RelativeAttentionMaxDistance: 128,
		DropoutRate: 0.1, NPositions: 512, InitializerFactor: 1, PadTokenID: 0, EOSTokenID: 1, DecoderStartTokenID: 0,
	}
	for name, text := range map[string]string{
		"left out": `{` + sizes + `}`,
		"null": `{` + sizes + `,"num_decoder_layers":null,"tie_word_embeddings":null,"layer_norm_epsilon":null,` +
			`"relative_attention_max_distance":null,"decoder_start_token_id":null,"feed_forward_proj":null,"dense_act_fn":null}`,
	} {
		got, err := ParseConfig([]byte(text))
		require.NoError(t, err, name)
		got.unknown = nil
		assert.Equal(t, want, got, name)
	}
	got, err := ParseConfig([]byte(`{` + sizes + `,"pad_token_id":7}`))
	require.NoError(t, err)
	assert.Equal(t, 7, got.DecoderStartTokenID, "the decoder starts with the padding id unless told otherwise")
}

func TestFeedForwardNames(t *testing.T) {
	for text, want := range map[string]string{
		`"feed_forward_proj":"relu"`:       "relu",
		`"feed_forward_proj":"gated-gelu"`: "gated-gelu",
		`"feed_forward_proj":"gated-gelu","dense_act_fn":"gelu_new","is_gated_act":true`: "gated-gelu",
		`"feed_forward_proj":"relu","dense_act_fn":"relu","is_gated_act":false`:          "relu",
		`"dense_act_fn":"gelu_new","is_gated_act":true`:                                  "gated-gelu",
		`"dense_act_fn":"relu"`: "relu",
	} {
		c, err := ParseConfig([]byte(`{` + sizes + `,` + text + `}`))
		require.NoError(t, err, text)
		assert.Equal(t, want, c.FeedForwardProj, text)
		assert.Equal(t, want == "gated-gelu", c.Gated(), text)
	}
}

func TestBadConfigs(t *testing.T) {
	good := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(`{`+sizes+`}`), &good))
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"model_type", "umt5", `model_type is "umt5": umT5 has a table of position biases in every block`},
		{"model_type", "longt5", "LongT5's encoder attends to near tokens"},
		{"model_type", "bert", `model_type is "bert": only "t5"`},
		{"eos_token_id", []int{1, 2}, "eos_token_id is a list, [1,2]: "},
		{"pad_token_id", []int{0}, "pad_token_id is a list, expected a whole number"},
		{"d_ff", 64.5, "d_ff is 64.5, expected a whole number"},
		{"tie_word_embeddings", "yes", "tie_word_embeddings is a text, expected true or false"},
		{"model_type", nil, `model_type is ""`},
		{"feed_forward_proj", "gated-silu", `"gated-silu": only "relu" (T5 1.0) and "gated-gelu"`},
		{"feed_forward_proj", "gelu", "only"},
		{"dense_act_fn", "silu", "dense_act_fn"},
		{"dense_act_fn", 3, "dense_act_fn"},
		{"is_gated_act", true, "is_gated_act"},
		{"d_model", nil, "d_model is missing or 0"},
		{"d_model", -8, "d_model is missing or -8"},
		{"d_model", "8", "d_model"},
		{"d_model", 1 << 30, "d_model"},
		{"d_kv", 0, "d_kv"},
		{"d_kv", 1 << 24, "num_heads × d_kv"},
		{"d_ff", 0, "d_ff"},
		{"num_heads", 0, "num_heads"},
		{"num_layers", 0, "num_layers"},
		{"num_layers", 1_000_000_000, "num_layers"},
		{"num_decoder_layers", 0, "num_decoder_layers"},
		{"vocab_size", 0, "vocab_size"},
		{"relative_attention_num_buckets", 2, "relative_attention_num_buckets"},
		{"relative_attention_max_distance", 16, "must be more than 16"},
		{"pad_token_id", -1, "pad_token_id"},
		{"eos_token_id", 100, "eos_token_id"},
		{"decoder_start_token_id", 100, "decoder_start_token_id"},
		{"layer_norm_epsilon", 0, "layer_norm_epsilon"},
		{"dropout_rate", 1, "dropout_rate"},
	} {
		bad := maps.Clone(good)
		bad[c.key] = c.value
		data, err := json.Marshal(bad)
		require.NoError(t, err)
		_, err = ParseConfig(data)
		assert.ErrorContains(t, err, c.want, "%s = %v", c.key, c.value)
	}
	_, err := ParseConfig([]byte(`{` + sizes + `,"feed_forward_proj":"relu","dense_act_fn":"gelu_new"}`))
	assert.ErrorContains(t, err, "contradicts")
	for _, text := range []string{"", "null", "[]", "{", `"t5"`} {
		_, err := ParseConfig([]byte(text))
		assert.Error(t, err, text)
	}
}

// What a person or another program writes is read, or refused in words that name no type of Go.
func TestGoNamesInErrors(t *testing.T) {
	c, err := ParseConfig([]byte("\xef\xbb\xbf{" + strings.Replace(sizes, `"d_ff":16`, `"d_ff":64.0`, 1) + "}"))
	require.NoError(t, err)
	assert.Equal(t, 64, c.DFF)
	for text, want := range map[string]string{
		`"eos_token_id":[1]`: "eos_token_id is a list",
		`"pad_token_id":{}`:  "pad_token_id is an object, expected a whole number",
		`"d_ff":`:            "line 1, column 104: this is no JSON",
	} {
		_, err := ParseConfig([]byte("{" + sizes + "," + text + "}"))
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "Go")
		assert.NotContains(t, err.Error(), "fields")
	}
}

func TestReadConfigNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	_, err := ReadConfig(path)
	assert.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte(`{"model_type":"gpt2"}`), 0o644))
	_, err = ReadConfig(path)
	assert.ErrorContains(t, err, path)
	assert.ErrorContains(t, err, "gpt2")
}

func TestConfigRoundTripKeepsWhatItDoesNotKnow(t *testing.T) {
	text := `{` + sizes + `,"task_specific_params":{"x":[1,{"y":null}]},"architectures":["Mine"],"feed_forward_proj":"gated-gelu"}`
	c, err := ParseConfig([]byte(text))
	require.NoError(t, err)
	data, err := json.Marshal(c)
	require.NoError(t, err)
	back, err := ParseConfig(data)
	require.NoError(t, err)
	assert.Equal(t, "gated-gelu", back.FeedForwardProj)

	var m map[string]any
	require.NoError(t, json.Unmarshal(data, &m))
	assert.Equal(t, map[string]any{"x": []any{1.0, map[string]any{"y": nil}}}, m["task_specific_params"])
	assert.Equal(t, []any{"Mine"}, m["architectures"])
	assert.Equal(t, true, m["is_encoder_decoder"])
	again, err := json.Marshal(back)
	require.NoError(t, err)
	assert.Equal(t, string(data), string(again))
}

func TestTensorsList(t *testing.T) {
	c := smallConfig()
	byName := map[string][]int{}
	for _, spec := range c.Tensors() {
		assert.NotContains(t, byName, spec.Name)
		byName[spec.Name] = spec.Shape
	}
	// Attention has q, k, v, o and a norm, gated feed-forward wi_0, wi_1, wo and a norm.
	assert.Len(t, byName, 2*(5+4)+3*(5+5+4)+2 /* biases */ +2 /* final norms */ +2 /* tables */)
	for name, want := range map[string][]int{
		"shared.weight": {37, 6},
		"encoder.block.1.layer.0.SelfAttention.q.weight":                       {12, 6},
		"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": {8, 4},
		"decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": {8, 4},
		"decoder.block.2.layer.1.EncDecAttention.o.weight":                     {6, 12},
		"decoder.block.2.layer.2.DenseReluDense.wi_1.weight":                   {10, 6},
		"decoder.block.2.layer.2.DenseReluDense.wo.weight":                     {6, 10},
		"decoder.block.2.layer.2.layer_norm.weight":                            {6},
		"encoder.final_layer_norm.weight":                                      {6},
		"decoder.final_layer_norm.weight":                                      {6},
		"lm_head.weight":                                                       {37, 6},
	} {
		assert.Equal(t, want, byName[name], name)
	}
	assert.Equal(t, "shared.weight", c.Tensors()[0].Name)

	c.FeedForwardProj, c.TieWordEmbeddings = FeedForwardReLU, true
	for _, spec := range c.Tensors() {
		assert.NotContains(t, spec.Name, "wi_")
		assert.NotContains(t, spec.Name, "lm_head")
	}
}

// FuzzParseConfig: any bytes are refused with an error or make a config that is
// written and read again unchanged.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{` + sizes + `,"pad_token_id":7,"mine":[1.50,{"a":null}]}`))
	f.Add([]byte(`{` + sizes + `,"dense_act_fn":"gelu_new","is_gated_act":true,"num_decoder_layers":null}`))
	f.Add([]byte(`{"d_model":1e3,"D_MODEL":-1,"dropout_rate":NaN}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		written, err := json.Marshal(c)
		require.NoError(t, err)
		again, err := ParseConfig(written)
		require.NoError(t, err, "%s", written)
		rewritten, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(written), string(rewritten))
	})
}
