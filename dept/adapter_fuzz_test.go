package dept

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/allocation"
	"github.com/go-dept/dept/nn"
)

// FuzzParseAdapter: any two files are refused with an error or make an adapter that
// is written and read again unchanged.
func FuzzParseAdapter(f *testing.F) {
	for _, c := range []*PromptConfig{
		{PromptLength: 2, Rank: 1, MaxSourceLength: 3, Width: 4, LoraAlpha: 8, Submodules: 1},
		{PromptLength: 3, Width: 2, Submodules: 1},
		{Rank: 2, MaxSourceLength: 1, Width: 3, LoraAlpha: 1e-3, Submodules: 1},
	} {
		addAdapter(f, c, c.list())
	}
	linear := func(name string, in, out int) nn.Linear {
		return nn.Linear{Name: name, Tensor: "encoder.block.0." + name + ".weight", In: in, Out: out}
	}
	d := nn.Description{Width: 3, Encoder: nn.Stack{Name: "encoder", Norm: "encoder.final_layer_norm.weight", Blocks: []nn.Block{{
		{Name: "self", Module: "encoder.block.0.layer.0", Norm: "encoder.block.0.layer.0.layer_norm.weight", Attention: &nn.Attention{
			Heads: 1, HeadDim: 2, Q: linear("q", 3, 2), K: linear("k", 3, 2), V: linear("v", 3, 2), O: linear("o", 2, 3),
		}},
		{Name: "ff", Module: "encoder.block.0.layer.1", Norm: "encoder.block.0.layer.1.layer_norm.weight", FeedForward: &nn.FeedForward{
			In: []nn.Linear{linear("wi", 3, 5)}, Out: linear("wo", 5, 3),
		}},
	}}}}
	ranks := patterns{}
	require.NoError(f, json.Unmarshal([]byte(`{"wi": 1, "^enc.*o": 2}`), &ranks))
	hub := Hub{Name: "a1", Width: 3, Version: "adapters.1.3.0"}
	for _, c := range []Config{
		&LoRAConfig{Rank: 1, Alpha: 4, Targets: Targets{Pattern: ".*w[io]"}, Bias: "none", Init: json.RawMessage("true"), Ranks: ranks},
		&NormsConfig{Targets: Targets{Names: []string{"layer_norm"}}},
		&BiasesConfig{},
		&ADePTConfig{PromptLength: 2, Width: 1, MaxSourceLength: 9, ModelWidth: 3, Submodules: 1},
		&ResidualConfig{PromptLength: 2, Bottleneck: 1, Width: 3},
		&BottleneckConfig{Config: bottleneck{FeedForward: true, After: true, Residual: true, Scale: 1.5, Reduction: 2, NonLinearity: "swish"}, Hub: hub},
		&PrefixConfig{Config: prefix{prefixArchitecture, true, true, false, 2, 1, "tanh"}, Hub: hub},
		&PrefixConfig{Config: prefix{prefixArchitecture, true, false, true, 2, 1, "tanh"}, Hub: hub},
		&LoRAConfig{Rank: 2, Alpha: 4, DoRA: true, Targets: Targets{Names: []string{"wi"}}, Bias: "none", Init: json.RawMessage("true")},
		&IA3Config{Targets: Targets{Names: []string{"wi", "wo"}}, FeedForward: Targets{Names: []string{"wo"}}, Init: true},
	} {
		list, err := c.Tensors(d)
		require.NoError(f, err)
		addAdapter(f, c, list)
	}
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		for _, names := range [][]string{{AdapterWeightsFile, HubWeightsFile}, {AdapterTorchFile, HubTorchFile}} {
			var a *Adapter
			var err error
			allocation.Check(t, len(config)+len(weights), func() {
				a, err = ParseAdapter(map[string][]byte{AdapterConfigFile: config, names[0]: weights, names[1]: weights})
			})
			if err != nil {
				require.NotContains(t, err.Error(), "Go struct")
				continue
			}
			files, err := a.Files()
			require.NoError(t, err)
			again, err := ParseAdapter(files)
			require.NoError(t, err)
			require.Equal(t, a, again)
		}
	})
}

// addAdapter gives the fuzzer the files of an adapter of zeros.
func addAdapter(f *testing.F, c Config, list []Tensor) {
	for i, t := range list {
		list[i].Values = make([]float32, t.len())
	}
	files, err := (&Adapter{Config: c, Answers: &Answers{Template: "a {text}", Labels: []string{"0", "1"}, Names: []string{"x", "y"}, Rank: true}, Tensors: list}).Files()
	require.NoError(f, err)
	f.Add(files[AdapterConfigFile], files[c.Kind().WeightsFile()])
}
