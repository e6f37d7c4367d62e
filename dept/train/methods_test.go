package train

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
)

// oddModels have heads whose sum is not the width, encoders and decoders of
// different depths, and widths that are no multiples of 4.
var oddModels = []struct{ name, config string }{
	{"gated, untied", `"d_model":35,"d_kv":16,"d_ff":45,"num_heads":5,"num_layers":1,"num_decoder_layers":2,"feed_forward_proj":"gated-gelu","tie_word_embeddings":false`},
	{"ReLU, tied", `"d_model":50,"d_kv":16,"d_ff":71,"num_heads":3,"num_layers":2,"num_decoder_layers":1,"feed_forward_proj":"relu","tie_word_embeddings":true`},
}

// oddModel is one of oddModels with a vocabulary of 203.
func oddModel(t *testing.T, config string, dtype safetensors.DType) *t5.Checkpoint {
	c, err := t5.ParseConfig(fmt.Appendf(nil, `{"model_type":"t5","vocab_size":203,%s}`, config))
	require.NoError(t, err)
	return oddCheckpoint(t, c, dtype)
}

// allModules are the names of all modules of a T5.
func allModules(c *t5.Config) []string {
	if c.Gated() {
		return []string{"q", "k", "v", "o", "wi_0", "wi_1", "wo"}
	}
	return []string{"q", "k", "v", "o", "wi", "wo"}
}

// methodCase is an adapter of a kind with some settings; "all" among its modules
// stands for all.
type methodCase struct {
	name   string
	kind   *dept.Kind
	values dept.Values
}

// methodCases are the methods that have adapters, in their variants.
var methodCases = []methodCase{
	{"DePT", &dept.DePT, dept.Values{"prompt-length": 5, "rank": 3}},
	{"ADePT", &dept.ADePT, dept.Values{"prompt-length": 5, "rank": 3}},
	{"residual prompt tuning", &dept.ResidualPrompt, dept.Values{"prompt-length": 4, "bottleneck": 7}},
	{"LoRA", &dept.LoRA, dept.Values{"rank": 3}},
	{"rsLoRA on all modules", &dept.LoRA, dept.Values{"rank": 2, "lora-alpha": 3., "use-rslora": true, "target-modules": []string{"all"}}},
	{"DoRA", &dept.LoRA, dept.Values{"rank": 3, "use-dora": true}},
	{"DoRA on all modules", &dept.LoRA, dept.Values{"rank": 2, "lora-alpha": 3., "use-dora": true, "target-modules": []string{"all"}}},
	{"(IA)³", &dept.IA3, nil},
	{"(IA)³ on all modules' results", &dept.IA3, dept.Values{"target-modules": []string{"all"}, "feedforward-modules": []string(nil)}},
	{"(IA)³ on all modules' inputs", &dept.IA3, dept.Values{"target-modules": []string{"all"}, "feedforward-modules": []string{"all"}}},
	{"norms", &dept.Norms, nil},
	{"the norms behind the stacks", &dept.Norms, dept.Values{"target-modules": []string{"final_layer_norm"}}},
	{"biases", &dept.Biases, nil},
	{"Pfeiffer's adapters", &dept.Bottleneck, dept.Values{"reduction": 6, "non-linearity": "gelu_new"}},
	{"Houlsby's adapters", &dept.Bottleneck, dept.Values{"placement": "houlsby", "reduction": 7, "non-linearity": "swish"}},
	{"Houlsby's adapters, cross-attention too", &dept.Bottleneck, dept.Values{"placement": "houlsby-cross", "reduction": 11, "non-linearity": "gelu"}},
	{"parallel adapters", &dept.Bottleneck, dept.Values{"placement": "parallel", "reduction": 2}},
	{"prefixes", &dept.Prefix, dept.Values{"prefix-length": 3, "bottleneck": 7}},
	{"flat prefixes", &dept.Prefix, dept.Values{"prefix-length": 5, "flat": true}},
	{"leaky adapters", &dept.Bottleneck, dept.Values{"reduction": 9, "non-linearity": "leakyrelu"}},
}

