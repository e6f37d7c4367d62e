package t5

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/go-dept/dept/internal/jsontext"
	"github.com/go-dept/dept/nn"
)

// Config is the config.json of a T5 checkpoint. The names in the file are Hugging Face's, and so is
// the meaning of a field that the file leaves out. Fields of the file that are not listed here are
// kept and written back.
type Config struct {
	ModelType string `json:"model_type"` // ModelT5 or ModelMT5

	DModel           int `json:"d_model"`            // width of the hidden states
	DKV              int `json:"d_kv"`               // width of one head; DKV × NumHeads need not be DModel
	DFF              int `json:"d_ff"`               // width inside a feed-forward layer
	NumHeads         int `json:"num_heads"`          //
	NumLayers        int `json:"num_layers"`         // encoder blocks
	NumDecoderLayers int `json:"num_decoder_layers"` // NumLayers when the file has none
	VocabSize        int `json:"vocab_size"`         // rows of the embedding; may exceed the tokenizer's

	FeedForwardProj  string  `json:"feed_forward_proj"` // FeedForwardReLU or FeedForwardGatedGELU
	LayerNormEpsilon float64 `json:"layer_norm_epsilon"`

	// TieWordEmbeddings and ScaleDecoderOutputs are as the file has them; OwnTable and Scaled say
	// what they mean.
	TieWordEmbeddings   bool  `json:"tie_word_embeddings"`
	ScaleDecoderOutputs *bool `json:"scale_decoder_outputs,omitempty"` // nil where the file has none, as before transformers 5

	RelativeAttentionNumBuckets  int `json:"relative_attention_num_buckets"`
	RelativeAttentionMaxDistance int `json:"relative_attention_max_distance"`

	DropoutRate float64 `json:"dropout_rate"`
	NPositions  int     `json:"n_positions"` // the length the model was trained at; no limit

	// InitializerFactor scales the weights of a new model; 0 is 1.
	InitializerFactor float64 `json:"initializer_factor"`

	PadTokenID          int `json:"pad_token_id"`
	EOSTokenID          int `json:"eos_token_id"`
	DecoderStartTokenID int `json:"decoder_start_token_id"` // PadTokenID when the file has none

	ownTable *bool                      // whether the weights hold an output table; nil where there are none to look at
	unknown  map[string]json.RawMessage // what the file has beside these
}

// The models whose computation this package has.
const (
	ModelT5  = "t5"
	ModelMT5 = "mt5" // T5 1.1 with another vocabulary
)

// The feed-forward layers of the two generations of T5.
const (
	FeedForwardReLU      = "relu"       // wo·relu(wi·x), T5 1.0
	FeedForwardGatedGELU = "gated-gelu" // wo·(gelu(wi_0·x) ⊙ wi_1·x) with the tanh form of GELU, T5 1.1 and Flan
)

// Gated says whether the feed-forward layers are FeedForwardGatedGELU.
func (c *Config) Gated() bool { return c.FeedForwardProj == FeedForwardGatedGELU }

// OwnTable says whether the output table is a tensor of its own, lm_head.weight, and not the
// embedding: as the weights have it, since transformers 5 says that all models tie the two and
// looks whether there is another table. Without weights, TieWordEmbeddings says it.
func (c *Config) OwnTable() bool {
	if c.ownTable != nil {
		return *c.ownTable
	}
	return !c.TieWordEmbeddings
}

// Scaled says whether the decoder's states are multiplied by 1/√DModel before the output table:
// T5 1.0 does that, which ties the two tables, and files from before transformers 5 say no more
// than that.
func (c *Config) Scaled() bool {
	switch {
	case c.ModelType == ModelMT5:
		return false
	case c.ScaleDecoderOutputs != nil:
		return *c.ScaleDecoderOutputs
	}
	return c.TieWordEmbeddings
}

