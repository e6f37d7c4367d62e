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
	d := nn.Description{Encoder: nn.Stack{Name: "encoder", Blocks: []nn.Block{{{Name: "ff", FeedForward: &nn.FeedForward{
		In:  []nn.Linear{{Name: "wi", Tensor: "encoder.block.0.layer.1.DenseReluDense.wi.weight", In: 3, Out: 5}},
		Out: nn.Linear{Name: "wo", Tensor: "encoder.block.0.layer.1.DenseReluDense.wo.weight", In: 5, Out: 3},
	}}}}}}
	for _, c := range []Config{
		&LoRAConfig{Rank: 2, Alpha: 4, DoRA: true, Targets: Targets{Names: []string{"wi"}}, Bias: "none", Init: json.RawMessage("true")},
		&IA3Config{Targets: Targets{Names: []string{"wi", "wo"}}, FeedForward: Targets{Names: []string{"wo"}}, Init: true},
	} {
		list, err := c.Tensors(d)
		require.NoError(f, err)
		addAdapter(f, c, list)
	}
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		for _, name := range []string{AdapterWeightsFile, AdapterTorchFile} {
			var a *Adapter
			var err error
			allocation.Check(t, len(config)+len(weights), func() {
				a, err = ParseAdapter(map[string][]byte{AdapterConfigFile: config, name: weights})
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
	f.Add(files[AdapterConfigFile], files[AdapterWeightsFile])
}
