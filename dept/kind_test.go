package dept

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/t5"
)

func describe(t *testing.T, config string) nn.Description {
	c, err := t5.ParseConfig([]byte(`{"model_type": "t5", "vocab_size": 100, ` + config + `}`))
	require.NoError(t, err)
	return c.Describe()
}

// sizes of T5s as they are published, without their vocabularies.
var sizes = map[string]string{
	"t5-small":   `"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_heads": 8, "num_layers": 6`,
	"t5-base":    `"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_heads": 12, "num_layers": 12`,
	"t5-large":   `"d_model": 1024, "d_kv": 64, "d_ff": 4096, "num_heads": 16, "num_layers": 24`,
	"v1_1-small": `"d_model": 512, "d_kv": 64, "d_ff": 1024, "num_heads": 6, "num_layers": 8, "feed_forward_proj": "gated-gelu"`,
	"v1_1-base":  `"d_model": 768, "d_kv": 64, "d_ff": 2048, "num_heads": 12, "num_layers": 12, "feed_forward_proj": "gated-gelu"`,
}

// The numbers of parameters are those that the methods' papers and PEFT give.
func TestParameterCounts(t *testing.T) {
	for model, want := range map[string][4]int{ // LoRA of rank 8 on q and v; (IA)³ on k, v and wo; all norms; biases
		"t5-small":   {294_912, 43_008, 16_384, 58_368},
		"t5-base":    {884_736, 129_024, 47_616, 175_104},
		"t5-large":   {2_359_296, 344_064, 124_928, 466_944},
		"v1_1-small": {344_064, 34_816, 21_504, 71_680},
		"v1_1-base":  {884_736, 104_448, 47_616, 199_680},
	} {
		d := describe(t, sizes[model])
		for i, k := range []*Kind{&LoRA, &IA3, &Norms, &Biases} {
			c, advice, err := k.Configure(k.Defaults(), 256, d)
			require.NoError(t, err)
			assert.Empty(t, advice)
			list, err := c.Tensors(d)
			require.NoError(t, err)
			assert.Equal(t, want[i], count(list), "%s on %s", k.Name, model)
		}
	}
}

// Every method's defaults are within its own bounds, its settings read back from a
// Config what was asked for, and its file opens as the same adapter.
func TestKinds(t *testing.T) {
	d := describe(t, `"d_model": 12, "d_kv": 5, "d_ff": 9, "num_heads": 3, "num_layers": 2, "feed_forward_proj": "gated-gelu"`)
	wider := describe(t, `"d_model": 14, "d_kv": 6, "d_ff": 11, "num_heads": 3, "num_layers": 2, "feed_forward_proj": "gated-gelu"`)
	for _, k := range Kinds {
		v := k.Defaults()
		require.NoError(t, k.Check(v), k.Name)
		assert.NotEmpty(t, k.Rates(v), k.Name)
		found, err := Lookup(k.Name)
		require.NoError(t, err)
		assert.Same(t, k, found)
		if k.Checkpoints() {
			continue
		}
		if _, ok := v["rank"]; ok {
			v["rank"] = 3
		}
		c, _, err := k.Configure(v, 10, d)
		require.NoError(t, err, k.Name)
		assert.Same(t, k, c.Kind())
		for _, s := range k.Settings {
			if s.Of != nil {
				want := v[s.Name]
				if names, ok := want.([]string); ok {
					want = strings.Join(names, ", ")
				}
				assert.Equal(t, want, s.Of(c), "%s of %s", s.Name, k.Name)
			}
		}
		list, err := c.Tensors(d)
		require.NoError(t, err)
		a := &Adapter{Config: c, Base: Base{"m", "f"}, Tensors: list}
		for i := range a.Tensors {
			a.Tensors[i].Values = uniform(rand.New(rand.NewPCG(1, uint64(i))), list[i].len(), 1)
		}
		files, err := a.Files()
		require.NoError(t, err)
		back, err := ParseAdapter(files)
		require.NoError(t, err, k.Name)
		assert.Equal(t, c.Describe(), back.Config.Describe())
		assert.Equal(t, c.MaxSource(), back.Config.MaxSource())
		assert.Equal(t, a.Base, back.Base)
		require.Len(t, back.Tensors, len(a.Tensors), k.Name)
		for i, want := range a.Tensors {
			assert.Equal(t, want.Values, back.Values(want.Name), "%s %d", want.Name, i)
		}
		require.NoError(t, back.Fits(d), k.Name)
		assert.ErrorContains(t, back.Fits(wider), "give the model it was trained on")
		var keys map[string]any
		require.NoError(t, json.Unmarshal(files[AdapterConfigFile], &keys))
		if k.Hub {
			assert.Equal(t, "m", keys["model_name"])
			assert.NotContains(t, keys, "peft_type")
		} else {
			assert.Equal(t, k.Peft, keys["peft_type"])
		}
	}
	_, err := Lookup("lohra")
	assert.EqualError(t, err, `there is no method "lohra": there are `+strings.Join(Names(), ", "))
}