// beforeVersion5 says whether the file is one of transformers 4, for which tie_word_embeddings
// says which output table there is. T5's files tell by the field that version 5 added.
func (c *Config) beforeVersion5() bool {
	if c.ModelType == ModelT5 {
		return c.ScaleDecoderOutputs == nil
	}
	version, _, _ := strings.Cut(strings.Trim(string(c.unknown["transformers_version"]), `"`), ".")
	n, err := strconv.Atoi(version)
	return err != nil || n < 5
}

// ReadConfig reads and checks the file at path.
func ReadConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return c, nil
}

// ParseConfig reads and checks the contents of a config.json.
func ParseConfig(data []byte) (*Config, error) {
	c := &Config{}
	if err := jsontext.Unmarshal(data, c); err != nil {
		return nil, err
	}
	return c, c.Validate()
}

// fields has Config's fields without its methods, which encoding/json would call again.
type fields Config

// UnmarshalJSON fills in what the file leaves out or sets to null. It does not Validate.
func (c *Config) UnmarshalJSON(data []byte) error {
	var unknown map[string]json.RawMessage
	if err := jsontext.Unmarshal(data, &unknown); err != nil {
		return err
	}
	// Another model's fields need not be what these are: its name comes first.
	if name, ok := bytes.CutPrefix(unknown["model_type"], []byte(`"`)); ok {
		if err := checkModelType(string(bytes.TrimSuffix(name, []byte(`"`)))); err != nil {
			return err
		}
	}
	if eos := unknown["eos_token_id"]; bytes.HasPrefix(eos, []byte("[")) {
		return fmt.Errorf("eos_token_id is a list, %s: a text ends with one token here, so give its id alone", eos)
	}
	const absent = math.MinInt
	f := fields{
		InitializerFactor:            1,
		TieWordEmbeddings:            true,
		LayerNormEpsilon:             1e-6,
		RelativeAttentionNumBuckets:  32,
		RelativeAttentionMaxDistance: 128,
		DropoutRate:                  0.1,
		NPositions:                   512,
		EOSTokenID:                   1,
		NumDecoderLayers:             absent,
		DecoderStartTokenID:          absent,
	}
	if err := jsontext.Unmarshal(data, &f); err != nil {
		return err
	}
	if scale, ok := unknown["scale_decoder_outputs"]; ok && string(scale) == "null" {
		f.ScaleDecoderOutputs = new(bool) // as Python takes None
	}
	if f.NumDecoderLayers == absent {
		f.NumDecoderLayers = f.NumLayers
	}
	if f.DecoderStartTokenID == absent {
		f.DecoderStartTokenID = f.PadTokenID
	}
	proj, err := feedForwardProj(f.FeedForwardProj, unknown)
	if err != nil {
		return err
	}
	f.FeedForwardProj = proj
	for _, key := range knownKeys() {
		delete(unknown, key)
	}
	f.unknown = unknown
	*c = Config(f)
	return nil
}