// start is the case's adapter for a model as training starts it; more settings
// override the case's.
func (c methodCase) start(t *testing.T, ck *t5.Checkpoint, longest int, more dept.Values) *dept.Adapter {
	v := c.kind.Defaults()
	if c.kind.Setting("prompt-init") != nil {
		v["prompt-init"] = string(dept.InitVocab) // text needs a tokenizer
	}
	maps.Copy(v, c.values)
	for name, value := range more {
		if c.kind.Setting(name) != nil {
			v[name] = value
		}
	}
	for _, setting := range []string{"target-modules", "feedforward-modules"} {
		if names := v.Strings(setting); len(names) == 1 && names[0] == "all" {
			v[setting] = allModules(ck.Config)
		}
	}
	require.NoError(t, c.kind.Check(v))
	config, _, err := c.kind.Configure(v, longest, ck.Config.Describe())
	require.NoError(t, err)
	a, err := dept.NewAdapter(config, v, dept.Origin{Model: ck.Config.Describe(), Checkpoint: ck, Seed: 1})
	require.NoError(t, err)
	return a
}

// shake moves all numbers of an adapter off their start, so that none of its
// tensors is 0 or 1.
func shake(a *dept.Adapter) *dept.Adapter {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, x := range a.Tensors {
		for i, v := range x.Values {
			if v == 0 {
				x.Values[i] = float32(0.1 * rng.NormFloat64())
			} else {
				x.Values[i] = v * float32(1+0.2*rng.NormFloat64())
			}
		}
	}
	return a
}

// Under each method the model and the gradients of the method's numbers agree with
// float64, without dropout and with that of the model and of LoRA, whose masks the
// oracle draws too.
func TestMethodsAgainstFloat64(t *testing.T) {
	e := sharedEngine(t)
	g := golden{slack: slackOf(e)}
	for _, model := range oddModels {
		ck := oddModel(t, model.config, safetensors.F32)
		for _, c := range methodCases {
			for _, draw := range []*drawing{nil, {rate: 0.1, key: shaders.Key(3, 1, 4)}} {
				name := model.name + "/" + c.name
				if draw != nil {
					name += ", dropout"
				}
				t.Run(name, func(t *testing.T) {
					rows := rowsOf(rand.New(rand.NewPCG(4, 4)), []int{1, 33})
					g.holdToOracle(t, e, ck, shake(c.start(t, ck, 33, dept.Values{"lora-dropout": 0.2})), rows, draw)
				})
			}
		}
	}
}

// The methods start as the model is, or with a prompt as prompt tuning, and what they
// draw leaves the model's own masks alone: the first loss of training is the plain
// model's, or prompt tuning's, to the bit, also with the dropout of both. DoRA's starts with m/n, which is 1 but for
// float32: m is rounded from a norm in float64, and n is summed on the device.
func TestMethodsStartAsTheModel(t *testing.T) {
	ctx := context.Background()
	e := sharedEngine(t)
	rows := rowsOf(rand.New(rand.NewPCG(4, 4)), []int{5, 33})
	s, draw := bucketOf(rows, 2, 33, 3), &drawing{rate: 0.1, key: shaders.Key(3, 1, 4)}
	for _, model := range oddModels {
		ck := oddModel(t, model.config, safetensors.F32)
		m, err := t5.Load(ctx, e, ck, false)
		require.NoError(t, err)
		t.Cleanup(m.Release)
		plain, _, _ := runPass(t, e, m, dept.AsIs(), rows, s, draw)
		for _, c := range methodCases {
			if c.kind == &dept.ResidualPrompt || c.kind == &dept.Prefix || c.kind == &dept.Bottleneck && c.values["placement"] != "parallel" {
				continue // what they add is not zero at the start
			}
			want := plain
			if length, ok := c.values["prompt-length"]; ok {
				// A prompt changes the input from the start, and what is beside it does not.
				alone, err := dept.New(m, methodCase{"", &dept.PromptTuning, dept.Values{"prompt-length": length}}.start(t, ck, 33, nil), false)
				require.NoError(t, err)
				t.Cleanup(alone.Release)
				want, _, _ = runPass(t, e, m, alone, rows, s, draw)
			}
			method, err := dept.New(m, c.start(t, ck, 33, dept.Values{"lora-dropout": 0.5}), true)
			require.NoError(t, err)
			t.Cleanup(method.Release)
			got, _, _ := runPass(t, e, m, method, rows, s, draw)
			if c.values.Bool("use-dora") {
				assert.InEpsilon(t, want, got, 1e-6, "%s, %s", model.name, c.name)
			} else {
				assert.Equal(t, want, got, "%s, %s", model.name, c.name)
			}
		}
	}
}