// What a configuration of somebody else's asks for and is not supported is refused
// by name.
func TestForeignConfigs(t *testing.T) {
	for want, config := range map[string]string{
		`rank_pattern has 1.5 for q, expected a whole`:    `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "rank_pattern": {"q":1.5}}`,
		`alpha_pattern has -1 for q, expected a positive`: `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "alpha_pattern": {"q":-1}}`,
		`the pattern "(": error parsing regexp`:           `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "rank_pattern": {"q": 1, "(": 2}}`,
		`the pattern "q" has no number`:                   `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "rank_pattern": {"q":null}}`,
		`is no object of patterns with a number each`:     `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "rank_pattern": [1]}`,
		`is more than patterns of a model's modules need`: `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "rank_pattern": {"q{1000}": 1}}`,
		`modules_to_save is ["lm_head"]`:                  `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "modules_to_save": ["lm_head"]}`,
		`init_lora_weights is "pissa"`:                    `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "init_lora_weights": "pissa"}`,
		`target_parameters is ["q.weight"]`:               `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "target_parameters": ["q.weight"]}`,
		`trainable_token_indices is [3]`:                  `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "trainable_token_indices": [3]}`,
		`bias is "all"`:                                   `{"peft_type": "LORA", "r": 2, "target_modules": ["q"], "bias": "all"}`,
		`target_modules is empty: name the modules`:       `{"peft_type": "IA3"}`,
		`target_modules is empty: name the norms`:         `{"peft_type": "LN_TUNING"}`,
		`r is 0`:                      `{"peft_type": "LORA", "r": 0, "target_modules": ["q"]}`,
		`neither a list of names nor`: `{"peft_type": "LORA", "r": 2, "target_modules": 7}`,
	} {
		_, err := ParseAdapter(map[string][]byte{AdapterConfigFile: []byte(config)})
		assert.ErrorContains(t, err, want)
	}
}

// Where a configuration leaves modules out, or has an expression that only Python reads, the
// modules are those that the file has, and are written so.
func TestModulesOfTheFile(t *testing.T) {
	d := describe(t, sizes["t5-small"])
	chosen := []string{"encoder.block.0.layer.0.SelfAttention.v", "encoder.block.1.layer.1.DenseReluDense.wo"}
	for _, config := range []string{
		`{"peft_type": "LORA", "r": 1, "target_modules": ["v", "wo"], "exclude_modules": "decoder.*|.*[2345].*"}`,
		`{"peft_type": "LORA", "r": 1, "target_modules": ["v", "wo"], "layers_to_transform": 0}`,
		`{"peft_type": "LORA", "r": 1, "target_modules": "(?!decoder).*\\.(v|wo)\\Z"}`,
		`{"peft_type": "IA3", "target_modules": ["v", "wo"], "feedforward_modules": "(?!decoder).*wo", "exclude_modules": ["k"]}`,
	} {
		a, err := parseConfig([]byte(config))
		require.NoError(t, err)
		var file []Tensor
		for _, s := range d.Sites() {
			if !slices.Contains(chosen, s.Module) {
				continue
			}
			if a.Config.Kind() == &LoRA {
				file = append(file, Tensor{Name: tensorName(s, loraA), Shape: []int{1, s.In}}, Tensor{Name: tensorName(s, loraB), Shape: []int{s.Out, 1}})
			} else if s.Module == chosen[1] {
				file = append(file, Tensor{Name: tensorName(s, ia3L), Shape: []int{1, s.In}})
			} else {
				file = append(file, Tensor{Name: tensorName(s, ia3L), Shape: []int{s.Out, 1}})
			}
		}
		a.Tensors, err = a.Config.Take(file)
		require.NoError(t, err, config)
		require.NoError(t, a.Fits(d), config)
		written, err := configFile(a.Config, "m")
		require.NoError(t, err)
		again, err := parseConfig(written)
		require.NoError(t, err)
		assert.Equal(t, a.Config, again.Config)
		assert.Contains(t, again.Config.Describe(), strings.Join(chosen, ", "))
	}
}