// feedForwardProj brings the two ways of naming the feed-forward layer together: newer files say
// dense_act_fn and is_gated_act beside feed_forward_proj, the oldest say nothing and mean ReLU.
func feedForwardProj(proj string, file map[string]json.RawMessage) (string, error) {
	var act struct {
		Fn    *string
		Gated *bool
	}
	for key, to := range map[string]any{"dense_act_fn": &act.Fn, "is_gated_act": &act.Gated} {
		if value, ok := file[key]; ok {
			if err := jsontext.Unmarshal(value, to); err != nil {
				return "", fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	if proj == "" {
		switch {
		case act.Fn == nil && act.Gated == nil:
			return FeedForwardReLU, nil
		case act.Fn != nil && *act.Fn == "relu" && (act.Gated == nil || !*act.Gated):
			return FeedForwardReLU, nil
		case act.Fn != nil && *act.Fn == "gelu_new" && act.Gated != nil && *act.Gated:
			return FeedForwardGatedGELU, nil
		}
		return "", fmt.Errorf("dense_act_fn %s with is_gated_act %s is not supported: there are relu, not gated, and gelu_new, gated",
			file["dense_act_fn"], file["is_gated_act"])
	}
	// An unsupported proj is Validate's to refuse.
	wantFn, wantGated := "relu", false
	if proj == FeedForwardGatedGELU {
		wantFn, wantGated = "gelu_new", true
	} else if proj != FeedForwardReLU {
		return proj, nil
	}
	if act.Fn != nil && *act.Fn != wantFn || act.Gated != nil && *act.Gated != wantGated {
		return "", fmt.Errorf("feed_forward_proj %q contradicts dense_act_fn %s and is_gated_act %s", proj, file["dense_act_fn"], file["is_gated_act"])
	}
	return proj, nil
}

// knownKeys lists the names in the file that Config has fields for.
func knownKeys() []string {
	data, err := json.Marshal(fields{ScaleDecoderOutputs: new(bool)})
	if err != nil {
		panic(err) // a struct of numbers and strings
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		panic(err)
	}
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

// MarshalJSON writes all fields and what UnmarshalJSON kept, sorted by name, so that Hugging Face's
// programs open the result. Transformers 5 takes no whole number where it expects a float.
func (c *Config) MarshalJSON() ([]byte, error) {
	known, err := json.Marshal((*fields)(c))
	if err != nil {
		return nil, err
	}
	out := map[string]json.RawMessage{
		"architectures":      json.RawMessage(`["` + strings.ToUpper(c.ModelType) + `ForConditionalGeneration"]`),
		"is_encoder_decoder": json.RawMessage("true"),
	}
	maps.Copy(out, c.unknown)
	if err := json.Unmarshal(known, &out); err != nil {
		return nil, err
	}
	for key, value := range map[string]float64{
		"layer_norm_epsilon": c.LayerNormEpsilon, "initializer_factor": c.InitializerFactor, "dropout_rate": c.DropoutRate,
	} {
		out[key] = floatText(value)
	}
	return json.Marshal(out)
}

// floatText writes a number as Python writes a float: with a point or an exponent.
func floatText(x float64) json.RawMessage {
	text := strconv.AppendFloat(nil, x, 'g', -1, 64)
	if !bytes.ContainsAny(text, ".e") {
		text = append(text, ".0"...)
	}
	return text
}

// written is c for weights that are stored as torchType ("float32", ...). Transformers 5 calls the
// field dtype but still reads the old name. It takes the output table from the weights, but
// transformers 4 looks at tie_word_embeddings, so that says it too; where the scaling does not
// follow from it, as it does in transformers 4, scale_decoder_outputs says that.
func (c *Config) written(torchType string) *Config {
	changed := *c
	changed.TieWordEmbeddings = !c.OwnTable()
	if scaled := c.Scaled(); c.ModelType == ModelT5 && scaled != changed.TieWordEmbeddings {
		changed.ScaleDecoderOutputs = &scaled
	}
	changed.unknown = map[string]json.RawMessage{}
	maps.Copy(changed.unknown, c.unknown)
	delete(changed.unknown, "dtype")
	changed.unknown["torch_dtype"] = json.RawMessage(`"` + torchType + `"`)
	return &changed
}

// Limits far beyond any T5 (the largest has a d_ff of 65,536 and 24 blocks), so that products of
// sizes cannot overflow and lists of tensors stay short.
const (
	maxSize   = 1 << 24
	maxLayers = 1 << 10
)

// relatives are the models that come closest to T5, and what they have that T5 has not.
var relatives = map[string]string{
	"umt5":                "umT5 has a table of position biases in every block",
	"longt5":              "LongT5's encoder attends to near tokens and to summaries of blocks",
	"switch_transformers": "Switch Transformers route each token to one of several feed-forward layers",
	"pop2piano":           "Pop2Piano reads sound",
	"udop":                "UDOP reads pictures of pages",
	"t5gemma":             "T5Gemma is built of Gemma's blocks",
	"t5gemma2":            "T5Gemma 2 is built of Gemma's blocks",
	"codet5p":             "CodeT5+ has code of its own",
	"bart":                "BART has another architecture",
	"mbart":               "mBART has another architecture",
	"pegasus":             "Pegasus has another architecture",
}

// checkModelType refuses what is neither T5 nor mT5.
func checkModelType(name string) error {
	if name == ModelT5 || name == ModelMT5 {
		return nil
	}
	why := ""
	if relative, ok := relatives[name]; ok {
		why = relative + ", which is not supported; "
	}
	return fmt.Errorf(`model_type is %q: %sonly "t5" (T5 1.0, T5 1.1, Flan-T5, ByT5) and "mt5" are read`, name, why)
}

// Validate reports the first field with a value that no T5 can have or that this package does not
// support.
func (c *Config) Validate() error {
	if err := checkModelType(c.ModelType); err != nil {
		return err
	}
	if c.FeedForwardProj != FeedForwardReLU && c.FeedForwardProj != FeedForwardGatedGELU {
		return fmt.Errorf("feed_forward_proj is %q: only %q (T5 1.0) and %q (T5 1.1 and Flan-T5) are supported", c.FeedForwardProj, FeedForwardReLU, FeedForwardGatedGELU)
	}
	for _, f := range []struct {
		key             string
		value, min, max int
	}{
		{"d_model", c.DModel, 1, maxSize},
		{"d_kv", c.DKV, 1, maxSize},
		{"d_ff", c.DFF, 1, maxSize},
		{"num_heads", c.NumHeads, 1, maxSize},
		{"num_layers", c.NumLayers, 1, maxLayers},
		{"num_decoder_layers", c.NumDecoderLayers, 1, maxLayers},
		{"vocab_size", c.VocabSize, 1, maxSize},
		// Fewer than 4 buckets leave no exact ones on either side of a token.
		{"relative_attention_num_buckets", c.RelativeAttentionNumBuckets, 4, maxSize},
		{"pad_token_id", c.PadTokenID, 0, c.VocabSize - 1},
		{"eos_token_id", c.EOSTokenID, 0, c.VocabSize - 1},
		{"decoder_start_token_id", c.DecoderStartTokenID, 0, c.VocabSize - 1},
		{"num_heads × d_kv", c.NumHeads * c.DKV, 1, maxSize},
	} {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("%s is missing or %d, outside %d to %d", f.key, f.value, f.min, f.max)
		}
	}
	// Half of the decoder's buckets are exact; the others must have distances left to cover.
	if c.RelativeAttentionMaxDistance <= c.RelativeAttentionNumBuckets/2 {
		return fmt.Errorf("relative_attention_max_distance is %d: with %d buckets it must be more than %d", c.RelativeAttentionMaxDistance, c.RelativeAttentionNumBuckets, c.RelativeAttentionNumBuckets/2)
	}
	if !(c.LayerNormEpsilon > 0 && c.LayerNormEpsilon < 1) {
		return fmt.Errorf("layer_norm_epsilon is %g: it must be between 0 and 1", c.LayerNormEpsilon)
	}
	if !(c.DropoutRate >= 0 && c.DropoutRate < 1) {
		return fmt.Errorf("dropout_rate is %g: it must be at least 0 and less than 1", c.DropoutRate)
	}
	if !(c.InitializerFactor >= 0 && c.InitializerFactor < 1e6) {
		return fmt.Errorf("initializer_factor is %g: it must be at least 0", c.InitializerFactor)
	}
	return nil
}

// Tensors lists what a checkpoint of this Config holds, under Hugging Face's names: the embedding,
// the encoder, the decoder, and the output table where it is not the embedding. A matrix is
// [outputs, inputs], an embedding [entries, width].
func (c *Config) Tensors() []nn.Tensor { return c.Describe().Tensors() }