// Half-precision weights give what float32 weights of the same rounded numbers do,
// in the loss and in every gradient: only the order of sums may differ.
func TestMethodsOnHalfPrecision(t *testing.T) {
	e := sharedEngine(t)
	rows := rowsOf(rand.New(rand.NewPCG(4, 4)), []int{5, 33})
	draw := &drawing{rate: 0.1, key: shaders.Key(3, 1, 4)}
	for i, dtype := range []safetensors.DType{safetensors.F16, safetensors.BF16} {
		half := oddModel(t, oddModels[i].config, dtype)
		float, err := t5.NewCheckpoint(half.Config, half.Float32)
		require.NoError(t, err)
		for _, c := range methodCases {
			t.Run(fmt.Sprintf("%s/%s", dtype, c.name), func(t *testing.T) {
				a := shake(c.start(t, half, 33, dept.Values{"lora-dropout": 0.2}))
				want, wantGradients := runMethod(t, e, float, a, rows, draw)
				got, gradients := runMethod(t, e, half, a, rows, draw)
				assert.InEpsilon(t, want.loss, got.loss, 1e-6)
				assert.LessOrEqual(t, nmse(got.logits, want.logits), 1e-12)
				for i, x := range a.Tensors {
					assert.LessOrEqual(t, nmse(gradients[i], wantGradients[i]), 1e-12, x.Name)
				}
			})
		}
	}
}

// passed is what a pass made.
type passed struct {
	loss            float32
	encoded, logits []float32
}

// runMethod is runPass under an adapter on a model of its own, with the gradient of
// each of the adapter's tensors.
func runMethod(t *testing.T, e *tensor.Engine, ck *t5.Checkpoint, a *dept.Adapter, rows rowsOfIDs, draw *drawing) (p passed, gradients [][]float32) {
	ctx := context.Background()
	m, err := t5.Load(ctx, e, ck, false)
	require.NoError(t, err)
	defer m.Release()
	method := dept.AsIs()
	if a != nil {
		method, err = dept.New(m, a, true)
		require.NoError(t, err)
		defer method.Release()
	}
	p.loss, p.encoded, p.logits = runPass(t, e, m, method, rows, bucketOf(rows, len(rows), 33, len(rows)+1), draw)
	for _, x := range method.Params() {
		gradient, err := x.Grad.ReadFloats(ctx)
		require.NoError(t, err)
		gradients = append(gradients, gradient)
	}
	return p, gradients
}

// A model with an adapter folded in answers as the two do; a prompt cannot be.
func TestMerge(t *testing.T) {
	e := sharedEngine(t)
	rows := rowsOf(rand.New(rand.NewPCG(4, 4)), []int{5, 33})
	for _, model := range oddModels {
		ck := oddModel(t, model.config, safetensors.F32)
		plain, _ := runMethod(t, e, ck, nil, rows, nil)
		for _, c := range methodCases {
			t.Run(model.name+"/"+c.name, func(t *testing.T) {
				a := shake(c.start(t, ck, 33, dept.Values{"lora-dropout": 0.2}))
				weights, err := dept.Merge(a, ck.Config.Describe(), ck.Float32)
				if c.kind.Merge == nil {
					require.ErrorContains(t, err, "an adapter of "+c.kind.Name+" cannot be merged: "+c.kind.Apart+": keep it beside the model")
					require.NotEmpty(t, c.kind.Apart)
					return
				}
				require.NoError(t, err)
				merged, err := t5.NewCheckpoint(ck.Config, weights)
				require.NoError(t, err)
				want, _ := runMethod(t, e, ck, a, rows, nil)
				got, _ := runMethod(t, e, merged, nil, rows, nil)
				assert.LessOrEqual(t, nmse(got.encoded, want.encoded), 1e-11)
				assert.LessOrEqual(t, nmse(got.logits, want.logits), 1e-11)
				assert.Greater(t, nmse(plain.logits, want.logits), 1e-4, "the adapter changes nothing")
			})
		}
	}
}