// PEFT opens no (IA)³ whose feed-forward modules are not named among its modules.
func TestFeedForwardModules(t *testing.T) {
	d := describe(t, sizes["t5-small"])
	v := IA3.Defaults()
	v["target-modules"] = []string{"k", "v"}
	c, _, err := IA3.Configure(v, 9, d)
	require.NoError(t, err)
	assert.Empty(t, c.(*IA3Config).FeedForward.Names)
	v["target-modules"], v["feedforward-modules"] = []string{"DenseReluDense.wo"}, []string{"wo"}
	_, _, err = IA3.Configure(v, 9, d)
	assert.EqualError(t, err, "feedforward-modules wo: name it as target-modules does, which has DenseReluDense.wo")
}

// PEFT adapts the output layer too, and then keeps its weight beside the adapter.
func TestAdapterOfTheHead(t *testing.T) {
	c := &LoRAConfig{Rank: 1, Alpha: 1, Bias: "none", Init: json.RawMessage("true"), Targets: Targets{Names: []string{"q", "lm_head"}}}
	d := describe(t, sizes["t5-small"])
	list, err := c.Tensors(d)
	require.NoError(t, err)
	list = append(list, Tensor{Name: "base_model.model.lm_head.lora_A.weight", Shape: []int{1, 2}}, Tensor{Name: "base_model.model.lm_head.lora_B.weight", Shape: []int{3, 1}})
	took, err := c.Take(list)
	require.NoError(t, err)
	assert.ErrorContains(t, (&Adapter{Config: c, Tensors: took}).Fits(d), `tensor "base_model.model.lm_head.lora_A.weight" is of no module there that can be changed`)
	_, err = c.Take(append(list, Tensor{Name: "base_model.model.lm_head.base_layer.weight", Shape: []int{3, 2}}))
	assert.ErrorContains(t, err, "changed the embedding or the output layer")
}

// The numbers of AdapterHub's adapters, each with its own reduction, as it counts them.
func TestParametersOfAdapters(t *testing.T) {
	for model, want := range map[string]map[string]int{
		"t5-small": {"pfeiffer": 399_744, "houlsby": 799_488},
		"t5-base":  {"pfeiffer": 1_789_056, "houlsby": 3_578_112},
		"t5-large": {"pfeiffer": 6_343_680, "houlsby": 12_687_360},
	} {
		for placement, n := range want {
			d, v := describe(t, sizes[model]), Bottleneck.Defaults()
			v["placement"] = placement
			c, advice, err := Bottleneck.Configure(v, 256, d)
			require.NoError(t, err)
			assert.Empty(t, advice)
			list, err := c.Tensors(d)
			require.NoError(t, err)
			assert.Equal(t, n, count(list), "%s on %s", placement, model)
		}
	}
}

// In files of the adapters library that say no version some names are others.
func TestOldNonLinearities(t *testing.T) {
	for _, c := range []struct{ version, written, want string }{
		{"", "gelu", "gelu_new"}, {"", "gelu_orig", "gelu"}, {"", "swish", "swish"}, {"adapters.1.0.0", "gelu", "gelu"},
	} {
		a, err := parseConfig(fmt.Appendf(nil, `{"hidden_size": 9, "version": %q, "config": {"output_adapter": true, "reduction_factor": 2.0, "non_linearity": %q}}`, c.version, c.written))
		require.NoError(t, err)
		assert.Equal(t, c.want, a.Config.(*BottleneckConfig).Config.NonLinearity, "%+v", c)
	}
}

