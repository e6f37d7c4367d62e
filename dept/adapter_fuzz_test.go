package dept

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseAdapter: any two files are refused with an error or make an adapter that
// is written and read again unchanged.
func FuzzParseAdapter(f *testing.F) {
	for _, config := range []AdapterConfig{
		{PromptLength: 2, Rank: 1, MaxSourceLength: 3, Width: 4, LoraAlpha: 8},
		{PromptLength: 3, Width: 2},
		{Rank: 2, MaxSourceLength: 1, Width: 3, LoraAlpha: 1e-3},
	} {
		a := &Adapter{Config: config}
		for _, t := range a.tensors() {
			*t.values = make([]float32, t.shape[0]*t.shape[1])
		}
		files, err := a.Files()
		require.NoError(f, err)
		f.Add(files[AdapterConfigFile], files[AdapterWeightsFile])
	}
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		a, err := ParseAdapter(map[string][]byte{AdapterConfigFile: config, AdapterWeightsFile: weights})
		if err != nil {
			return
		}
		files, err := a.Files()
		require.NoError(t, err)
		again, err := ParseAdapter(files)
		require.NoError(t, err)
		require.Equal(t, a.Config, again.Config)
		for i, tensor := range a.tensors() {
			require.True(t, slices.Equal(*tensor.values, *again.tensors()[i].values), tensor.name)
		}
	})
}
