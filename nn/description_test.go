package nn_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/t5"
)

// The names of sites and places say where they are, each once, and no two draw the
// same dropout.
func TestSites(t *testing.T) {
	c, err := t5.ParseConfig([]byte(`{"model_type": "t5", "d_model": 1024, "d_kv": 64, "d_ff": 4096, "num_heads": 16, "num_layers": 24, "vocab_size": 10}`))
	require.NoError(t, err)
	d := c.Describe()
	sites := d.Sites()
	require.Len(t, sites, 24*(4+2)+24*(4+4+2))
	assert.Equal(t, nn.Site{
		Name: "encoder.3.self.q", Module: "encoder.block.3.layer.0.SelfAttention.q", In: 1024, Out: 1024, Shared: true,
	}, sites[3*6])
	assert.Equal(t, nn.Site{
		Name: "decoder.23.ff.wo", Module: "decoder.block.23.layer.2.DenseReluDense.wo", In: 4096, Out: 1024,
	}, sites[len(sites)-1])
	var names []string
	drawn := map[uint32]string{}
	for _, s := range sites {
		names = append(names, s.Name, s.Name+".lora")
	}
	for _, p := range d.Places() {
		names = append(names, p.Name, p.Name+".in", p.Name+".weights")
	}
	names = append(names, "encoder.embed", "encoder.norm", "decoder.embed", "decoder.norm")
	for _, name := range names {
		site := nn.DropoutAt(name, 0.1).Site
		assert.Empty(t, drawn[site], name)
		drawn[site] = name
	}
	assert.Len(t, names, len(slices.Compact(slices.Sorted(slices.Values(names)))))
}
