package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
)

// oddConfig has no size that a kernel would like: heads of 10, whose sum is not
// the width, a width and a vocabulary that are no multiples of 4.
func oddConfig(t *testing.T, gated bool) *t5.Config {
	proj := "relu"
	if gated {
		proj = "gated-gelu"
	}
	c, err := t5.ParseConfig(fmt.Appendf(nil, `{"model_type":"t5","d_model":51,"d_kv":10,"d_ff":70,"num_heads":3,
		"num_layers":1,"num_decoder_layers":2,"vocab_size":1003,"feed_forward_proj":%q,"tie_word_embeddings":%v,
		"dropout_rate":0.1,"layer_norm_epsilon":1e-6,"relative_attention_num_buckets":32,
		"pad_token_id":0,"eos_token_id":1,"decoder_start_token_id":0}`, proj, !gated))
	require.NoError(t, err)
	return c
}

func oddCheckpoint(t *testing.T, c *t5.Config, dtype safetensors.DType) *t5.Checkpoint {
	dir := t.TempDir()
	require.NoError(t, t5.WriteCheckpoint(dir, c, dtype, t5.RandomTensors(c, 5)))
	ck, err := t5.OpenCheckpoint(dir)
	require.NoError(t, err)
	t.Cleanup(func() { ck.Close() })
	return ck
}

// oddRows have sources of 1, 65 and a few tokens.
func oddRows() rowsOfIDs {
	rng := rand.New(rand.NewPCG(8, 8))
	rows := rowsOfIDs{}
	for _, n := range []int{1, 65, 17} {
		x := data.Example{Target: []int32{int32(2 + rng.IntN(1000)), int32(2 + rng.IntN(1000)), 1}}
		for range n - 1 {
			x.Source = append(x.Source, int32(2+rng.IntN(1000)))
		}
		x.Source = append(x.Source, 1)
		rows = append(rows, x)
	}
	return rows
}

// forwardLoss is the mean loss of a model over rows, whose gradient nobody asks for.
func forwardLoss(t *testing.T, e *tensor.Engine, m *nn.Model, rows rowsOfIDs, s shape) float64 {
	ctx := context.Background()
	in, err := newInputs(e, m.Description, s, 0, nn.Ahead{}, len(m.Trainable()) > 0)
	require.NoError(t, err)
	defer in.release()
	total, err := e.NewArray("loss", shaders.F32, 1)
	require.NoError(t, err)
	defer total.Release()
	g := e.NewGraph()
	p := m.NewPass(g, nn.Hooks{})
	in.forward(p, total)
	require.NoError(t, p.Err())
	program, err := g.Compile(ctx)
	require.NoError(t, err)
	defer program.Release()
	require.NoError(t, in.write(rows))
	require.NoError(t, e.SetStep(shaders.Step{LossScale: float32(1 / float64(targetTokens(rows)))}))
	require.NoError(t, e.Run(program))
	x, err := total.ReadFloats(ctx)
	require.NoError(t, err)
	return float64(x[0])
}

// Half-precision storage changes nothing but the rounding of the file: the same
// rounded numbers as float32 give the same loss.
func TestHalfStorage(t *testing.T) {
	ctx := context.Background()
	e := sharedEngine(t)
	for _, gated := range []bool{false, true} {
		for _, dtype := range []safetensors.DType{safetensors.F16, safetensors.BF16} {
			ck := oddCheckpoint(t, oddConfig(t, gated), dtype)
			losses := map[bool]float64{}
			bytes := map[bool]int64{}
			for _, wide := range []bool{false, true} {
				m, err := t5.Load(ctx, e, ck, wide) // training keeps float32
				require.NoError(t, err)
				bytes[wide] = m.Bytes()
				losses[wide] = forwardLoss(t, e, m, oddRows(), shape{3, 65, 3})
				t.Cleanup(m.Release)
			}
			assert.InEpsilon(t, losses[true], losses[false], 1e-6, "gated %v, %s", gated, dtype)
			assert.Less(t, float64(bytes[false]), 0.55*float64(bytes[true]))
		}
	}
}