// A module's rank and alpha are those of the first pattern that matches its path, or the
// end of that behind a dot.
func TestPatterns(t *testing.T) {
	files := map[string][]byte{AdapterConfigFile: []byte(`{"peft_type": "LORA", "r": 2, "lora_alpha": 3, "target_modules": ["q", "v"],
		"rank_pattern": {"layer.0.SelfAttention.v": 5, "v": 4, "^encoder.*": 7, "on.q": 9}, "alpha_pattern": {"decoder\\..*": 1.5}}`)}
	a, err := parseConfig(files[AdapterConfigFile])
	require.NoError(t, err)
	c := a.Config.(*LoRAConfig)
	for module, want := range map[string]struct {
		rank  int
		scale float64
	}{
		"encoder.block.0.layer.0.SelfAttention.v":   {5, 3. / 5},
		"decoder.block.0.layer.1.EncDecAttention.v": {4, 1.5 / 4},
		"encoder.block.0.layer.0.SelfAttention.q":   {7, 3. / 7},
		"decoder.block.1.layer.1.EncDecAttention.q": {2, 1.5 / 2},
	} {
		assert.Equal(t, want.rank, c.RankOf(module), module)
		assert.InDelta(t, want.scale, c.ScaleOf(module), 1e-12, module)
	}
	written, err := configFile(c, "m")
	require.NoError(t, err)
	again, err := parseConfig(written)
	require.NoError(t, err)
	assert.Equal(t, c.Describe(), again.Config.Describe(), "the order of the patterns counts")
}

// What other methods have on T5-base: ADePT's is the authors' number.
func TestParametersOnT5Base(t *testing.T) {
	d := describe(t, sizes["t5-base"])
	for k, want := range map[*Kind]int{&ADePT: 76_051, &ResidualPrompt: 1_239_584} {
		c, _, err := k.Configure(k.Defaults(), 256, d)
		require.NoError(t, err)
		list, err := c.Tensors(d)
		require.NoError(t, err)
		assert.Equal(t, want, count(list), k.Name)
	}
}

func TestTargets(t *testing.T) {
	d := describe(t, sizes["v1_1-small"])
	for _, c := range []struct {
		Targets
		want int
	}{
		{Targets{Names: []string{"q"}}, 24},
		{Targets{Names: []string{"SelfAttention.q"}}, 16},
		{Targets{Names: []string{"wi_0", "wo"}}, 32},
		{Targets{Names: []string{"encoder.block.3.layer.1.DenseReluDense.wo"}}, 1},
		{Targets{Pattern: `decoder\..*\.(k|v)`}, 32},
	} {
		sites, err := c.sites(d)
		require.NoError(t, err)
		assert.Len(t, sites, c.want, fmt.Sprint(c.Targets))
	}
	some, err := Targets{Names: []string{"q", "query"}}.sites(d)
	require.NoError(t, err)
	assert.Len(t, some, 24, "as PEFT takes it")
	assert.Error(t, Targets{Names: []string{"q", "query"}}.check(d.Sites()), "who begins a training asks for all of them")
	_, err = Targets{Names: []string{"query"}}.sites(d)
	assert.EqualError(t, err, "no module of the model is named query: there are q, k, v, o, wi_0, wi_1, wo")
	_, err = Targets{Pattern: "q"}.sites(d)
	assert.ErrorContains(t, err, "matches no module")
	_, err = Targets{Pattern: "("}.sites(d)
	assert.ErrorContains(t, err, "regular expression")
	norms, err := Targets{Pattern: `encoder\..*norm`}.choose(d.Norms())
	require.NoError(t, err)
	assert.Len(t, norms, 17)
	_, err = (&NormsConfig{Targets: Targets{Names: []string{"q"}}}).Tensors(d)
	assert.EqualError(t, err, "no module of the model is named q: there are layer_norm, final_layer_norm")
}

// A misspelt setting, or one of another type, is refused and not taken for its zero.
func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		value any
		want  string
	}{
		{"ranc", 8, "ranc 8: Decomposed prompt tuning has no such setting"},
		{"rank", "8", "rank 8: it must be of the type of 45"},
		{"lr-prompt", 1, "lr-prompt 1: it must be of the type of 0.3"},
		{"rank", nil, "rank <nil>: it must be of the type of 45"},
	} {
		v := DePT.Defaults()
		v[c.name] = c.value
		assert.EqualError(t, DePT.Check(v), c.want)
	}
}
